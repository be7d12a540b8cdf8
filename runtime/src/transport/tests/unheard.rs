//! What the kernel has got and the runtime does not know of yet: whoever asks the kernel has no turn, as on
//! a busy machine, while others carry out the orders of a stop.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter_lifecycle::ConnectionEnd;
use tokio::runtime::{Builder, Runtime};

use super::fixture::{Fixture, PATIENCE};

/// A server whose sockets belong to a runtime that gets its turns from the test.
struct Deaf {
    ears: Runtime,
    tasks: Runtime,
    fixture: Option<Fixture>,
    listener: TcpListener,
}

impl Deaf {
    fn serving() -> Self {
        let app = Router::new().route("/", get(|| async { "Hello, World!" }));
        let tasks = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        Self {
            ears: Builder::new_current_thread().enable_io().build().unwrap(),
            fixture: Some(tasks.block_on(async { Fixture::in_memory(app) })),
            tasks,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    fn fixture(&self) -> &Fixture {
        self.fixture.as_ref().unwrap()
    }

    /// A connection that the server has looked at.
    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, peer) = self.listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = {
            let _ears = self.ears.enter();
            tokio::net::TcpStream::from_std(socket).unwrap()
        };
        self.tasks.block_on(async {
            self.fixture().open(socket, peer);
        });
        self.works();
        client
    }

    /// Lets every task go on as far as it can, in no time.
    fn works(&self) {
        self.tasks.block_on(async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        });
    }

    fn hears(&self) {
        self.ears.block_on(tokio::task::yield_now());
    }

    fn ages(&self, time: Duration) {
        self.tasks.block_on(tokio::time::advance(time));
    }

    fn drains(&self) {
        self.tasks.block_on(async { self.fixture().drain() });
        self.works();
    }

    /// How the `number`th connection ended, and how many requests it had answered.
    fn closed(&self, number: u64) -> (ConnectionEnd, u64) {
        let closed = self.tasks.block_on(self.fixture().closed(number));
        (closed.end, closed.tally.answered)
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        if let Some(fixture) = self.fixture.take()
            && !std::thread::panicking()
        {
            self.tasks.block_on(fixture.ends_clean());
        }
    }
}

fn ask(mut client: &TcpStream) {
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
}

/// All that comes, up to the end of the connection.
fn answer(mut client: &TcpStream) -> String {
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    all
}

#[test]
fn a_connection_whose_first_bytes_are_there_when_a_drain_begins_is_not_silent() {
    let server = Deaf::serving();
    let (asks, silent) = (server.connect(), server.connect());
    // Whoever has said nothing for so long is closed at once.
    server.ages(Duration::from_millis(150));
    ask(&asks);
    server.drains();
    assert_eq!(answer(&silent), "");
    server.hears();
    server.works();
    let answer = answer(&asks);
    assert!(answer.ends_with("\r\n\r\nHello, World!"), "{answer:?}");
    drop(asks);
    assert_eq!(server.closed(1), (ConnectionEnd::Graceful, 1));
    assert_eq!(server.closed(2), (ConnectionEnd::Silent, 0));
}

#[test]
fn a_request_that_is_there_when_a_drain_begins_is_answered_on_a_kept_connection() {
    let server = Deaf::serving();
    let clients = [server.connect(), server.connect()];
    for mut client in &clients {
        ask(client);
        server.hears();
        server.works();
        let read = client.read(&mut [0; 4096]).unwrap();
        assert!(read > 0);
    }
    let [asks, idle] = clients;
    ask(&asks);
    server.drains();
    assert_eq!(answer(&idle), "");
    server.hears();
    server.works();
    let answer = answer(&asks);
    assert!(answer.ends_with("\r\n\r\nHello, World!"), "{answer:?}");
    drop((asks, idle));
    assert_eq!(server.closed(1), (ConnectionEnd::Graceful, 2));
    assert_eq!(server.closed(2), (ConnectionEnd::Idle, 1));
}
