//! Who answers before the server is ready.

use std::net::{SocketAddr, TcpListener};

use axum::http::uri::PathAndQuery;
use lamplighter::{Bind, Check, Phase};
use lamplighter_harness::{Gate, within};
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use super::{ask, connect, hello, secs, stopped};

/// Calls a method of an application, over HTTP/2.
async fn call_grpc(addr: SocketAddr) -> Result<(), Status> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
    let mut client = Grpc::new(endpoint.connect_lazy());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/orders.v1.Orders/List");
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let answer = client.unary(Request::new(()), path, codec).await;
    answer.map(Response::into_inner)
}

#[tokio::test]
async fn an_owned_listener_answers_503_and_a_shared_one_lets_its_clients_wait() {
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (owned, shared) = (bind(), bind());
    let addr = |listener: &TcpListener| listener.local_addr().unwrap();
    let (owned_addr, shared_addr) = (addr(&owned), addr(&shared));
    let plan = lamplighter::Plan::new().ready_timeout(secs(20));
    let server = hello()
        .plan(plan)
        .listen(owned)
        .listen(Bind::from(shared).shared());
    let gate = Gate::new();
    let check = gate.clone();
    let check = Check::new("database", move || {
        let gate = check.clone();
        async move {
            gate.pass().await;
            Ok::<(), String>(())
        }
    });
    server.health().check(check.timeout(secs(20)));
    let handle = server.handle();
    let start = tokio::spawn(server.start());
    gate.reached(1).await;
    let mut waiting = connect(shared_addr).await;
    waiting.request("/").await.unwrap();
    let (mut early, answer) = ask(owned_addr, "/").await;
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert!(!answer.head.closes(), "{answer:?}");
    // What a proxy made of a call of gRPC understands HTTP alone.
    let call = "POST /orders.v1.Orders/List HTTP/1.1\r\nhost: probe\r\n\
                content-type: application/grpc\r\ncontent-length: 0\r\n\r\n";
    early.send(call).await.unwrap();
    let answer = early.answer().await;
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert_eq!(answer.head.header("grpc-status"), None, "{answer:?}");
    let refused = within("an answer", call_grpc(owned_addr))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert_eq!(handle.phase(), Phase::Starting);
    assert_eq!(handle.report().connections().accepted, 2);
    gate.open();
    let running = within("the start", start).await.unwrap().unwrap();
    assert_eq!(waiting.answer().await.status(), 200);
    // The connection that was told "not yet" lives.
    early.request("/").await.unwrap();
    assert_eq!(early.answer().await.status(), 200);
    let report = stopped(running).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 3);
}

#[tokio::test]
async fn a_start_that_fails_takes_nothing_from_a_shared_queue() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener.try_clone().unwrap();
    let addr = listener.local_addr().unwrap();
    let client = connect(addr).await;
    let plan = lamplighter::Plan::new().ready_timeout(std::time::Duration::from_millis(50));
    let server = hello().plan(plan).listen(Bind::from(listener).shared());
    let red = Check::new("database", || async { Err("not today") });
    server.health().check(red);
    let error = within("the failure", server.start()).await.unwrap_err();
    assert_eq!(error.report().connections().accepted, 0);
    // It is there for whoever holds the socket now.
    let (_, peer) = other.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}
