//! The deadline that a client of gRPC names: kept by the server, whatever its clients do about it.
//!
//! tonic's own client counts the same time and gives up by itself, so that what the server does is seen by
//! one that does not.

use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::post;
use greeter::v1::SayHelloRequest;
use lamplighter::{App, Check, Healthcheck, Phase, Server};
use lamplighter_harness::{Gate, Reply, TestServer};
use prost::Message;
use tokio::time::advance;
use tonic::Code;

use super::{app, ends_well, millis, plain, routes, secs};

/// A call over HTTP/2 whose client waits for the answer, however long that takes.
fn call(
    server: &TestServer,
    method: &str,
    name: &str,
    timeout: &str,
) -> impl Future<Output = Reply> + Send + use<> {
    let path = format!("/greeter.v1.Greeter/{method}");
    posted(server, &path, "application/grpc", name, timeout)
}

fn posted(
    server: &TestServer,
    path: &str,
    kind: &str,
    name: &str,
    timeout: &str,
) -> impl Future<Output = Reply> + Send + use<> {
    let message = SayHelloRequest { name: name.into() }.encode_to_vec();
    let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    body.extend(message);
    let request = Request::post(path)
        .header("content-type", kind)
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .body(Body::from(body));
    server.http2().send(request.unwrap())
}

/// The status, if it is in the head of the answer: of a call that gave no message.
fn status(reply: &Reply) -> Option<Code> {
    reply
        .header("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
}

async fn here(gate: &Gate) -> TestServer {
    here_with(Server::new(app(gate))).await
}

async fn here_with(server: Server) -> TestServer {
    TestServer::here().start(server.listen("127.0.0.1:0")).await
}

#[tokio::test(start_paused = true)]
async fn a_call_gets_no_more_time_than_its_client_gave_it() {
    let gate = Gate::new();
    // The services of tonic beside plain routes, and alone.
    let apart = Server::new(routes(&gate));
    for (server, before) in [(Server::new(app(&gate)), 0), (apart, 1)] {
        let server = here_with(server).await;
        let waiting = tokio::spawn(call(&server, "SayHello", "gate", "5S"));
        gate.reached(before + 1).await;
        advance(millis(4990)).await;
        assert_eq!(gate.waiting(), 1);
        advance(millis(11)).await;
        let late = waiting.await.unwrap();
        assert_eq!(status(&late), Some(Code::DeadlineExceeded), "{late:?}");
        assert_eq!(late.status(), 200);
        assert_eq!(late.header("content-type"), Some("application/grpc"));
        // The handler is gone, and the request with it.
        gate.empty().await;
        assert_eq!(server.handle().in_flight(), 0);
        ends_well(server).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_grpc_has_no_time_of_grpcs() {
    let gate = Gate::new();
    let at = gate.clone();
    let waits = || async move { at.pass().await };
    let server = here_with(Server::new(Router::new().route("/", post(waits)))).await;
    let waiting = tokio::spawn(posted(&server, "/", "application/grpcs", "", "1S"));
    gate.reached(1).await;
    advance(secs(5)).await;
    gate.open();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(status(&answer), None);
    ends_well(server).await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_call_passes_while_a_check_is_asked_for_its_health_too() {
    let server = here_with(Server::new(app(&Gate::new())).protocol(Healthcheck::new())).await;
    let inside = Gate::new();
    let silent = inside.clone();
    let check = Check::new("silent", move || {
        let silent = silent.clone();
        async move {
            silent.pass().await;
            Ok::<(), String>(())
        }
    });
    server.handle().health().check(check.timeout(secs(3600)));
    let path = "/grpc.health.v1.Health/Check";
    let waiting = tokio::spawn(posted(&server, path, "application/grpc", "", "5S"));
    inside.reached(1).await;
    advance(secs(5) + millis(1)).await;
    let late = waiting.await.unwrap();
    assert_eq!(status(&late), Some(Code::DeadlineExceeded), "{late:?}");
    ends_well(server).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_answered_in_time_is_answered_as_if_it_had_no_deadline() {
    let gate = Gate::new();
    let server = here(&gate).await;
    let waiting = tokio::spawn(call(&server, "SayHello", "gate", "5S"));
    gate.reached(1).await;
    advance(millis(4990)).await;
    gate.open();
    let answer = waiting.await.unwrap();
    assert_eq!(status(&answer), None, "{answer:?}");
    assert!(answer.text().await.contains("Hello, gate!"));
    ends_well(server).await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_is_none_by_the_rules_is_no_deadline() {
    let gate = Gate::new();
    let server = here(&gate).await;
    let waiting = tokio::spawn(call(&server, "SayHello", "gate", "5 seconds"));
    let beside = tokio::spawn(call(&server, "SayHello", "gate", "1H"));
    gate.reached(2).await;
    advance(secs(3601)).await;
    // One that is a deadline has passed, and was seen to.
    let late = beside.await.unwrap();
    assert_eq!(status(&late), Some(Code::DeadlineExceeded), "{late:?}");
    gate.open();
    let answer = waiting.await.unwrap();
    assert_eq!(status(&answer), None, "{answer:?}");
    assert!(answer.text().await.contains("Hello, gate!"));
    ends_well(server).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_in_time_goes_on() {
    let server = here(&Gate::new()).await;
    let mut hellos = call(&server, "StreamHello", "World", "5S").await;
    let first = hellos.chunk().await.unwrap();
    assert!(first.ends_with(b"Hello, World!"), "{first:?}");
    advance(secs(3600)).await;
    assert_eq!(server.handle().in_flight(), 1);
    let stop = tokio::spawn(server.stop());
    // It hears of the drain, as any other.
    assert_eq!(hellos.chunk().await, None);
    let report = stop.await.unwrap();
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_call_no_longer_than_its_client_does() {
    let gate = Gate::new();
    let server = here(&gate).await;
    let waiting = tokio::spawn(call(&server, "SayHello", "gate", "5S"));
    gate.reached(1).await;
    let stop = tokio::spawn(server.stop());
    advance(secs(5) + millis(1)).await;
    let late = waiting.await.unwrap();
    assert_eq!(status(&late), Some(Code::DeadlineExceeded), "{late:?}");
    let report = stop.await.unwrap();
    assert!(report.is_clean(), "{report}");
    let draining = report
        .phases()
        .iter()
        .find(|it| it.phase == Phase::Draining);
    assert_eq!(draining.unwrap().took.as_secs(), 5, "{report}");
    assert_eq!(report.connections().tally.answered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_from_a_browser_has_a_deadline_too_and_hears_of_it_in_its_own_protocol() {
    let gate = Gate::new();
    let app = App::new(plain()).grpc_web(routes(&gate));
    let server = here_with(Server::new(app)).await;
    let path = "/greeter.v1.Greeter/SayHello";
    for (number, kind) in [(1, "application/grpc-web+proto"), (2, "application/grpc")] {
        let waiting = tokio::spawn(posted(&server, path, kind, "gate", "5S"));
        gate.reached(number).await;
        advance(secs(5) + millis(1)).await;
        let late = waiting.await.unwrap();
        assert_eq!(status(&late), Some(Code::DeadlineExceeded), "{late:?}");
        assert_eq!(late.header("content-type"), Some(kind));
    }
    ends_well(server).await;
}
