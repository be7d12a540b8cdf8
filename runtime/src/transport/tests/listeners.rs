//! Listeners that break, run out of something, or close.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter_lifecycle::Directive;
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::fixture::{Fixture, soon};
use crate::os::listener::memory::{Memory, MemoryIo};
use crate::os::listener::{Addr, AnyListener, Listener};
use crate::transport::{Limits, Newcomers, Queue};

/// A listener that has nothing but these errors.
struct Broken(VecDeque<io::Error>);

impl Listener for Broken {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Addr)> {
        match self.0.pop_front() {
            Some(error) => Err(error),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::Named("broken".to_owned()))
    }
}

fn app() -> Router {
    Router::new().route("/", get(|| async { "Hello, World!" }))
}

fn with(errors: impl IntoIterator<Item = Errno>) -> Fixture {
    let fixture = Fixture::without_listener(app(), Limits::default());
    let errors = errors.into_iter().map(io::Error::from).collect();
    fixture.accept(AnyListener::new(Broken(errors)), Newcomers::Queue);
    fixture
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_none_any_more_is_reported_and_the_others_go_on() {
    let fixture = with([Errno::BADF]);
    let (listener, error, left) = fixture.listener_failed().await;
    assert_eq!((listener.as_str(), left), ("broken", 1));
    assert!(error.contains("descriptor"), "{error}");
    let client = fixture.dial(64);
    fixture.opened(1).await;
    drop(client);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_lack_of_descriptors_is_waited_out_longer_and_longer_and_never_delays_a_stop() {
    let fixture = with(vec![Errno::MFILE; 30]);
    tokio::time::advance(Duration::from_secs(3)).await;
    let before = fixture.now();
    fixture.drain();
    fixture.listeners_closed().await;
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn errors_of_single_connections_are_passed_over_without_a_wait() {
    let mut errors = vec![Errno::CONNABORTED; 500];
    errors.push(Errno::BADF);
    let fixture = with(errors);
    let before = fixture.now();
    fixture.listener_failed().await;
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

/// Counts how often it is asked; what it hands out or fails with is another's.
struct Counting<L> {
    asked: Arc<AtomicUsize>,
    inner: L,
}

impl<L: Listener + Sync> Listener for Counting<L> {
    type Io = L::Io;

    async fn accept(&mut self) -> io::Result<(L::Io, Addr)> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.inner.accept().await
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.inner.local_addr()
    }

    fn accept_queued(&mut self) -> io::Result<Option<(L::Io, Addr)>> {
        self.inner.accept_queued()
    }
}

impl<L: Listener + Sync> Counting<L> {
    fn of(inner: L) -> (Arc<AtomicUsize>, AnyListener) {
        let asked = Arc::<AtomicUsize>::default();
        let counting = Self {
            asked: Arc::clone(&asked),
            inner,
        };
        (asked, AnyListener::new(counting))
    }
}

/// Lets everybody run who can, without a step of the clock.
pub(super) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_a_listener_is_not_even_asked() {
    let limits = Limits::default().max_connections(Some(1));
    let fixture = Fixture::without_listener(app(), limits);
    let (dialler, memory) = Memory::new();
    let (asked, counting) = Counting::of(memory);
    fixture.accept(counting, Newcomers::Queue);
    let first = dialler.dial(64);
    fixture.opened(1).await;
    let second = dialler.dial(64);
    tokio::time::advance(Duration::from_secs(5)).await;
    settle().await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    drop(first);
    fixture.opened(2).await;
    settle().await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    drop((second, dialler));
    fixture.closed(2).await;
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn who_was_accepted_a_moment_too_late_for_a_seat_gets_the_next_or_the_last() {
    let limits = Limits::default().max_connections(Some(1));
    let fixture = Fixture::without_listener(app(), limits);
    fixture.transport.direct(&Directive::Serve);
    let listeners: Vec<_> = (0..3).map(|_| Memory::new()).collect();
    let mut diallers = Vec::new();
    for (dialler, memory) in listeners {
        fixture.accept(AnyListener::new(memory), Newcomers::Queue);
        diallers.push(dialler);
    }
    let first = fixture.dial(4096);
    fixture.opened(1).await;
    let mut late: Vec<_> = diallers
        .iter()
        .map(|dialler| dialler.dial(4096).0)
        .collect();
    for client in &mut late {
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            .await
            .unwrap();
    }
    settle().await;
    drop(first);
    settle().await;
    // All three loops heard of the one seat.
    assert_eq!(fixture.opened_so_far(), 2);
    fixture.drain();
    for mut client in late {
        let mut answer = String::new();
        soon("an answer", client.read_to_string(&mut answer))
            .await
            .unwrap();
        assert!(answer.ends_with("Hello, World!"), "{answer:?}");
    }
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_ends_the_wait_for_descriptors() {
    let fixture = Fixture::without_listener(app(), Limits::default());
    let client = fixture.dial(64);
    fixture.opened(1).await;
    let errors = vec![Errno::MFILE; 100].into_iter().map(io::Error::from);
    let (asked, counting) = Counting::of(Broken(errors.collect()));
    fixture.accept(counting, Newcomers::Queue);
    // 1 + 2 + … + 512 ms, and some of the second that follows.
    while asked.load(Ordering::SeqCst) < 11 {
        tokio::time::advance(Duration::from_millis(1)).await;
        settle().await;
    }
    let before = fixture.now();
    drop(client);
    fixture.closed(1).await;
    settle().await;
    assert_eq!(asked.load(Ordering::SeqCst), 12);
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

/// Has no descriptor for anybody, until somebody gives one up for a moment.
struct Starved(Memory);

impl Listener for Starved {
    type Io = MemoryIo;

    async fn accept(&mut self) -> io::Result<(MemoryIo, Addr)> {
        Err(Errno::MFILE.into())
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.0.local_addr()
    }

    fn accept_queued(&mut self) -> io::Result<Option<(MemoryIo, Addr)>> {
        self.0.accept_queued()
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_accepted_is_turned_away_one_by_one_and_counted() {
    let fixture = Fixture::without_listener(app(), Limits::default());
    let (dialler, memory) = Memory::new();
    let clients: Vec<_> = (0..3).map(|_| dialler.dial(64)).collect();
    fixture.accept(AnyListener::new(Starved(memory)), Newcomers::Queue);
    for (mut client, _) in clients {
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
    settle().await;
    assert_eq!(fixture.turned_away(), 3);
    assert_eq!(fixture.transport.open_connections(), 0);
    fixture.ends_clean().await;
}

/// Has descriptors for as many connections as it is told.
struct Scarce {
    descriptors: Arc<AtomicUsize>,
    inner: Memory,
}

impl Listener for Scarce {
    type Io = MemoryIo;

    async fn accept(&mut self) -> io::Result<(MemoryIo, Addr)> {
        if self.descriptors.load(Ordering::SeqCst) == 0 {
            return Err(Errno::MFILE.into());
        }
        let accepted = self.inner.accept().await?;
        self.descriptors.fetch_sub(1, Ordering::SeqCst);
        Ok(accepted)
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.inner.local_addr()
    }

    fn accept_queued(&mut self) -> io::Result<Option<(MemoryIo, Addr)>> {
        self.inner.accept_queued()
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_turned_away_while_connections_go_and_their_descriptors_come_back() {
    let fixture = Fixture::without_listener(app(), Limits::default());
    let (dialler, inner) = Memory::new();
    let mut clients: VecDeque<_> = (0..4).map(|_| dialler.dial(64)).collect();
    let descriptors = Arc::new(AtomicUsize::new(1));
    let scarce = Scarce {
        descriptors: Arc::clone(&descriptors),
        inner,
    };
    fixture.accept(AnyListener::new(scarce), Newcomers::Queue);
    let before = fixture.now();
    for opened in 1..=4 {
        settle().await;
        assert_eq!(fixture.opened_so_far(), opened);
        descriptors.store(1, Ordering::SeqCst);
        clients.pop_front();
    }
    settle().await;
    assert_eq!((fixture.turned_away(), fixture.now()), (0, before));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_turned_away_whom_another_holder_may_serve() {
    let fixture = Fixture::in_memory(app());
    let (dialler, memory) = Memory::new();
    let (mut client, _) = dialler.dial(64);
    let (asked, counting) = Counting::of(Starved(memory));
    fixture.accept(counting, Newcomers::Leave);
    while asked.load(Ordering::SeqCst) < 5 {
        tokio::time::advance(Duration::from_millis(1)).await;
        settle().await;
    }
    fixture.drain();
    fixture.listeners_closed().await;
    // Its end is that of this listener, which nobody else holds here; nobody was counted.
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(fixture.turned_away(), 0);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_shared_listener_is_not_asked_before_the_server_serves() {
    let fixture = with([Errno::BADF]);
    fixture.listener_failed().await;
    let (dialler, memory) = Memory::new();
    drop(dialler);
    fixture.accept(AnyListener::new(memory), Newcomers::Leave);
    // A shared one is not asked, and so not found broken, before the server serves.
    settle().await;
    assert_eq!(fixture.failed_listeners(), [1]);
    fixture.transport.direct(&Directive::Serve);
    settle().await;
    assert_eq!(fixture.failed_listeners(), [1, 1]);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_queue_that_is_left_is_not_accepted_from() {
    let fixture = Fixture::serving(app()).await;
    // Never seen by the accept loop: this thread has not awaited since.
    let client = std::net::TcpStream::connect(fixture.addr()).unwrap();
    fixture.transport.close_listeners(Queue::Leave);
    fixture.listeners_closed().await;
    assert_eq!(fixture.transport.open_connections(), 0);
    std::net::TcpStream::connect(fixture.addr()).unwrap_err();
    drop(client);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn closing_without_listeners_is_reported_at_once() {
    let fixture = Fixture::without_listener(app(), Limits::default());
    fixture.transport.close_listeners(Queue::Drain);
    fixture.listeners_closed().await;
    fixture.transport.close_listeners(Queue::Leave);
    soon("the end of all tasks", fixture.tasks.ended()).await;
    fixture.ends_clean().await;
}

/// A listener with so many connections in its queue, whose clients have left, on a machine on which
/// every accept takes an hour.
struct Stalled {
    queued: usize,
    taken: Arc<AtomicUsize>,
    stall: Option<Box<dyn Fn() + Send>>,
}

impl Listener for Stalled {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Addr)> {
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::Named("stalled".to_owned()))
    }

    fn accept_queued(&mut self) -> io::Result<Option<(DuplexStream, Addr)>> {
        if self.taken.load(Ordering::SeqCst) == self.queued {
            return Ok(None);
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        if let Some(stall) = &self.stall {
            stall();
        }
        let client = Addr::Named("client".to_owned());
        Ok(Some((duplex(16).1, client)))
    }
}

/// How many of so many queued connections are taken when the listener closes.
async fn taken_at_the_close(queued: usize, stalls: bool) -> usize {
    let fixture = Fixture::without_listener(app(), Limits::default());
    let taken = Arc::<AtomicUsize>::default();
    let books = Arc::clone(&fixture.books);
    let listener = Stalled {
        queued,
        taken: Arc::clone(&taken),
        stall: stalls.then(|| -> Box<dyn Fn() + Send> {
            Box::new(move || books.skip(Duration::from_secs(3600)))
        }),
    };
    fixture.accept(AnyListener::new(listener), Newcomers::Queue);
    fixture.ends_clean().await;
    taken.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_at_the_close_is_taken_however_slow_the_machine_is() {
    for queued in [1025, 4096] {
        assert_eq!(taken_at_the_close(queued, true).await, queued);
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_newcomers_ends_by_the_clock_or_by_their_number() {
    assert_eq!(taken_at_the_close(usize::MAX, true).await, 4096);
    // No time passes here at all.
    assert_eq!(taken_at_the_close(usize::MAX, false).await, 16_384);
}
