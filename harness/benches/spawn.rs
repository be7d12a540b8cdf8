//! What a test server costs: its start, one request, its stop; beside servers by hand in the same
//! arrangement.
//!
//! Each line is the time of one whole life or of a part of it, as median and as 90th percentile: of a
//! [`TestServer`], then of a server by hand, then how many times as long the first is as that one by hand
//! which lived right before or after it. Lives of both kinds take turns, so that whatever else the
//! machine does happens to both.
//!
//! There are two servers by hand. The one that stops gracefully, as hyper does it, is the floor: it does
//! what is asked of a test server, and no more. The one that stops by letting go of everything, whoever
//! may still wait, is there to show what graceful costs.
//!
//! `cargo bench -p lamplighter-harness --bench spawn -- [pairs]`, 500 pairs unless told otherwise. A
//! kernel that has some thousand ports in TIME_WAIT takes long to find a free one: more than 1 000 pairs
//! measure that. The same against other people's test servers: see `peers/` here.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot measure is to say so at once"
)]

#[path = "spawn/ask.rs"]
mod ask;
#[path = "spawn/by_hand.rs"]
mod by_hand;
#[path = "spawn/hello.rs"]
mod hello;
#[path = "spawn/measure.rs"]
mod measure;

use std::time::Instant;

use lamplighter::App;
use lamplighter_harness::TestServer;

use self::by_hand::{ByHand, Http, Stop};
use self::measure::{Life, compare};

/// The wire of one life.
#[derive(Clone, Copy)]
enum Wire {
    Http1,
    Grpc,
}

async fn test_server(wire: Wire) -> Life {
    let begun = Instant::now();
    let server = match wire {
        Wire::Http1 => TestServer::spawn(hello::plain()).await,
        Wire::Grpc => TestServer::spawn(App::new(hello::plain()).grpc(hello::routes())).await,
    };
    let ready = Instant::now();
    let client = Client::of(wire, server.addr()).await;
    let answered = Instant::now();
    assert!(server.stop().await.is_clean());
    drop(client);
    Life::of([begun, ready, answered, Instant::now()])
}

async fn by_hand(wire: Wire, stop: Stop) -> Life {
    let begun = Instant::now();
    let server = match wire {
        Wire::Http1 => ByHand::spawn(hello::plain(), Http::One, stop).await,
        Wire::Grpc => {
            let app = hello::routes().prepare().into_axum_router();
            ByHand::spawn(app, Http::Two, stop).await
        }
    };
    let ready = Instant::now();
    let client = Client::of(wire, server.addr()).await;
    let answered = Instant::now();
    server.stop().await;
    drop(client);
    Life::of([begun, ready, answered, Instant::now()])
}

/// What is kept open until the server is gone.
#[expect(dead_code, reason = "it is its end that matters")]
enum Client {
    Http1(lamplighter_harness::Probe),
    Grpc(greeter::v1::greeter_client::GreeterClient<tonic::transport::Channel>),
}

impl Client {
    async fn of(wire: Wire, addr: std::net::SocketAddr) -> Self {
        match wire {
            Wire::Http1 => Self::Http1(ask::plainly(addr).await),
            Wire::Grpc => Self::Grpc(ask::by_grpc(addr).await),
        }
    }
}

fn main() {
    let told = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let pairs = told.unwrap_or(500);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    for (name, wire) in [("http/1", Wire::Http1), ("gRPC", Wire::Grpc)] {
        for (how, stop) in [
            ("by hand", Stop::Graceful),
            ("by hand, cut off", Stop::CutOff),
        ] {
            let what = format!("{name}, TestServer : {how}");
            let ours = async || test_server(wire).await;
            let floor = async || by_hand(wire, stop).await;
            runtime.block_on(compare(&what, ours, floor, pairs));
        }
    }
}
