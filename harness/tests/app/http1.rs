//! gRPC that comes by HTTP/1: its status has no place there, so that no call is begun.

use greeter::DESCRIPTORS;
use lamplighter::{App, Healthcheck, Reflection, Server};
use lamplighter_harness::{Answer, Gate, Probe, TestServer};

use super::{app, client, ends_well, hello, plain, routes};

/// `SayHello {name: "gate"}`, framed.
const MESSAGE: &[u8] = b"\0\0\0\0\x06\x0a\x04gate";

async fn post(probe: &mut Probe, path: &str, kind: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: probe\r\nte: trailers\r\ncontent-type: {kind}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    probe.send([head.as_bytes(), body].concat()).await.unwrap();
    probe.answer().await
}

#[tokio::test]
async fn it_is_told_what_it_needs_and_nothing_is_begun() {
    let gate = Gate::new();
    let plain_and_grpc = Server::new(app(&gate));
    let and_web = Server::new(App::new(plain()).grpc_web(routes(&gate)));
    for server in [plain_and_grpc, and_web] {
        let server = server
            .listen("127.0.0.1:0")
            .protocol(Healthcheck::new())
            .protocol(Reflection::new([DESCRIPTORS]));
        let server = TestServer::start(server).await;
        let mut probe = server.probe().await;
        for path in [
            "/greeter.v1.Greeter/SayHello",
            "/orders.v1.Orders/List",
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            let answer = post(&mut probe, path, "application/grpc", MESSAGE).await;
            assert_eq!(answer.status(), 505, "{path}: {answer:?}");
            assert_eq!(answer.head.header("grpc-status"), None, "{path}");
            assert!(answer.text().contains("HTTP/2"), "{path}: {answer:?}");
        }
        // Had the call been begun it would stand at the gate.
        gate.empty().await;
        // The connection lives, and HTTP/2 has a call as ever.
        probe.request("/").await.unwrap();
        assert_eq!(probe.answer().await.status(), 200);
        let mut client = client(&server);
        assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
        ends_well(server).await;
    }
}
