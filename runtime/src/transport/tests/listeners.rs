//! Listeners that break, run out of something, or close.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rustix::io::Errno;
use tokio::io::DuplexStream;

use super::fixture::{Fixture, soon};
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
