//! HTTP/2 peers that flood: none of them holds a drain.

use std::future::ready;
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lamplighter_lifecycle::ConnectionEnd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::cooperative;
use tokio::time::advance;

use super::client::{Client, End};
use super::fixture::{Fixture, beside_on_a_thread, tally};
use super::frames::{Frames, GOAWAY, PING, RST_STREAM, SETTINGS, frame, get};
use super::http2::peer::{PREFACE, app};
use crate::os::listener::{Addr, AnyListener, Listener};
use crate::transport::Newcomers;

/// Sends and reads nothing, until nobody takes it any more.
async fn floods_deaf(fixture: &Fixture, flood: Vec<u8>) -> Client {
    let mut frames = Frames::over(fixture.dial(4096)).await;
    let flooding = async {
        loop {
            frames.send(&flood).await;
        }
    };
    // Until the server, which cannot write its answers, reads no more of it.
    let full = tokio::time::timeout(Duration::from_millis(1), flooding).await;
    full.unwrap_err();
    frames.into_client()
}

#[tokio::test(start_paused = true)]
async fn a_flood_that_takes_no_answers_does_not_hold_the_drain() {
    for flood in [frame(PING, 0, 0, b"flooding"), frame(SETTINGS, 0, 0, &[])] {
        let fixture = Fixture::in_memory(app());
        let client = floods_deaf(&fixture, flood).await;
        let before = fixture.now();
        fixture.drain();
        let closed = fixture.closed(1).await;
        let took = fixture.now().since(before).as_millis();
        assert!((1_000..=1_002).contains(&took), "{took} ms");
        assert_eq!(closed.end, ConnectionEnd::TimedOut);
        assert_eq!(closed.tally, tally(0, 0, 0, 0));
        assert_eq!(client.rest().await.1, End::Fin);
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_a_flooding_peer_does_not_take_is_not_cut_by_the_grace() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(512)).await;
    frames.send(get(1, "/large")).await;
    while fixture.transport.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    fixture.drain();
    advance(Duration::from_secs(20)).await;
    tokio::task::yield_now().await;
    assert_eq!(fixture.transport.open_connections(), 1);
    fixture.force();
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert_eq!(closed.tally, tally(1, 0, 1, 0));
    fixture.ends_clean().await;
}

/// On real sockets, from threads that never pause: the server's task has bytes at every turn.
#[test]
fn floods_that_never_pause_do_not_hold_the_drain() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let fixture = Fixture::serving(app()).await;
        let mut threads = Vec::new();
        for flood in [frame(PING, 0, 0, b"flooding"), frame(SETTINGS, 0, 0, &[])] {
            let bytes = flood.repeat(4096);
            let mut write = fixture.connect().await.into_tcp();
            write.set_nonblocking(false).unwrap();
            let mut read = write.try_clone().unwrap();
            threads.push(beside_on_a_thread(move || {
                let mut sink = [0; 64 * 1024];
                while let Ok(1..) = read.read(&mut sink) {}
            }));
            threads.push(beside_on_a_thread(move || {
                let opening = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
                write.write_all(&opening).unwrap();
                while write.write_all(&bytes).is_ok() {}
            }));
        }
        fixture.opened(2).await;
        fixture.drain();
        for number in [1, 2] {
            assert_eq!(fixture.closed(number).await.tally, tally(0, 0, 0, 0));
        }
        for thread in threads {
            thread.join().unwrap();
        }
        fixture.ends_clean().await;
    });
}

/// A peer that always has one more PING, and takes whatever it is sent.
struct Endless {
    rest: Vec<u8>,
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // As sockets do, it has a task yield now and then.
        ready!(pin!(cooperative(ready(()))).poll(cx));
        if self.rest.is_empty() {
            self.rest = frame(PING, 0, 0, b"flooding");
        }
        let read = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..read]);
        self.rest.drain(..read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct OneEndless(Option<Endless>);

impl Listener for OneEndless {
    type Io = Endless;

    async fn accept(&mut self) -> io::Result<(Endless, Addr)> {
        match self.0.take() {
            Some(io) => Ok((io, Addr::Named("endless".to_owned()))),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::Named("endless".to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_keeps_the_task_busy_at_every_turn_does_not_keep_time_from_it() {
    let fixture = Fixture::in_memory(app());
    let endless = Endless {
        rest: [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat(),
    };
    let listener = AnyListener::new(OneEndless(Some(endless)));
    fixture.accept(listener, Newcomers::Queue);
    fixture.opened(1).await;
    // It is busy from here on.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    fixture.drain();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.transport.open_connections(), 1);
    advance(Duration::from_secs(1)).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.transport.open_connections(), 0);
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::TimedOut);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn streams_without_end_are_refused_after_a_second_and_then_the_connection_closes() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    let before = fixture.now();
    fixture.drain();
    frames.until(GOAWAY).await;
    frames.until(PING).await;
    // It never agrees, and goes on for as long as it gets anything.
    let (mut served, mut refused) = (0, 0);
    for stream in (1..).step_by(2) {
        advance(Duration::from_millis(100)).await;
        frames.send(get(stream, "/empty")).await;
        let Some(answer) = frames.next().await else {
            break;
        };
        if answer.kind == GOAWAY {
            let last = u64::from(answer.word(0));
            assert_eq!(last, 2 * served - 1, "the last that was served");
            break;
        }
        assert_eq!(answer.stream, stream);
        if answer.kind == RST_STREAM {
            assert_eq!(answer.word(0), 7, "REFUSED_STREAM: safe to retry");
            refused += 1;
        } else {
            assert_eq!(refused, 0, "served after it was refused");
            served += 1;
        }
        assert!(stream < 200, "it holds the drain");
    }
    let closed = fixture.closed(1).await;
    assert!(fixture.now().since(before) <= Duration::from_millis(2_300));
    assert!(
        served >= 8 && refused >= 1,
        "{served} served, {refused} refused"
    );
    assert_eq!(
        (closed.tally.begun, closed.tally.answered),
        (served, served)
    );
    // The last one may have been refused when nobody was told any more.
    let counted = closed.tally.refused_retryable;
    assert!(
        (refused..=refused + 1).contains(&counted),
        "{counted} counted"
    );
    assert_eq!(closed.end, ConnectionEnd::TimedOut);
    fixture.ends_clean().await;
}
