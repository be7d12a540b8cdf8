//! gRPC-Web beside gRPC, where it was asked for: over HTTP/1.1, as a browser sends it.

use lamplighter::{App, Server};
use lamplighter_harness::{Answer, Gate, TestServer};

use super::{client, ends_well, hello, plain, routes};

/// `SayHello {name: "World"}`, framed.
const MESSAGE: &[u8] = b"\0\0\0\0\x07\x0a\x05World";

/// `SayHello {name: "panic"}`, framed.
const PANIC: &[u8] = b"\0\0\0\0\x07\x0a\x05panic";

/// The same in base64.
const PANIC_AS_TEXT: &[u8] = b"AAAAAAcKBXBhbmlj";

async fn post(server: &TestServer, path: &str, kind: &str, body: &[u8]) -> Answer {
    let mut probe = server.probe().await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: probe\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    probe.send(request).await.unwrap();
    probe.answer().await
}

#[tokio::test]
async fn a_browser_gets_its_answer_and_the_status_in_the_body() {
    let app = App::new(plain()).grpc_web(routes(&Gate::new()));
    let server = TestServer::start(Server::new(app).listen("127.0.0.1:0")).await;
    let path = "/greeter.v1.Greeter/SayHello";
    let answer = post(&server, path, "application/grpc-web+proto", MESSAGE).await;
    assert_eq!(answer.status(), 200);
    let text = answer.text();
    assert!(text.contains("Hello, World!"), "{text:?}");
    assert!(text.contains("grpc-status:0"), "{text:?}");
    let unknown = post(&server, "/no.Such/Thing", "application/grpc-web", MESSAGE).await;
    assert_eq!(unknown.head.header("grpc-status"), Some("12"));
    // And everybody else gets what they got without it.
    let mut client = client(&server);
    assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
    assert_eq!(server.get("/").await.text(), "hello");
    assert_eq!(server.get("/nothing").await.status(), 404);
    ends_well(server).await;
}

#[tokio::test]
async fn what_the_server_answers_in_its_stead_is_grpc_web_too() {
    let app = App::new(plain()).grpc_web(routes(&Gate::new()));
    let server = TestServer::start(Server::new(app).listen("127.0.0.1:0")).await;
    let path = "/greeter.v1.Greeter/SayHello";
    for (kind, body, answered) in [
        ("application/grpc-web", PANIC, "application/grpc-web+proto"),
        (
            "application/grpc-web-text+proto",
            PANIC_AS_TEXT,
            "application/grpc-web-text+proto",
        ),
    ] {
        let answer = post(&server, path, kind, body).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!(answer.head.header("grpc-status"), Some("13"), "{answer:?}");
        assert_eq!(answer.head.header("content-type"), Some(answered));
    }
    ends_well(server).await;
}
