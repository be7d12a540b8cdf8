//! The life of a server inside one process, over real sockets, subject by subject.
//!
//! **Invariant:** no test sleeps; what takes time takes virtual time, and what waits for the kernel
//! does so under a bound.

#[path = "lifecycle/cancelled.rs"]
mod cancelled;
#[path = "lifecycle/connections.rs"]
mod connections;
#[path = "lifecycle/events.rs"]
mod events;
#[path = "lifecycle/hook_order.rs"]
mod hook_order;
#[path = "lifecycle/hooks.rs"]
mod hooks;
#[path = "lifecycle/late.rs"]
mod late;
#[path = "lifecycle/linger.rs"]
mod linger;
#[path = "lifecycle/refused.rs"]
mod refused;
#[path = "lifecycle/signals.rs"]
mod signals;
#[path = "lifecycle/start.rs"]
mod start;
#[path = "lifecycle/stop.rs"]
mod stop;
#[path = "lifecycle/stop_inside.rs"]
mod stop_inside;
#[path = "lifecycle/stop_work.rs"]
mod stop_work;
#[path = "lifecycle/workers.rs"]
mod workers;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter::Server;
use lamplighter_harness::{Gate, own_loopback};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A server on a free port that says hello.
fn hello() -> Server {
    Server::new(Router::new().route("/", get(|| async { "hello" }))).listen(own_loopback())
}

/// A server on a free port whose `/held` waits at the gate.
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
    Server::new(app).listen(own_loopback())
}

/// Panics without a word on standard error.
fn panics(message: &'static str) {
    std::panic::resume_unwind(Box::new(message));
}

/// What happened, noted down by whoever it happened to.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, text: impl Into<String>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(text.into());
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
