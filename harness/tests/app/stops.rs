//! What a stop does to calls: those in flight are answered, streams hear of it, the rest is cut.

use greeter::v1::StreamHelloRequest;
use lamplighter::{Phase, Plan, Server};
use lamplighter_harness::{Gate, TestServer, within};

use super::{app, client, ends_well, hello, millis, secs, started};

fn named(name: &str) -> StreamHelloRequest {
    StreamHelloRequest { name: name.into() }
}

#[tokio::test]
async fn a_call_in_flight_is_answered() {
    let gate = Gate::new();
    let server = started(&gate).await;
    let mut client = client(&server);
    let call = tokio::spawn(async move { hello(&mut client, "gate").await });
    gate.reached(1).await;
    let handle = server.handle().clone();
    let stop = tokio::spawn(ends_well(server));
    within("the drain", handle.reached(Phase::Draining)).await;
    gate.open();
    let answer = within("the answer", call).await.unwrap();
    assert_eq!(answer.unwrap(), "Hello, gate!");
    within("the stop", stop).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_listens_ends_well() {
    let server = started(&Gate::new()).await;
    let mut client = client(&server);
    let hellos = client.stream_hello(named("World")).await;
    let mut hellos = hellos.unwrap().into_inner();
    let first = within("a hello", hellos.message()).await.unwrap().unwrap();
    assert_eq!(first.message, "Hello, World!");
    let stop = tokio::spawn(ends_well(server));
    assert!(within("the end", hellos.message()).await.unwrap().is_none());
    within("the stop", stop).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_does_not_listen_is_cut_and_its_client_told_so() {
    let server = Server::new(app(&Gate::new())).listen("127.0.0.1:0");
    let server = TestServer::start(server.plan(Plan::new().drain_timeout(millis(200)))).await;
    let mut client = client(&server);
    let hellos = client.stream_hello(named("deaf")).await;
    let mut hellos = hellos.unwrap().into_inner();
    let first = within("a hello", hellos.message()).await.unwrap().unwrap();
    assert_eq!(first.message, "Hello, deaf!");
    let stop = tokio::spawn(server.stop());
    let cut = within("the cut", hellos.message()).await.unwrap_err();
    // Over HTTP/2 it was reset with CANCEL; which status a client makes of that is its own affair.
    assert!(format!("{cut:?}").contains("CANCEL"), "{cut:?}");
    let report = within("the stop", stop).await.unwrap();
    assert_eq!(report.outcome().cut, 1, "{report}");
    assert_eq!(report.exit_code(), 10);
}

#[tokio::test]
async fn in_the_lame_duck_a_new_client_is_served() {
    let plan = Plan::new().lame_duck(secs(3600));
    let server = Server::new(app(&Gate::new())).listen("127.0.0.1:0");
    let server = TestServer::start(server.plan(plan)).await;
    drop(server.running().stop());
    assert_eq!(server.handle().phase(), Phase::LameDuck);
    let mut client = client(&server);
    assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
    drop(server.handle().force());
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}
