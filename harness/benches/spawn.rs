//! What a test server costs: its start, one request, its stop; beside a server by hand in the same
//! arrangement.
//!
//! Each line is the time of one whole life, as median and as 90th percentile, and how many times as long
//! it is as that of the server by hand which lived right before or after it. Lives of both kinds take
//! turns, so that whatever else the machine does happens to both.
//!
//! `cargo bench -p lamplighter-harness --bench spawn -- [pairs]`, 500 pairs unless told otherwise. A
//! kernel that has some thousand ports in TIME_WAIT takes long to find a free one: more than 1 500 pairs
//! measure that.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot measure is to say so at once"
)]

#[path = "spawn/by_hand.rs"]
mod by_hand;
#[path = "spawn/hello.rs"]
mod hello;

use std::future::Future;
use std::time::{Duration, Instant};

use greeter::v1::SayHelloRequest;
use greeter::v1::greeter_client::GreeterClient;
use lamplighter::App;
use lamplighter_harness::{Probe, TestServer};
use tonic::transport::Endpoint;

use self::by_hand::{ByHand, Http};

/// The wire of one life.
#[derive(Clone, Copy)]
enum Wire {
    Http1,
    Grpc,
}

async fn test_server(wire: Wire) {
    let server = match wire {
        Wire::Http1 => TestServer::spawn(hello::plain()).await,
        Wire::Grpc => TestServer::spawn(App::new(hello::plain()).grpc(hello::routes())).await,
    };
    let client = ask(wire, server.addr()).await;
    assert!(server.stop().await.is_clean());
    drop(client);
}

async fn by_hand(wire: Wire) {
    let server = match wire {
        Wire::Http1 => ByHand::spawn(hello::plain(), Http::One).await,
        Wire::Grpc => ByHand::spawn(hello::routes().prepare().into_axum_router(), Http::Two).await,
    };
    let client = ask(wire, server.addr()).await;
    server.stop().await;
    drop(client);
}

/// What is kept open until the server is gone.
#[expect(dead_code, reason = "it is its end that matters")]
enum Client {
    Http1(Probe),
    Grpc(GreeterClient<tonic::transport::Channel>),
}

/// One request and its whole answer.
async fn ask(wire: Wire, addr: std::net::SocketAddr) -> Client {
    match wire {
        Wire::Http1 => {
            let mut probe = Probe::connect(addr).await.expect("a connection");
            probe.request("/").await.expect("a request");
            assert_eq!(probe.answer().await.text(), "hello");
            Client::Http1(probe)
        }
        Wire::Grpc => {
            let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("an address");
            let channel = endpoint.connect().await.expect("a connection");
            let mut client = GreeterClient::new(channel);
            let request = SayHelloRequest {
                name: String::from("World"),
            };
            let answer = client.say_hello(request).await.expect("an answer");
            assert_eq!(answer.into_inner().message, "Hello, World!");
            Client::Grpc(client)
        }
    }
}

async fn timed(life: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    life.await;
    begun.elapsed()
}

/// The value below which this share of them is.
fn share(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

async fn compare(name: &str, wire: Wire, pairs: usize) {
    let mut lives = Vec::with_capacity(pairs);
    for pair in 0..pairs + pairs / 10 {
        // Neither is always the one that comes second.
        let life = if pair % 2 == 0 {
            let ours = timed(test_server(wire)).await;
            (ours, timed(by_hand(wire)).await)
        } else {
            let floor = timed(by_hand(wire)).await;
            (timed(test_server(wire)).await, floor)
        };
        // The first tenth warms up.
        if pair >= pairs / 10 {
            lives.push(life);
        }
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let ours = sorted(lives.iter().map(|(ours, _)| micros(*ours)));
    let floor = sorted(lives.iter().map(|(_, floor)| micros(*floor)));
    let ratio = sorted(
        lives
            .iter()
            .map(|(ours, floor)| micros(*ours) / micros(*floor)),
    );
    #[expect(clippy::print_stdout, reason = "what a benchmark is for")]
    {
        println!(
            "{name:6} TestServer {:6.0} us (p90 {:6.0}), by hand {:6.0} us (p90 {:6.0}), ratio {:.2} (p90 {:.2})",
            share(&ours, 0.5),
            share(&ours, 0.9),
            share(&floor, 0.5),
            share(&floor, 0.9),
            share(&ratio, 0.5),
            share(&ratio, 0.9),
        );
    }
}

fn main() {
    let told = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let pairs = told.unwrap_or(500);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        compare("http/1", Wire::Http1, pairs).await;
        compare("gRPC", Wire::Grpc, pairs).await;
    });
}
