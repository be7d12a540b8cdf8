//! Answers that break off over somebody else's connection: a client's, or another server's.
#![expect(
    clippy::unwrap_used,
    reason = "what a client or another server cannot do fails its test"
)]

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lamplighter_harness::{Manners, Probe, Seen, TestServer, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Passes on what another server answers, which is gone in the middle of it.
async fn passes_on(request: Request) -> Response {
    request.into_body().collect().await.unwrap();
    let (here, mut there) = duplex(1024);
    let other = async move {
        there.read_u8().await.unwrap();
        let half = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
        there.write_all(half).await.unwrap();
    };
    drop(tokio::spawn(other));
    let (mut other, connection) = http1::handshake(TokioIo::new(here)).await.unwrap();
    drop(tokio::spawn(connection));
    let answer = other.send_request(Request::new(Empty::<Bytes>::new()));
    let wrapped = |body: hyper::body::Incoming| Body::new(body.map_err(std::io::Error::other));
    answer.await.unwrap().map(wrapped)
}

fn app() -> Router {
    let echoes = |request: Request| async { Response::new(request.into_body()) };
    Router::new()
        .route("/other", any(passes_on))
        .route("/echo", any(echoes))
}

async fn http2(server: &TestServer) -> Probe {
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    probe
}

/// Waits until nothing is in flight any more.
async fn settled(server: &TestServer) {
    let settled = async {
        while server.handle().in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    };
    within("what is in flight to be settled", settled).await;
}

/// Stops the server; how many of its requests broke off, and how many of them by the application's fault.
async fn broke_off(server: TestServer) -> (u64, u64) {
    let tally = server.stop().await.connections().tally;
    assert_eq!(tally.begun, tally.aborted);
    (tally.aborted, tally.failed)
}

#[tokio::test]
async fn an_answer_that_breaks_off_over_another_servers_connection_is_counted_as_failed() {
    let server = TestServer::spawn(app()).await;
    let requests = [
        "GET /other HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /other HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
        "POST /other HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ];
    for request in requests {
        let mut probe = server.probe().await;
        probe.send(request).await.unwrap();
        assert!(probe.end().await.is_end());
    }
    let mut probe = http2(&server).await;
    let stream = probe.open_stream("/other").await.unwrap();
    assert!(probe.streamed(stream).await.reset.is_some());
    let stream = probe.open_upload("/other").await.unwrap();
    probe.send_data(stream, b"body", true).await.unwrap();
    assert!(probe.streamed(stream).await.reset.is_some());
    settled(&server).await;
    assert_eq!(broke_off(server).await, (5, 5));
}

#[tokio::test]
async fn an_answer_that_breaks_off_since_its_client_does_is_no_failure() {
    let server = TestServer::spawn(app()).await;
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\n";
    let requests = [
        format!("{head}content-length: 8\r\n\r\nhalf"),
        format!("{head}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ];
    for request in requests {
        let mut probe = server.probe().await;
        probe.send(request).await.unwrap();
        probe.text("half").await;
        probe.finish().await.unwrap();
        assert!(probe.end().await.is_end());
    }
    // Or by what nobody can read.
    let mut probe = server.probe().await;
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nno length\r\n");
    probe.send(chunked).await.unwrap();
    assert!(probe.end().await.is_end());
    drop(probe);
    for reset in [true, false] {
        let mut probe = http2(&server).await;
        let stream = probe.open_upload("/echo").await.unwrap();
        probe.send_data(stream, b"half", false).await.unwrap();
        let is_half = |seen: &Seen| matches!(seen, Seen::Data { .. });
        probe.until("half of the answer", is_half).await;
        if reset {
            probe.reset_stream(stream, 8).await.unwrap();
            settled(&server).await;
        } else {
            probe.finish().await.unwrap();
            assert!(probe.end().await.is_end());
        }
    }
    assert_eq!(broke_off(server).await, (5, 0));
}
