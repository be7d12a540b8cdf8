//! The gRPC half of a whole process: the quickstart's greeter, its health, and what a signal does.

use std::net::SocketAddr;
use std::time::Duration;

use greeter::v1::greeter_client::GreeterClient;
use greeter::v1::{SayHelloRequest, StreamHelloRequest};
use lamplighter::Signal;
use lamplighter_harness::{Probe, within};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{assert_in_order, quickstart};

#[expect(
    clippy::unwrap_used,
    reason = "a client that cannot connect fails its test"
)]
pub(super) async fn channel(addr: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
    within("a channel", endpoint.connect()).await.unwrap()
}

/// What the greeter on this port says to the world.
#[expect(
    clippy::unwrap_used,
    reason = "a greeter that does not answer fails its test"
)]
pub(super) async fn hello(addr: SocketAddr) -> String {
    let mut client = GreeterClient::new(channel(addr).await);
    let name = "World".into();
    let answer = within("hello", client.say_hello(SayHelloRequest { name })).await;
    answer.unwrap().into_inner().message
}

#[tokio::test]
async fn the_quickstart_greets_streams_until_it_drains_and_tells_its_watchers() {
    let process = quickstart().env("LAME_DUCK_MS", 300).start();
    let addr = process.ready().await;
    assert_eq!(hello(addr).await, "Hello, World!");
    let channel = channel(addr).await;
    let mut client = GreeterClient::new(channel.clone());
    let name = "you".into();
    let hellos = client.stream_hello(StreamHelloRequest { name }).await;
    let mut hellos = hellos.unwrap().into_inner();
    for _ in 0..2 {
        let hello = within("a hello", hellos.message()).await.unwrap().unwrap();
        assert_eq!(hello.message, "Hello, you!");
    }
    let mut health = HealthClient::new(channel);
    let service = "greeter.v1.Greeter".into();
    let watch = health.watch(HealthCheckRequest { service }).await;
    let mut watch = watch.unwrap().into_inner();
    let told = within("news", watch.message()).await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::Serving);
    process.signal(Signal::Sigterm);
    let told = within("news", watch.message()).await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    assert!(within("the end", watch.message()).await.unwrap().is_none());
    while within("the end", hellos.message()).await.unwrap().is_some() {}
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(&exit.stdout, &["lame-duck", "draining", "telemetry ok"]);
    assert!(exit.stderr.contains("clean"), "{exit}");
}

#[tokio::test]
async fn the_probes_of_the_plan_get_true_answers() {
    let process = quickstart().start();
    let mut probe = Probe::connect(process.ready().await).await.unwrap();
    // The paths that an explained plan tells a kubelet to ask.
    let explained = lamplighter::Plan::within(Duration::from_secs(30))
        .explain()
        .to_string();
    for path in ["/readyz", "/livez"] {
        assert!(
            explained.contains(&format!("path: {path}\n")),
            "{explained}"
        );
        probe.request(path).await.unwrap();
        assert_eq!(probe.answer().await.status(), 200, "{path}");
    }
    probe.request("/healthz").await.unwrap();
    let text = probe.answer().await.text();
    assert!(text.contains("\"warm-up\":{\"ok\":true"), "{text}");
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
}
