//! Everything at once: each kind of work open on the quickstart's one port when the signal comes.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use greeter::v1::StreamHelloRequest;
use greeter::v1::greeter_client::GreeterClient;
use lamplighter::Signal;
use lamplighter_harness::{Probe, Seen, within};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::grpc::channel;
use super::websocket::{close_code, connect, next};
use super::{assert_in_order, quickstart};

/// When a line of a timeline happened, since the signal.
fn at(timeline: &str, what: &str) -> Option<Duration> {
    let line = timeline.lines().find(|line| line.contains(what))?;
    let millis: f64 = line.split(" ms").next()?.trim().parse().ok()?;
    Some(Duration::from_secs_f64(millis / 1000.0))
}

#[tokio::test]
async fn a_signal_ends_everything_as_it_deserves_and_waits_for_the_sleeper_alone() {
    let process = quickstart().start();
    let addr = process.ready().await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut probe = Probe::connect(addr).await.unwrap();
        probe.request("/").await.unwrap();
        assert_eq!(probe.answer().await.status(), 200);
        idle.push(probe);
    }
    let mut events = Probe::connect(addr).await.unwrap();
    events.request("/events").await.unwrap();
    events.text("tick").await;
    let mut socket = connect(addr).await.unwrap();
    let mut greeter = GreeterClient::new(channel(addr).await);
    let name = "you".into();
    let hellos = greeter.stream_hello(StreamHelloRequest { name }).await;
    let mut hellos = hellos.unwrap().into_inner();
    let hello = within("a hello", hellos.message()).await.unwrap();
    assert_eq!(hello.unwrap().message, "Hello, you!");
    let mut health = HealthClient::new(channel(addr).await);
    let service = String::new();
    let watch = health.watch(HealthCheckRequest { service }).await;
    let mut watch = watch.unwrap().into_inner();
    let told = within("news", watch.message()).await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::Serving);
    let mut sleeper = Probe::connect(addr).await.unwrap();
    sleeper.request("/sleep?ms=1000").await.unwrap();

    let signalled = Instant::now();
    process.signal(Signal::Sigterm);

    // The streams end by themselves, each in its own words.
    events.text("bye").await;
    assert_eq!(events.end().await, Seen::Fin);
    let told = within("news", watch.message()).await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    assert!(within("the end", watch.message()).await.unwrap().is_none());
    while within("OK", hellos.message()).await.unwrap().is_some() {}
    let goodbye = next(&mut socket).await.unwrap();
    assert_eq!(close_code(goodbye.as_ref()), Some(CloseCode::Away));
    assert!(within("the end", socket.next()).await.is_none());
    for probe in &mut idle {
        assert_eq!(probe.end().await, Seen::Fin);
    }
    let answer = sleeper.answer().await;
    let answered = signalled.elapsed();
    assert_eq!(
        (answer.status(), answer.text()),
        (200, "slept 1000 ms\n".into())
    );

    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    let settled = [
        "hook          database ok",
        "hook          cache ok",
        "hook          telemetry ok",
    ];
    assert_in_order(&exit.stdout, &settled);
    assert!(!exit.stdout.contains("cut"), "{exit}");
    // Nothing but the sleeper held the drain. Both times count from the signal, and the client had
    // its answer after the server had sent it.
    let drained = at(&exit.stdout, "phase         force-closing").unwrap();
    assert!(
        drained <= answered + Duration::from_millis(100),
        "answered after {answered:?}: {exit}"
    );
}
