//! The accept loop as a future, polled by hand: what each wake-up makes it do, and what none does.
//!
//! **Invariant:** a test here says which poll brings what: nothing runs between two of its lines.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use lamplighter_lifecycle::ListenerId;
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::time::advance;
use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready};

use super::fixture::{Fixture, soon};
use crate::os::listener::{Addr, AnyListener, Label, Listener};
use crate::transport::accept::loops;
use crate::transport::{Accepting, Limits, Newcomers, Queue};

/// What the kernel would answer, question by question; beyond that it has nothing.
#[derive(Clone, Default)]
struct Script {
    accept: Arc<Mutex<VecDeque<io::Result<DuplexStream>>>>,
    queued: Arc<Mutex<VecDeque<io::Result<DuplexStream>>>>,
    asked: Arc<AtomicUsize>,
    asked_queue: Arc<AtomicUsize>,
}

impl Script {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn then(&self, answer: io::Result<DuplexStream>) {
        self.accept.lock().unwrap().push_back(answer);
    }

    fn then_queued(&self, answer: io::Result<DuplexStream>) {
        self.queued.lock().unwrap().push_back(answer);
    }
}

fn peer() -> Addr {
    Addr::Named("peer".to_owned())
}

impl Listener for Script {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Addr)> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let next = self.accept.lock().unwrap().pop_front();
        match next {
            Some(answer) => answer.map(|io| (io, peer())),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::Named("scripted".to_owned()))
    }

    fn accept_queued(&mut self) -> io::Result<Option<(DuplexStream, Addr)>> {
        self.asked_queue.fetch_add(1, Ordering::SeqCst);
        let next = self.queued.lock().unwrap().pop_front();
        next.transpose().map(|io| io.map(|io| (io, peer())))
    }
}

type Loop = Spawn<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// The only loop of a transport that has another listener, and ends when that is closed as well.
fn accepts(fixture: &Fixture, script: &Script) -> Loop {
    let accepting = Accepting {
        id: ListenerId::new(1),
        label: Label::new(None, Addr::Named("scripted".to_owned())),
        listener: AnyListener::new(script.clone()),
        newcomers: Newcomers::Queue,
    };
    let mut loops = loops(&fixture.transport.inner, vec![accepting]);
    let (_, accepts) = loops.next().unwrap();
    spawn(Box::pin(accepts))
}

fn fixture() -> Fixture {
    Fixture::without_listener(Router::new(), Limits::default())
}

/// The server ends this connection, and says nothing.
async fn ends(mut client: DuplexStream) {
    let read = soon("the end of a client", client.read(&mut [0])).await;
    assert_eq!(read.unwrap(), 0);
}

const MILLI: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_wait_after_an_error_is_ended_by_its_time_and_by_no_other_wake_up() {
    let (fixture, script) = (fixture(), Script::default());
    // 1, 2 and 4 ms are waited.
    for _ in 0..3 {
        script.then(Err(Errno::NOBUFS.into()));
    }
    let mut accepts = accepts(&fixture, &script);
    assert_pending!(accepts.poll());
    assert_eq!(script.asked(), 1);
    for (wait, asked) in [(1, 2), (2, 3), (4, 4)] {
        advance(MILLI * wait - MILLI / 2).await;
        // Polled for no reason, as the parts of a join are: nobody is asked before the time is up.
        assert_pending!(accepts.poll());
        assert_eq!(script.asked(), asked - 1, "before {wait} ms are over");
        advance(MILLI).await;
        assert!(accepts.is_woken());
        assert_pending!(accepts.poll());
        assert_eq!(script.asked(), asked, "after {wait} ms");
    }
    drop(accepts);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_a_wait_after_an_error_in_the_very_next_poll() {
    let (fixture, script) = (fixture(), Script::default());
    script.then(Err(Errno::MFILE.into()));
    let mut accepts = accepts(&fixture, &script);
    assert_pending!(accepts.poll());
    assert!(!accepts.is_woken());
    fixture.transport.close_listeners(Queue::Drain);
    assert!(accepts.is_woken());
    assert_ready!(accepts.poll());
    assert_eq!(script.asked(), 1);
    drop(accepts);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn who_arrives_together_with_the_close_is_taken_from_the_queue_and_not_lost() {
    let (fixture, script) = (fixture(), Script::default());
    let mut accepts = accepts(&fixture, &script);
    assert_pending!(accepts.poll());
    let (client, ours) = duplex(64);
    script.then_queued(Ok(ours));
    fixture.transport.close_listeners(Queue::Drain);
    assert_ready!(accepts.poll());
    assert_eq!(fixture.opened_so_far(), 1);
    // It is a connection like any other, silent, with its time to speak.
    fixture.drain();
    ends(client).await;
    drop(accepts);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn without_descriptors_a_queue_is_emptied_by_turning_away_until_it_is_dry() {
    let (fixture, script) = (fixture(), Script::default());
    let mut accepts = accepts(&fixture, &script);
    assert_pending!(accepts.poll());
    let mut clients = Vec::new();
    for _ in 0..2 {
        // Asked for a connection of its own it lacks a descriptor, which the spare one makes up for.
        script.then_queued(Err(Errno::MFILE.into()));
        let (client, ours) = duplex(64);
        script.then_queued(Ok(ours));
        clients.push(client);
    }
    script.then_queued(Err(Errno::CONNABORTED.into()));
    fixture.transport.close_listeners(Queue::Drain);
    assert_ready!(accepts.poll());
    assert_eq!((fixture.turned_away(), fixture.opened_so_far()), (2, 0));
    for client in clients {
        ends(client).await;
    }
    // Five answers, and one more question that has none: dry.
    assert_eq!(script.asked_queue.load(Ordering::SeqCst), 6);
    drop(accepts);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_loop_that_is_dropped_in_the_middle_of_an_accept_counts_as_closed_once() {
    let (fixture, script) = (fixture(), Script::default());
    let mut accepts = accepts(&fixture, &script);
    assert_pending!(accepts.poll());
    // As when its runtime goes away under it.
    drop(accepts);
    assert_eq!(
        Arc::strong_count(&script.asked),
        1,
        "its listener is closed"
    );
    fixture.ends_clean().await;
}
