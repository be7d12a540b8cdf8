//! What several threads can do that one cannot: the task of a stream that is not done with an answer
//! which its client has got.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use http_body::Frame;
use lamplighter::ConnectionEnd::{Graceful, PeerClosed};
use lamplighter::Plan;
use lamplighter_harness::{Gate, Manners, Seen, TestServer, within};
use tokio::task::JoinSet;

use crate::over::Over;
use crate::{goes_away_after, secs};

/// A body of one chunk that takes its time to be dropped.
struct Tarries {
    chunk: Option<Bytes>,
    gate: Gate,
}

impl http_body::Body for Tarries {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.chunk.take().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunk.is_none()
    }
}

impl Drop for Tarries {
    fn drop(&mut self) {
        // The connection's task was woken by this one, and waits on this thread unless it is freed.
        tokio::task::block_in_place(|| self.gate.pass_blocking());
    }
}

async fn server(gate: &Gate) -> TestServer {
    let gate = gate.clone();
    let tarries = move || async move {
        Body::new(Tarries {
            chunk: Some(Bytes::from_static(b"hello")),
            gate,
        })
    };
    let app = Router::new().route("/", get(tarries));
    let plan = Plan::new().drain_timeout(secs(3600));
    TestServer::builder()
        .worker_threads(4)
        .plan(plan)
        .spawn(app)
        .await
}

#[tokio::test]
async fn an_answer_counts_as_one_though_its_stream_outlives_its_connection() {
    let gate = Gate::new();
    let server = server(&gate).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    let stream = probe.open_stream("/").await.unwrap();
    assert_eq!(probe.streamed(stream).await.body, "hello");
    gate.reached(1).await;
    let stop = tokio::spawn(server.stop());
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(stream));
    // Nothing is left of the connection but what the handler's body does in its end.
    gate.open();
    let report = within("the end", stop).await.unwrap();
    let over = Over::of(report, Vec::new());
    over.ended([Graceful]).answered(1);
}

#[tokio::test]
async fn an_answer_counts_as_one_though_its_client_has_left_before_its_stream_ends() {
    let gate = Gate::new();
    let server = server(&gate).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    let stream = probe.open_stream("/").await.unwrap();
    assert_eq!(probe.streamed(stream).await.body, "hello");
    gate.reached(1).await;
    probe.finish().await.unwrap();
    assert_eq!(probe.end().await, Seen::Fin);
    gate.open();
    let report = server.stop().await;
    let over = Over::of(report, Vec::new());
    over.ended([PeerClosed]).answered(1);
}

#[tokio::test]
async fn every_answer_counts_once_whichever_thread_is_done_first() {
    let app = Router::new()
        .route("/empty", get(|| async {}))
        .route("/hello", get(|| async { "hello" }));
    let server = TestServer::builder().worker_threads(4).spawn(app).await;
    let mut asked = JoinSet::new();
    for _ in 0..8 {
        let client = server.http2();
        asked.spawn(async move {
            for round in 0..50 {
                let paths = ["/empty", "/hello", "/empty", "/empty"];
                let answers = paths.map(|path| client.get(path));
                for answer in futures_util::future::join_all(answers).await {
                    assert_eq!(answer.status(), 200, "in round {round}");
                    // Whoever leaves a body unread resets its stream.
                    drop(answer.text().await);
                }
            }
        });
    }
    drop(asked.join_all().await);
    let report = server.stop().await;
    let tally = report.connections().tally;
    assert_eq!((tally.begun, tally.answered), (1_600, 1_600), "{report}");
}
