//! Every kind of listener on real sockets: several at once, shared with others, broken, at a limit.
//!
//! **Invariant:** whatever waits for the kernel does so under a bound, and what must not happen is
//! judged after something that comes later anyway.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

#[path = "listeners/before_ready.rs"]
mod before_ready;
#[path = "listeners/broken.rs"]
mod broken;
#[path = "listeners/late.rs"]
mod late;
#[path = "listeners/limit.rs"]
mod limit;
#[path = "listeners/several.rs"]
mod several;
#[path = "listeners/shared.rs"]
mod shared;
#[cfg(unix)]
#[path = "listeners/unix_socket.rs"]
mod unix_socket;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter::{Addr, Report, Running, Server};
use lamplighter_harness::{Answer, Gate, Probe, within};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A server that says hello, and waits at the gate before it answers `/held`.
fn held(gate: &Gate) -> Server {
    let gate = gate.clone();
    let handler = move || {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            "let go"
        }
    };
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/held", get(handler));
    Server::new(app)
}

fn hello() -> Server {
    held(&Gate::new())
}

async fn started(server: Server) -> Running {
    within("the start", server.start()).await.unwrap()
}

/// Stops it, and waits for its end.
async fn stopped(running: Running) -> Report {
    within("the end", running.stop()).await
}

fn tcp(addr: &Addr) -> SocketAddr {
    addr.tcp().unwrap()
}

async fn connect(addr: SocketAddr) -> Probe {
    Probe::connect(addr).await.unwrap()
}

/// Asks for a path on a connection of its own, which stays open.
async fn ask(addr: SocketAddr, path: &str) -> (Probe, Answer) {
    let mut probe = connect(addr).await;
    probe.request(path).await.unwrap();
    let answer = probe.answer().await;
    (probe, answer)
}
