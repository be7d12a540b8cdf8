//! Health over gRPC, asked by tonic's own clients: Check, List, Watch.

use std::time::Duration;

use axum::http::uri::PathAndQuery;
use futures_util::{TryStreamExt, stream};
use lamplighter::{Check, Phase, Plan, ServingStatus};
use lamplighter_harness::{Gate, Manners, Probe, Seen, TestServer, within};
use tokio::task::JoinHandle;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus as Wire;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;

use super::{answer_on, draining, ends_well, green_behind, healthy, secs, status_on};

pub(super) async fn channel(addr: impl std::fmt::Display) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
    within("a channel", endpoint.connect()).await.unwrap()
}

pub(super) fn asking(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

pub(super) async fn check(
    client: &mut HealthClient<Channel>,
    service: &str,
) -> Result<Wire, tonic::Status> {
    let answer = within("an answer", client.check(asking(service))).await?;
    Ok(answer.into_inner().status())
}

/// What a watcher is told next; `None` at the end, which has to be OK.
pub(super) async fn told(watch: &mut Streaming<HealthCheckResponse>) -> Option<Wire> {
    let message = within("news", watch.message()).await.unwrap();
    message.map(|message| message.status())
}

/// The messages of `List`, as another client would have them.
#[derive(Clone, PartialEq, prost::Message)]
struct ListResponse {
    #[prost(btree_map = "string, message", tag = "1")]
    statuses: std::collections::BTreeMap<String, HealthCheckResponse>,
}

pub(super) async fn list(channel: Channel) -> Result<Vec<(String, Wire)>, tonic::Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/List");
    let codec: ProstCodec<(), ListResponse> = ProstCodec::default();
    let answer = client.unary(tonic::Request::new(()), path, codec).await?;
    let statuses = answer.into_inner().statuses.into_iter();
    Ok(statuses
        .map(|(name, answer)| (name, answer.status()))
        .collect())
}

/// A call over HTTP/2 by hand: its head, and a message if there is one; not its end.
pub(super) async fn call(
    probe: &mut Probe,
    stream: u32,
    path: &str,
    message: Option<&[u8]>,
    last: bool,
) {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "probe"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    probe.send_frame(1, 4, stream, &block).await.unwrap();
    if let Some(message) = message {
        let mut data = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
        data.extend_from_slice(message);
        probe
            .send_frame(0, u8::from(last), stream, &data)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn check_tells_serving_from_not_serving_from_unknown() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let health = server.handle().health();
    let mut client = HealthClient::new(channel(server.addr()).await);
    assert_eq!(check(&mut client, "").await.unwrap(), Wire::Serving);
    let unknown = check(&mut client, "orders.v1.Orders").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    health.set("orders.v1.Orders", ServingStatus::Serving);
    health.set("users.v1.Users", ServingStatus::NotServing);
    for (service, status) in [
        ("orders.v1.Orders", Wire::Serving),
        ("users.v1.Users", Wire::NotServing),
        // One that is down takes the server with it.
        ("", Wire::NotServing),
    ] {
        assert_eq!(check(&mut client, service).await.unwrap(), status);
    }
    health.remove("users.v1.Users");
    assert_eq!(check(&mut client, "").await.unwrap(), Wire::Serving);
    let gone = check(&mut client, "users.v1.Users").await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    ends_well(server).await;
}

#[tokio::test]
async fn list_names_the_server_and_every_component() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let channel = channel(server.addr()).await;
    let alone = list(channel.clone()).await.unwrap();
    assert_eq!(alone, [(String::new(), Wire::Serving)]);
    let health = server.handle().health();
    health.set("orders.v1.Orders", ServingStatus::Serving);
    health.set("users.v1.Users", ServingStatus::NotServing);
    let all = list(channel.clone()).await.unwrap();
    let expected = [
        ("", Wire::NotServing),
        ("orders.v1.Orders", Wire::Serving),
        ("users.v1.Users", Wire::NotServing),
    ];
    assert_eq!(
        all,
        expected.map(|(name, status)| (name.to_owned(), status))
    );
    for number in 0..100 {
        health.set(format!("component-{number}"), ServingStatus::Serving);
    }
    let refused = list(channel).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    ends_well(server).await;
}

#[tokio::test]
async fn watch_tells_what_is_and_then_every_change_at_once() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let health = server.handle().health();
    let mut client = HealthClient::new(channel(server.addr()).await);
    let mut all = client.watch(asking("")).await.unwrap().into_inner();
    let mut one = client.watch(asking("orders")).await.unwrap().into_inner();
    assert_eq!(told(&mut all).await, Some(Wire::Serving));
    assert_eq!(told(&mut one).await, Some(Wire::ServiceUnknown));
    health.set("orders", ServingStatus::NotServing);
    assert_eq!(told(&mut all).await, Some(Wire::NotServing));
    assert_eq!(told(&mut one).await, Some(Wire::NotServing));
    // What changes nothing for a watcher is not told to it.
    health.set("users", ServingStatus::NotServing);
    health.set("orders", ServingStatus::Serving);
    assert_eq!(told(&mut one).await, Some(Wire::Serving));
    health.set("users", ServingStatus::Serving);
    assert_eq!(told(&mut all).await, Some(Wire::Serving));
    health.remove("orders");
    assert_eq!(told(&mut one).await, Some(Wire::ServiceUnknown));
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn watch_hears_of_a_check_that_goes_down_though_nobody_else_asks() {
    let (down, server) = (Gate::new(), TestServer::start(healthy(&Gate::new())).await);
    let flag = down.clone();
    server.handle().health().check(
        Check::new("database", move || {
            let down = flag.arrived() > 0;
            async move { if down { Err("gone") } else { Ok(()) } }
        })
        .cache_for(secs(0)),
    );
    let mut client = HealthClient::new(channel(server.addr()).await);
    let mut all = client.watch(asking("")).await.unwrap().into_inner();
    assert_eq!(told(&mut all).await, Some(Wire::Serving));
    down.open();
    down.pass().await;
    assert_eq!(told(&mut all).await, Some(Wire::NotServing));
    ends_well(server).await;
}

#[tokio::test]
async fn a_watch_is_told_of_the_cause_and_ends_well_with_the_lame_duck() {
    let plan = Plan::new().lame_duck(secs(3600));
    let server = TestServer::start(healthy(&Gate::new()).plan(plan)).await;
    let handle = server.handle().clone();
    handle.health().set("orders", ServingStatus::Serving);
    let mut client = HealthClient::new(channel(server.addr()).await);
    let mut all = client.watch(asking("")).await.unwrap().into_inner();
    let mut one = client.watch(asking("orders")).await.unwrap().into_inner();
    assert_eq!(told(&mut all).await, Some(Wire::Serving));
    assert_eq!(told(&mut one).await, Some(Wire::Serving));
    drop(handle.stop());
    assert_eq!(told(&mut all).await, Some(Wire::NotServing));
    assert_eq!(told(&mut one).await, Some(Wire::NotServing));
    assert_eq!(handle.phase(), Phase::LameDuck);
    // A client that comes now is told the same, and kept.
    let mut late = HealthClient::new(channel(server.addr()).await);
    assert_eq!(check(&mut late, "").await.unwrap(), Wire::NotServing);
    let mut late = late.watch(asking("")).await.unwrap().into_inner();
    assert_eq!(told(&mut late).await, Some(Wire::NotServing));
    assert_eq!(handle.in_flight(), 3);
    drop(handle.force());
    for watch in [&mut all, &mut one, &mut late] {
        assert_eq!(told(watch).await, None, "an end, and no error");
    }
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn an_open_watch_never_holds_a_drain() {
    let server = TestServer::here().start(healthy(&Gate::new())).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    call(
        &mut probe,
        1,
        "/grpc.health.v1.Health/Watch",
        Some(&[]),
        true,
    )
    .await;
    let is_told = |seen: &Seen| matches!(seen, Seen::Data { stream: 1, .. });
    probe.until("the first status", is_told).await;
    let stop = tokio::spawn(server.stop());
    probe.until("the second status", is_told).await;
    let ends = |seen: &Seen| {
        matches!(
            seen,
            Seen::Headers {
                stream: 1,
                last: true,
                ..
            }
        )
    };
    probe.until("the end of the watch", ends).await;
    assert_eq!(probe.end().await, Seen::Fin);
    let report = within("the stop", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    // What comes after the drain is for the last bytes on their way to this client.
    let took = draining(&report);
    assert_eq!(took, secs(0), "{}", report.timeline());
}

/// Asks a method, with a question that comes when the gate lets it; says how many answers there were.
async fn asks_in_two(
    server: &TestServer,
    method: &'static str,
    gate: &Gate,
) -> JoinHandle<Result<usize, tonic::Status>> {
    let (mut client, gate) = (Grpc::new(server.grpc()), gate.clone());
    let asked = tokio::spawn(async move {
        client.ready().await.unwrap();
        let question = stream::once(async move {
            gate.pass().await;
            asking("")
        });
        let path = PathAndQuery::from_static(method);
        let codec: ProstCodec<HealthCheckRequest, ()> = ProstCodec::default();
        let told = client
            .streaming(tonic::Request::new(question), path, codec)
            .await?;
        let told: Vec<()> = told.into_inner().try_collect().await?;
        Ok(told.len())
    });
    while server.handle().in_flight() < 1 {
        tokio::task::yield_now().await;
    }
    asked
}

#[tokio::test]
async fn a_question_that_is_on_its_way_when_the_drain_begins_is_waited_for_and_answered() {
    for method in [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/List",
        "/grpc.health.v1.Health/Watch",
    ] {
        let server = TestServer::here().start(healthy(&Gate::new())).await;
        let gate = Gate::new();
        let asked = asks_in_two(&server, method, &gate).await;
        drop(server.running().stop());
        server.reached(Phase::Draining).await;
        gate.open();
        let told = within("the answer", asked).await.unwrap();
        assert_eq!(told.unwrap(), 1, "{method}");
        ends_well(server).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_never_comes_holds_a_drain_for_a_second() {
    let server = TestServer::here().start(healthy(&Gate::new())).await;
    let asked = asks_in_two(&server, "/grpc.health.v1.Health/Check", &Gate::new()).await;
    drop(server.running().stop());
    let refused = within("the answer", asked).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(draining(&report), secs(1), "{}", report.timeline());
}

#[tokio::test(start_paused = true)]
async fn a_question_that_comes_in_two_parts_around_the_begin_of_a_drain_is_answered() {
    let question = [0, 0, 0, 0, 0];
    for cut in 1..question.len() {
        let (first, rest) = question.split_at(cut);
        let server = TestServer::here().start(healthy(&Gate::new())).await;
        let mut probe = server.probe().await;
        probe.http2(Manners::Polite).await.unwrap();
        call(&mut probe, 1, "/grpc.health.v1.Health/Check", None, false).await;
        probe.send_frame(0, 0, 1, first).await.unwrap();
        while server.handle().in_flight() < 1 {
            tokio::task::yield_now().await;
        }
        drop(server.running().stop());
        server.reached(Phase::Draining).await;
        let goaway = |seen: &Seen| matches!(seen, Seen::GoAway { .. });
        probe.until("the word that it stops", goaway).await;
        probe.send_frame(0, 1, 1, rest).await.unwrap();
        let answer = probe.streamed(1).await;
        // NOT_SERVING.
        assert_eq!(answer.body.as_ref(), [0, 0, 0, 0, 2, 8, 2], "{cut}");
        assert!(answer.ended, "{cut}: {answer:?}");
        let report = server.wait().await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(draining(&report), secs(0), "{}", report.timeline());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_question_has_not_come_is_cut_by_force_like_any_other() {
    let app = healthy(&Gate::new()).plan(Plan::new().drain_timeout(Duration::from_millis(300)));
    let server = TestServer::here().start(app).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    for (stream, method) in [(1, "Check"), (3, "List"), (5, "Watch")] {
        let path = format!("/grpc.health.v1.Health/{method}");
        call(&mut probe, stream, &path, None, false).await;
    }
    while server.handle().in_flight() < 3 {
        tokio::task::yield_now().await;
    }
    drop(server.running().stop());
    server.reached(Phase::Draining).await;
    tokio::time::advance(Duration::from_millis(300)).await;
    for stream in [1, 3, 5] {
        let answer = probe.streamed(stream).await;
        assert_eq!((answer.status, answer.reset), (None, Some(8)), "CANCEL");
    }
    let report = server.wait().await;
    let tally = report.connections().tally;
    assert_eq!((tally.cut, tally.aborted), (3, 0), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_begins_while_draining_is_told_once_and_ends() {
    let gate = Gate::new();
    let server = TestServer::here().start(healthy(&gate)).await;
    let mut probe = server.probe().await;
    // Mute: its first GOAWAY, which promises to serve what comes, stands for a second.
    probe.http2(Manners::Mute).await.unwrap();
    assert_eq!(status_on(&mut probe, "/").await, 200);
    let mut held = server.probe().await;
    held.request("/held").await.unwrap();
    gate.reached(1).await;
    drop(server.running().stop());
    server.reached(Phase::Draining).await;
    call(
        &mut probe,
        3,
        "/grpc.health.v1.Health/Watch",
        Some(&[]),
        true,
    )
    .await;
    let told = |seen: &Seen| matches!(seen, Seen::Data { stream: 3, .. });
    let Seen::Data { data, .. } = probe.until("a status", told).await else {
        unreachable!("asked for a status")
    };
    // A message of two bytes: field 1 is 2, NOT_SERVING.
    assert_eq!(data.as_ref(), [0, 0, 0, 0, 2, 8, 2]);
    let ends = |seen: &Seen| {
        matches!(
            seen,
            Seen::Headers {
                stream: 3,
                last: true,
                ..
            }
        )
    };
    probe.until("the end of the watch", ends).await;
    gate.open();
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn before_ready_it_answers_not_serving() {
    let (gate, warm) = (Gate::new(), Gate::new());
    let server = healthy(&gate).plan(Plan::new().ready_timeout(secs(20)));
    server.health().check(green_behind(&warm));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let started = tokio::spawn(TestServer::start(server.listen(listener)));
    warm.reached(1).await;
    let channel = channel(addr).await;
    let mut client = HealthClient::new(channel.clone());
    assert_eq!(check(&mut client, "").await.unwrap(), Wire::NotServing);
    let mut watch = client.watch(asking("")).await.unwrap().into_inner();
    assert_eq!(told(&mut watch).await, Some(Wire::NotServing));
    // The application is not there yet, and says so in the words of gRPC.
    let mut other = Grpc::new(channel);
    other.ready().await.unwrap();
    let path = PathAndQuery::from_static("/orders.v1.Orders/Get");
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let refused = other.unary(tonic::Request::new(()), path, codec).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.message(), "Server is not ready");
    warm.open();
    let server = within("the start", started).await.unwrap();
    assert_eq!(told(&mut watch).await, Some(Wire::Serving));
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn what_it_does_not_have_is_unimplemented_and_what_is_too_large_is_refused() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let channel = channel(server.addr()).await;
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Cure");
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let unknown = client.unary(tonic::Request::new(()), path, codec).await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
    let mut health = HealthClient::new(channel);
    let endless = "x".repeat(5000);
    let refused = check(&mut health, &endless).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    // The connection lives.
    assert_eq!(check(&mut health, "").await.unwrap(), Wire::Serving);
    // What is not gRPC is not its business: the application's 404.
    let mut probe = server.probe().await;
    let answer = answer_on(&mut probe, "/grpc.health.v1.Health/Check").await;
    assert_eq!(answer.status(), 404);
    ends_well(server).await;
}
