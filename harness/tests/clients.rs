//! The clients of a test server that behave, over every kind of listener and in memory.
//!
//! **Invariant:** no test sleeps but by a clock that is virtual; what a test expects to fail is caught
//! where it is expected.

#[path = "clients/failures.rs"]
mod failures;
#[path = "clients/http.rs"]
mod http;
#[path = "clients/in_process.rs"]
mod in_process;
#[path = "clients/websocket.rs"]
mod websocket;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures_util::{FutureExt, StreamExt, stream};
use lamplighter_harness::{Gate, TestServer, TestServerBuilder};

/// Says which version it was asked by; echoes; waits at the gate; begins a body that waits there.
fn app(gate: &Gate) -> Router {
    let version = |version: axum::http::Version| async move { format!("{version:?}") };
    let (waits, begins) = (gate.clone(), gate.clone());
    let held = move || {
        let gate = waits.clone();
        async move {
            gate.pass().await;
            "let go"
        }
    };
    let parts = move || {
        let gate = begins.clone();
        let rest = stream::once(async move {
            gate.pass().await;
            Bytes::from("and the rest")
        });
        let parts = stream::iter([Bytes::from("one part ")]).chain(rest);
        async move { Body::from_stream(parts.map(Ok::<_, Infallible>)) }
    };
    Router::new()
        .route("/", get(version))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/held", get(held))
        .route("/parts", get(parts))
}

/// With a listener of each kind: "v4" is the first, then "v6" and "unix".
fn everywhere() -> TestServerBuilder {
    TestServer::builder()
        .listen(lamplighter::Bind::from("127.0.0.1:0").named("v4"))
        .listen(lamplighter::Bind::from("[::1]:0").named("v6"))
        .unix("unix")
}

const EVERYWHERE: [&str; 3] = ["v4", "v6", "unix"];

/// What this fails with; empty if it does not.
async fn failure<T>(future: impl Future<Output = T>) -> String {
    let caught = AssertUnwindSafe(future).catch_unwind().await.err();
    caught.map_or_else(String::new, |payload| {
        payload
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| String::from("a panic without a text"))
    })
}
