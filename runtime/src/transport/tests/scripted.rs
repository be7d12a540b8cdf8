//! Connections that follow a script, call by call, and futures that are polled by hand.
//!
//! **Invariant:** a test here says which poll brings what: nothing runs between two of its lines.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use lamplighter_lifecycle::{Budget, ConnectionEnd, Protocol};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_test::io::{Builder, Mock};
use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready};

use super::fixture::{Fixture, tally};
use super::frames::{CANCEL, HEADERS, RST_STREAM, frame};
use super::listeners::settle;
use crate::os::listener::{Addr, AnyListener, Io, Listener};
use crate::transport::account::{Account, Token};
use crate::transport::io::ConnectionIo;
use crate::transport::{Limits, Newcomers, flag};

/// A listener with one connection in its queue, which does as it is told.
struct Scripted(Option<Mock>);

impl Listener for Scripted {
    type Io = Mock;

    async fn accept(&mut self) -> io::Result<(Mock, Addr)> {
        match self.0.take() {
            Some(mock) => Ok((mock, Addr::Named("script".to_owned()))),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::Named("scripted".to_owned()))
    }

    fn accept_queued(&mut self) -> io::Result<Option<(Mock, Addr)>> {
        let queued = self.0.take();
        Ok(queued.map(|mock| (mock, Addr::Named("script".to_owned()))))
    }
}

/// A wrapper around a script, its account, and whatever keeps that open.
struct Wrapped {
    io: ConnectionIo,
    account: Arc<Account>,
    _token: Token,
    _fixture: Fixture,
}

impl Wrapped {
    fn parts(&mut self) -> (&mut ConnectionIo, &Account) {
        (&mut self.io, &self.account)
    }
}

fn wrapped(mock: Mock, protocol: Protocol) -> Wrapped {
    let fixture = Fixture::without_listener(Router::new(), Limits::default());
    let (account, token) = fixture.account(protocol);
    // The bytes of the first request have shown the protocol; it has begun, and been answered.
    let mut io = ConnectionIo::new(
        socket(mock),
        Bytes::from_static(REQUEST),
        Arc::clone(&account),
    );
    assert_eq!(assert_ready!(read(&mut io).poll()).unwrap(), REQUEST);
    account.seen.request_begins(false);
    Wrapped {
        io,
        account,
        _token: token,
        _fixture: fixture,
    }
}

fn socket(mock: Mock) -> Io {
    let mut listener = AnyListener::new(Scripted(Some(mock)));
    listener.accept_queued().unwrap().unwrap().0
}

type Polled<'a, T> = Spawn<Pin<Box<dyn Future<Output = io::Result<T>> + 'a>>>;

/// The next bytes; none at the end.
fn read(io: &mut ConnectionIo) -> Polled<'_, Vec<u8>> {
    spawn(Box::pin(poll_fn(|cx| {
        let mut room = [0; 64];
        let mut buf = ReadBuf::new(&mut room);
        let polled = Pin::new(&mut *io).poll_read(cx, &mut buf);
        polled.map_ok(|()| buf.filled().to_vec())
    })))
}

fn write<'a>(io: &'a mut ConnectionIo, bytes: &'a [u8]) -> Polled<'a, usize> {
    spawn(Box::pin(poll_fn(move |cx| {
        Pin::new(&mut *io).poll_write(cx, bytes)
    })))
}

fn flush(io: &mut ConnectionIo) -> Polled<'_, ()> {
    spawn(Box::pin(poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx))))
}

#[tokio::test]
async fn reading_ends_behind_the_bytes_that_are_there_and_not_within_a_head() {
    let (mock, mut peer) = Builder::new().read(b"GET /").build_with_handle();
    let mut wrapped = wrapped(mock, Protocol::Http1);
    let (io, account) = wrapped.parts();
    account.raise(flag::READING_ENDS);
    // What the kernel has comes first, and begins a head: that is waited for.
    assert_eq!(assert_ready!(read(io).poll()).unwrap(), b"GET /");
    {
        let mut rest = read(io);
        assert_pending!(rest.poll());
        peer.read(b" HTTP/1.1\r\n\r\n");
        assert!(rest.is_woken());
        assert_eq!(
            assert_ready!(rest.poll()).unwrap(),
            b" HTTP/1.1\r\n\r\n".as_slice()
        );
    }
    assert!(!account.has(flag::PEER_ENDED));
}

#[tokio::test]
async fn reading_ends_where_nothing_has_begun_and_nobody_says_that_the_peer_ended() {
    let (mock, _peer) = Builder::new().build_with_handle();
    let mut wrapped = wrapped(mock, Protocol::Http1);
    let (io, account) = wrapped.parts();
    assert_pending!(read(io).poll());
    account.raise(flag::READING_ENDS);
    assert_eq!(assert_ready!(read(io).poll()).unwrap(), b"");
    assert!(!account.has(flag::PEER_ENDED));
}

#[tokio::test]
async fn an_end_of_the_peer_is_told_from_an_error_also_where_reading_ends() {
    let broken = io::ErrorKind::ConnectionReset;
    let (mock, peer) = Builder::new().read_error(broken.into()).build_with_handle();
    let mut wrapped = wrapped(mock, Protocol::Http1);
    let (io, account) = wrapped.parts();
    account.raise(flag::READING_ENDS);
    let error = assert_ready!(read(io).poll()).unwrap_err();
    assert_eq!(error.kind(), broken);
    assert!(!account.has(flag::PEER_ENDED));
    drop(peer);
    assert_eq!(assert_ready!(read(io).poll()).unwrap(), b"");
    assert!(account.has(flag::PEER_ENDED));
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_every_byte_of_a_reset_that_the_kernel_takes_in_pieces() {
    const END_HEADERS: u8 = 4;
    let answer = frame(HEADERS, END_HEADERS, 5, &[0x88]);
    let reset = frame(RST_STREAM, 0, 5, &CANCEL.to_be_bytes());
    let a_moment = Duration::from_secs(1);
    let mock = Builder::new()
        .write(&answer)
        .write(&reset[..5])
        .wait(a_moment)
        .write(&reset[5..12])
        .wait(a_moment)
        .write(&reset[12..])
        .build();
    let mut wrapped = wrapped(mock, Protocol::Http2);
    let (io, account) = wrapped.parts();
    // The head of a tunnel's answer has gone out, and everything else has ended by force.
    account.raise(flag::TUNNELS);
    assert_ready!(flush(io).poll()).unwrap();
    let written = assert_ready!(write(io, &answer).poll()).unwrap();
    assert_eq!(written, answer.len());
    account.raise(flag::FORCED);
    let mut flushing = flush(io);
    assert_pending!(flushing.poll());
    for last in [false, true] {
        tokio::time::advance(a_moment).await;
        assert!(flushing.is_woken());
        let polled = flushing.poll();
        assert_eq!(polled.is_ready(), last, "{polled:?}");
    }
}

#[tokio::test]
async fn who_reads_or_writes_an_upgraded_socket_is_woken_when_it_is_taken_away() {
    let (mock, _peer) = Builder::new()
        .wait(Duration::from_secs(3600))
        .build_with_handle();
    let mut wrapped = wrapped(mock, Protocol::Http1);
    let (io, account) = wrapped.parts();
    account.raise(flag::UPGRADING);
    assert_ready!(flush(io).poll()).unwrap();
    assert!(account.socket().is_parked());
    // The two halves of it, as two tasks of the application hold them.
    let io = RefCell::new(io);
    let mut room = [0; 8];
    let mut reader = spawn(poll_fn(|cx| {
        Pin::new(&mut **io.borrow_mut()).poll_read(cx, &mut ReadBuf::new(&mut room))
    }));
    let mut writer = spawn(poll_fn(|cx| {
        Pin::new(&mut **io.borrow_mut()).poll_write(cx, b"tick")
    }));
    assert_pending!(reader.poll());
    assert_pending!(writer.poll());
    let taken = account.socket().take();
    assert!(matches!(taken, Some((_, Some(_)))));
    assert!(reader.is_woken() && writer.is_woken());
    let aborted = io::ErrorKind::ConnectionAborted;
    assert_eq!(
        assert_ready!(reader.poll()).unwrap_err().kind(),
        aborted,
        "reading"
    );
    assert_eq!(
        assert_ready!(writer.poll()).unwrap_err().kind(),
        aborted,
        "writing"
    );
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// A transport that serves one scripted connection, and how the head of its answer begins.
fn follows(mock: Mock) -> Fixture {
    let app = Router::new().route("/", get(|| async { "hello" }));
    let limits = Limits::default().date_header(false);
    let fixture = Fixture::limited(app, limits, Budget::default());
    let listener = AnyListener::new(Scripted(Some(mock)));
    fixture.accept(listener, Newcomers::Queue);
    fixture
}

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test(start_paused = true)]
async fn an_answer_counts_with_its_last_byte_however_few_the_kernel_takes_at_a_time() {
    let a_moment = Duration::from_secs(1);
    let mut script = Builder::new();
    script.read(REQUEST);
    for byte in ANSWER.chunks(1) {
        script.write(byte).wait(a_moment);
    }
    let fixture = follows(script.build());
    fixture.opened(1).await;
    for written in 1..ANSWER.len() {
        settle().await;
        assert_eq!(fixture.transport.in_flight(), 1, "{written} bytes written");
        tokio::time::advance(a_moment).await;
    }
    let closed = fixture.closed(1).await;
    assert_eq!(
        (closed.end, closed.tally),
        (ConnectionEnd::PeerClosed, tally(1, 1, 0, 0))
    );
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_at_its_last_byte_is_not_answered() {
    let (last, others) = ANSWER.split_last().unwrap();
    assert_eq!(*last, b'o');
    let mock = Builder::new()
        .read(REQUEST)
        .write(others)
        .write_error(io::ErrorKind::BrokenPipe.into())
        .build();
    let fixture = follows(mock);
    let closed = fixture.closed(1).await;
    assert_eq!(
        (closed.end, closed.tally),
        (ConnectionEnd::Failed, tally(1, 0, 0, 1))
    );
    fixture.ends_clean().await;
}
