//! The smallest server: two routes, and from the environment where it listens and how long a stop may
//! take: `PORT`, `LISTEN`, `LAME_DUCK_MS`, `GRACE_PERIOD_MS`, `GRACEFUL_SHUTDOWN_TIMEOUT_MS`.
#![expect(clippy::print_stdout, reason = "it says where it is ready")]
#![expect(
    clippy::disallowed_methods,
    reason = "a program is free to use tokio's clock"
)]

use std::time::Duration;

use axum::{Router, extract::Query, routing::get};
use lamplighter::{Report, Server};

#[derive(serde::Deserialize)]
struct Sleep {
    ms: u64,
}

async fn sleep(Query(Sleep { ms }): Query<Sleep>) -> String {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    format!("slept {ms} ms")
}

fn main() -> Report {
    let app = Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/sleep", get(sleep));
    let server = Server::from_env(app);
    server.on_ready(|ready| println!("ready on http://{}", ready.addr()));
    lamplighter::block_on(server.run())
}
