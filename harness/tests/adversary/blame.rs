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
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lamplighter_harness::{Manners, Probe, Seen, TestServer, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, duplex, sink};

/// Sends this to another server, and passes on what comes of that: it answers with `says` once it has got
/// what it waits for, and goes when nothing comes any more, or, in a `hurry`, at once.
async fn passes_on(body: Body, says: &'static str, hurry: bool) -> Response {
    let awaited: &[u8] = if body.is_end_stream() {
        b"\r\n\r\n"
    } else {
        b"half"
    };
    let (here, mut there) = duplex(1024);
    let other = async move {
        let mut came = Vec::new();
        while !came.windows(4).any(|bytes| bytes == awaited) {
            assert_ne!(there.read_buf(&mut came).await.unwrap(), 0);
        }
        there.write_all(says.as_bytes()).await.unwrap();
        if !hurry {
            copy(&mut there, &mut sink()).await.unwrap();
        }
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(here)).await.unwrap();
    drop(tokio::spawn(connection));
    drop(tokio::spawn(other));
    let request = Request::post("/").body(body).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    answer.map(|body| Body::new(body.map_err(std::io::Error::other)))
}

/// Half of an answer.
const HALF: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";

/// And what should be the length of the rest.
const BAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nmore\r\n";

/// `/gone` and `/bad` read a request to its end before they ask another server, which is gone in the middle
/// of its answer or says what nobody can read; `/bad/early` asks it without. `/through` passes on both ways.
fn app() -> Router {
    let whole = |request: Request| async { request.into_body().collect().await.unwrap() };
    let gone = move |request| async move {
        whole(request).await;
        passes_on(Body::empty(), HALF, true).await
    };
    let bad = move |request| async move {
        whole(request).await;
        passes_on(Body::empty(), BAD, false).await
    };
    let bad_early = |_: Request| passes_on(Body::empty(), BAD, false);
    let through = |request: Request| passes_on(request.into_body(), HALF, false);
    let echoes = |request: Request| async { Response::new(request.into_body()) };
    Router::new()
        .route("/gone", any(gone))
        .route("/bad", any(bad))
        .route("/bad/early", any(bad_early))
        .route("/through", any(through))
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

/// A POST to this path with a body in chunks.
fn chunked(path: &str, chunks: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")
}

/// A POST to this path with a body of eight bytes.
fn sized(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\n{body}")
}

#[tokio::test]
async fn an_answer_that_breaks_off_over_another_servers_connection_is_counted_as_failed() {
    let server = TestServer::spawn(app()).await;
    let mut count = 0;
    for path in ["/gone", "/bad"] {
        let requests = [
            format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"),
            sized(path, "half and"),
            chunked(path, "4\r\nhalf\r\n0\r\n\r\n"),
        ];
        for request in requests {
            let mut probe = server.probe().await;
            probe.send(request).await.unwrap();
            assert!(probe.end().await.is_end());
            count += 1;
        }
        let mut probe = http2(&server).await;
        let stream = probe.open_stream(path).await.unwrap();
        assert!(probe.streamed(stream).await.reset.is_some());
        let stream = probe.open_upload(path).await.unwrap();
        probe.send_data(stream, b"half", true).await.unwrap();
        assert!(probe.streamed(stream).await.reset.is_some());
        count += 2;
    }
    // Though there is more to come of the request.
    for request in [
        sized("/bad/early", "half"),
        chunked("/bad/early", "4\r\nhalf\r\n"),
    ] {
        let mut probe = server.probe().await;
        probe.send(request).await.unwrap();
        assert!(probe.end().await.is_end());
        count += 1;
    }
    settled(&server).await;
    assert_eq!(broke_off(server).await, (count, count));
}

#[tokio::test]
async fn an_answer_that_breaks_off_since_its_client_does_is_no_failure() {
    let server = TestServer::spawn(app()).await;
    let mut count = 0;
    for path in ["/echo", "/through"] {
        for request in [sized(path, "half"), chunked(path, "4\r\nhalf\r\n")] {
            let mut probe = server.probe().await;
            probe.send(request).await.unwrap();
            probe.text("half").await;
            probe.finish().await.unwrap();
            assert!(probe.end().await.is_end());
            count += 1;
        }
        // Or by what nobody can read, whenever it comes.
        for (begins, goes_on) in [("4\r\nhalf\r\n", "more\r\n"), ("", "4\r\nhalf\r\nmore\r\n")] {
            let mut probe = server.probe().await;
            probe.send(chunked(path, begins)).await.unwrap();
            if !begins.is_empty() {
                probe.text("half").await;
            }
            probe.send(goes_on).await.unwrap();
            assert!(probe.end().await.is_end());
            count += 1;
        }
    }
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
        count += 1;
    }
    assert_eq!(broke_off(server).await, (count, 0));
}
