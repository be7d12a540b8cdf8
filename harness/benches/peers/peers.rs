//! What a test server costs beside other people's: one request over HTTP/1.1, from its start to its stop.
//!
//! `axum-test` with its HTTP transport serves in the runtime of the test, by a task that its drop aborts:
//! no thread, and nobody is told. A [`TestServer`] has a thread and a runtime of its own, stops
//! gracefully and looks for leaks.
//!
//! `cargo run --release --manifest-path harness/benches/peers/Cargo.toml -- [pairs]`, 500 pairs unless
//! told otherwise.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot measure is to say so at once"
)]

#[path = "../spawn/ask.rs"]
#[expect(dead_code, reason = "no call is made here")]
mod ask;
#[path = "../spawn/hello.rs"]
#[expect(dead_code, reason = "no call is served here")]
mod hello;
#[path = "../spawn/measure.rs"]
mod measure;

use std::time::Instant;

use lamplighter_harness::TestServer;

use self::measure::{Life, compare};

async fn test_server() -> Life {
    let begun = Instant::now();
    let server = TestServer::spawn(hello::plain()).await;
    let ready = Instant::now();
    let client = ask::plainly(server.addr()).await;
    let answered = Instant::now();
    assert!(server.stop().await.is_clean());
    drop(client);
    Life::of([begun, ready, answered, Instant::now()])
}

async fn axum_test() -> Life {
    let begun = Instant::now();
    let server = axum_test::TestServer::builder()
        .http_transport()
        .build(hello::plain());
    let addr = server.server_address().expect("an address");
    let ready = Instant::now();
    let port = addr.port().expect("a port");
    let client = ask::plainly(([127, 0, 0, 1], port).into()).await;
    let answered = Instant::now();
    drop(server);
    drop(client);
    // Its task is aborted, and gone with the next turn.
    tokio::task::yield_now().await;
    Life::of([begun, ready, answered, Instant::now()])
}

fn main() {
    let told = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let pairs = told.unwrap_or(500);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    let what = "http/1, TestServer : axum-test";
    runtime.block_on(compare(
        what,
        async || test_server().await,
        async || axum_test().await,
        pairs,
    ));
}
