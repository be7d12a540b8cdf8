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

mod descriptors;
mod ephemeral;
mod gate;
mod leak;
mod misbehave;
mod patience;
mod probe;
mod process;
mod recorder;
mod test_server;

pub use ephemeral::Ephemeral;
pub use gate::Gate;
pub use misbehave::{
    Afterwards, HALF_A_HEAD, HALF_A_PREFACE, Misbehave, REST_OF_HEAD, Slow, SlowReader, SlowWriter,
    Storm,
};
pub use patience::{PATIENCE, within};
pub use probe::{Answer, Head, Manners, Probe, Seen, StreamSeen};
pub use process::{Exit, Process, Program};
pub use recorder::{Record, Recorder};
pub use test_server::{TestServer, TestServerBuilder};
