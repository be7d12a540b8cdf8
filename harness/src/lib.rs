//! Test fixtures for servers: the production path on an ephemeral port, exact moments, and clients
//! that see every byte.
//!
//! [`TestServer`] runs a server as it runs in production. A [`Gate`] holds a handler or a hook at an
//! exact moment, a [`Probe`] is a client that says exactly what it is told to say and keeps exactly
//! what came back, a [`Recorder`] keeps what a server tells of itself, and a [`Program`] is a whole
//! process that gets real signals.
//!
//! Clients [misbehave](Misbehave) on demand.
//!
//! # The first test
//!
//! ```
//! # use axum::{Router, routing::get};
//! # use lamplighter_harness::TestServer;
//! // With `#[tokio::test]` above it.
//! async fn says_hello() {
//!     let app = Router::new().route("/", get(|| async { "hello" }));
//!     let server = TestServer::spawn(app).await;
//!     assert_eq!(server.http1().get("/").await.text().await, "hello");
//! }
//! # tokio::runtime::Runtime::new().unwrap().block_on(says_hello());
//! ```
//!
//! Its end stops the server, waits until it is gone, and fails the test if it leaves something.
//!
//! # Many at once
//!
//! Each server has a port and a thread of its own, so tests run side by side, and a test may have
//! several servers. A [`Client`] is cheap to clone:
//!
//! ```
//! # use axum::{Router, routing::get};
//! # use lamplighter_harness::TestServer;
//! # async fn many_at_once() {
//! let app = || Router::new().route("/", get(|| async { "hello" }));
//! let (one, two) = (TestServer::spawn(app()).await, TestServer::spawn(app()).await);
//! assert_ne!(one.addr(), two.addr());
//! let client = one.http2();
//! let asks: Vec<_> = (0..100).map(|_| tokio::spawn(client.get("/"))).collect();
//! for reply in asks {
//!     assert_eq!(reply.await.unwrap().status(), 200);
//! }
//! assert_eq!(client.connections(), 1);
//! assert_eq!(two.get("/").await.text(), "hello");
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(many_at_once());
//! ```
//!
//! # A drain
//!
//! Exact moments come from a [`Gate`], which holds a handler, and from
//! [`reached`](TestServer::reached) and [`event`](TestServer::event), which wait for the server.
//! Nothing sleeps:
//!
//! ```
//! # use axum::{Router, routing::get};
//! # use lamplighter_harness::{Gate, TestServer};
//! # async fn drains() {
//! use lamplighter::{Phase, Signal};
//!
//! let gate = Gate::new();
//! let inside = gate.clone();
//! let slow = move || async move { inside.pass().await; "done" };
//! let server = TestServer::spawn(Router::new().route("/", get(slow))).await;
//!
//! let answer = tokio::spawn(server.http1().get("/"));
//! gate.reached(1).await; // the request is in its handler
//! server.signal(Signal::Sigterm);
//! server.reached(Phase::Draining).await;
//! gate.open();
//!
//! assert_eq!(answer.await.unwrap().text().await, "done");
//! let report = server.wait().await;
//! assert!(report.is_clean(), "{report}");
//! assert_eq!(report.connections().tally.answered, 1);
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(drains());
//! ```
//!
//! # Features
//!
//! `grpc` ([`TestServer::grpc`]) and `websocket` ([`TestServer::websocket`]) are on by default.
//!
//! # Log lines
//!
//! What runs for a server logs into the span that was current when it was started, on whatever thread
//! that is. So `#[traced_test]` of the crate `tracing-test` (with its feature `no-env-filter`, or a test
//! in `tests/` sees nothing), put below `#[tokio::test]`, sees the lines of the servers that its test
//! starts, and none of those of the tests beside it in the process:
//!
//! ```
//! # use axum::{Router, routing::get};
//! # use lamplighter_harness::TestServer;
//! # use tracing_test::traced_test;
//! // With `#[tokio::test]` above it.
//! #[traced_test]
//! async fn an_order_is_logged() {
//!     let app = Router::new().route("/order", get(|| async { tracing::info!("ordered"); }));
//!     let server = TestServer::spawn(app).await;
//!     server.get("/order").await;
//!     let report = server.stop().await;
//!     assert!(report.is_clean(), "{report}");
//!     assert!(logs_contain("ordered"));
//!     assert!(logs_contain("lamplighter::lifecycle: stopped after"));
//! }
//! # tokio::runtime::Runtime::new().unwrap().block_on(an_order_is_logged());
//! ```
//!
//! **Invariant:** nothing in here sleeps but a client whose slowness is the matter, and every wait
//! ends: after [`PATIENCE`] of real time it fails the test with what was waited for and what had been
//! seen instead.

mod client;
mod descriptors;
mod ephemeral;
mod gate;
mod leak;
mod loopback;
mod misbehave;
mod patience;
mod probe;
mod process;
mod recorder;
mod test_server;

#[cfg(feature = "websocket")]
pub use client::WebSocket;
pub use client::{Client, ClientError, ClientFailure, Reply};
pub use ephemeral::Ephemeral;
pub use gate::Gate;
pub use loopback::own_loopback;
pub use misbehave::{
    Afterwards, HALF_A_HEAD, HALF_A_PREFACE, Misbehave, REST_OF_HEAD, Slow, SlowReader, SlowWriter,
    Storm,
};
pub use patience::{PATIENCE, within};
pub use probe::{Answer, Head, Manners, Probe, Seen, StreamSeen};
pub use process::{Exit, Process, Program};
pub use recorder::{Record, Recorder};
pub use test_server::{Clients, TestServer, TestServerBuilder};

/// The code of the README, as tests: here, where it may use all of the crates.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
