//! A well-behaved HTTP/2 client, and an application with an answer of every kind.

use std::future::pending;
use std::panic::resume_unwind;
use std::task::Poll;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use futures_util::stream;
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::transport::ShutdownSignal;
use crate::transport::tests::client::Client;
use crate::transport::tests::fixture::{Fixture, beside, soon};

pub(in crate::transport::tests) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(in crate::transport::tests) const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

pub(in crate::transport::tests) const LARGE: usize = 4 * 1024 * 1024;

fn once(mut frames: Vec<Frame<Bytes>>, ends: bool) -> Body {
    frames.reverse();
    Body::new(StreamBody::new(stream::poll_fn(move |_| {
        match frames.pop() {
            Some(frame) => Poll::Ready(Some(Ok::<_, std::convert::Infallible>(frame))),
            None if ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    })))
}

pub(in crate::transport::tests) fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/empty", get(|| async {}))
        .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/never", get(pending::<&'static str>))
        .route(
            "/ticks",
            get(|| async { once(vec![Frame::data(Bytes::from_static(b"tick"))], false) }),
        )
        .route(
            "/trailers",
            get(|| async {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                let data = Frame::data(Bytes::from_static(b"data"));
                once(vec![data, Frame::trailers(trailers)], true)
            }),
        )
        .route(
            "/draining",
            get(|signal: ShutdownSignal| async move {
                signal.draining().await;
                "bye"
            }),
        )
        .route(
            "/panics",
            get(|| async {
                resume_unwind(Box::new("a secret"));
                #[expect(unreachable_code, reason = "gives the handler its type")]
                ""
            }),
        )
        .route(
            "/panics-later",
            get(|| async {
                let mut said = false;
                Body::new(StreamBody::new(stream::poll_fn(move |_| {
                    if std::mem::replace(&mut said, true) {
                        resume_unwind(Box::new("a secret"));
                    }
                    let data = Frame::data(Bytes::from_static(b"tick"));
                    Poll::Ready(Some(Ok::<_, std::convert::Infallible>(data)))
                })))
            }),
        )
}

/// A well-behaved HTTP/2 client.
pub(in crate::transport::tests) struct Peer {
    pub(in crate::transport::tests) send: SendRequest<Bytes>,
    pub(in crate::transport::tests) connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Peer {
    pub(in crate::transport::tests) async fn over(client: Client) -> Self {
        let (send, connection) = h2::client::handshake(client.into_stream()).await.unwrap();
        Self {
            send,
            connection: beside(connection),
        }
    }

    pub(in crate::transport::tests) async fn request(
        &self,
        method: &str,
        path: &str,
    ) -> ResponseFuture {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://test{path}"))
            .body(())
            .unwrap();
        let mut ready = soon("a free stream", self.send.clone().ready())
            .await
            .unwrap();
        ready.send_request(request, true).unwrap().0
    }

    pub(in crate::transport::tests) async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.request("GET", path).await;
        let (head, body) = soon("an answer", answer).await.unwrap().into_parts();
        (head.status, text(body).await.unwrap())
    }

    /// How the connection ended, once all requests are over.
    pub(in crate::transport::tests) async fn ended(self) -> Result<(), h2::Error> {
        drop(self.send);
        soon("the end of the connection", self.connection)
            .await
            .unwrap()
    }
}

pub(in crate::transport::tests) async fn text(mut body: RecvStream) -> Result<String, h2::Error> {
    let mut text = Vec::new();
    while let Some(data) = soon("data", body.data()).await {
        let data = data?;
        body.flow_control().release_capacity(data.len()).unwrap();
        text.extend_from_slice(&data);
    }
    soon("trailers", body.trailers()).await?;
    Ok(String::from_utf8(text).unwrap())
}

/// Until everything that is begun is also in the books.
pub(in crate::transport::tests) async fn at_rest(fixture: &Fixture) {
    soon("rest", async {
        while fixture.transport.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
