//! A worker: a background task that counts as work, hears of the stop, and is waited for.
#![expect(clippy::print_stdout, reason = "it says what it does")]
#![expect(
    clippy::disallowed_methods,
    reason = "a program is free to use tokio's clock"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::{Router, extract::State, routing::get};
use lamplighter::{HookError, Report, Server, ShutdownSignal};
use tokio::time::sleep;

async fn sweep(signal: ShutdownSignal, swept: Arc<AtomicU64>) {
    // `None` once the server drains: what is done is done, the rest is for the next life.
    while let Some(()) = signal
        .until_draining(sleep(Duration::from_millis(50)))
        .await
    {
        swept.fetch_add(1, Ordering::Relaxed);
    }
    println!("swept {} times", swept.load(Ordering::Relaxed));
}

fn server() -> Result<Server, HookError> {
    let swept = Arc::new(AtomicU64::new(0));
    let count = |State(swept): State<Arc<AtomicU64>>| async move {
        format!("swept {} times\n", swept.load(Ordering::Relaxed))
    };
    let app = Router::new()
        .route("/", get(count))
        .with_state(Arc::clone(&swept));
    let server = Server::from_env(app);
    server.worker("sweeper", move |signal| sweep(signal, swept))?;
    server.on_ready(|ready| println!("ready on http://{}", ready.addr()));
    Ok(server)
}

fn main() -> Report {
    let server = server().unwrap_or_else(|error| unreachable!("it is not draining: {error}"));
    lamplighter::block_on(server.run())
}
