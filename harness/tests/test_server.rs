//! The test server itself: where it lives, what it is given, and how it ends.
//!
//! **Invariant:** no test sleeps; what a test expects to fail is caught where it is expected.

#[path = "test_server/built.rs"]
mod built;
#[path = "test_server/drops.rs"]
mod drops;
#[path = "test_server/homes.rs"]
mod homes;
#[path = "test_server/waits.rs"]
mod waits;

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::Router;
use axum::routing::get;
use lamplighter_harness::Gate;

/// Says hello.
fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// Says hello, and waits at the gate for whoever asks for `/held`.
fn held(gate: &Gate) -> Router {
    let gate = gate.clone();
    let handler = move || {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            "let go"
        }
    };
    hello().route("/held", get(handler))
}

/// A runtime as `#[tokio::test]` has it.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// What this fails with; empty if it does not.
fn failure(call: impl FnOnce()) -> String {
    let caught = catch_unwind(AssertUnwindSafe(call)).err();
    caught.map_or_else(String::new, |payload| {
        payload
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| String::from("a panic without a text"))
    })
}
