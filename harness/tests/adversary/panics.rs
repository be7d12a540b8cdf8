//! Panics of the application in places where no answer can be made of them: they break their own
//! connection, and nobody calls that a cut.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use axum::routing::get;
use http_body::{Frame, SizeHint};
use lamplighter::{ConnectionEnd, Incoming};
use lamplighter_harness::{Manners, Seen, TestServer};
use tower_service::Service;

use super::{Bomb, panics_quietly};

/// A body that panics.
enum Bad {
    /// When asked for a part of it.
    Part,
    /// When asked for its length.
    Size,
    /// When asked whether it has ended.
    End,
    /// When it is dropped.
    Drop { _bomb: Bomb },
}

impl http_body::Body for Bad {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if matches!(*self, Self::Part) {
            panics_quietly("asked for a part");
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        if matches!(self, Self::End) {
            panics_quietly("asked for its end");
        }
        false
    }

    fn size_hint(&self) -> SizeHint {
        if matches!(self, Self::Size) {
            panics_quietly("asked for its length");
        }
        SizeHint::default()
    }
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/part", get(|| async { Body::new(Bad::Part) }))
        .route("/size", get(|| async { Body::new(Bad::Size) }))
        .route("/end", get(|| async { Body::new(Bad::End) }))
        .route(
            "/drop",
            get(|| async { Body::new(Bad::Drop { _bomb: Bomb }) }),
        )
}

/// A service that panics when it is cloned, from when it is told to.
struct Fragile(Arc<AtomicBool>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        if self.0.load(Ordering::SeqCst) {
            panics_quietly("cloned");
        }
        Self(Arc::clone(&self.0))
    }
}

impl Service<Request<Incoming>> for Fragile {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        ready(Ok(Response::new(String::from("hello"))))
    }
}

#[tokio::test]
async fn an_application_that_cannot_be_cloned_fails_its_requests_and_no_connection() {
    let panics = Arc::new(AtomicBool::new(false));
    let server = TestServer::spawn(Fragile(Arc::clone(&panics))).await;
    let mut old = server.probe().await;
    let mut http2 = server.probe().await;
    http2.http2(Manners::Polite).await.unwrap();
    for (fails, status) in [(false, 200), (true, 500), (false, 200)] {
        panics.store(fails, Ordering::SeqCst);
        assert_eq!(server.get("/").await.status(), status, "a new connection");
        old.request("/").await.unwrap();
        let answer = old.answer().await;
        assert_eq!(answer.status(), status, "an old connection");
        assert!(!answer.text().contains("clone"), "{answer:?}");
        let stream = http2.open_stream("/").await.unwrap();
        assert_eq!(http2.streamed(stream).await.status, Some(status), "HTTP/2");
    }
    let report = server.stop().await;
    let tally = report.connections().tally;
    assert_eq!((tally.begun, tally.answered), (9, 9), "{report}");
    assert_eq!(tally.failed, 3, "{report}");
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn an_answer_whose_body_panics_breaks_off_and_is_counted_as_failed() {
    let server = TestServer::spawn(app()).await;
    let mut probe = server.probe().await;
    probe.request("/part").await.unwrap();
    assert!(probe.end().await.is_end());
    let mut http2 = server.probe().await;
    http2.http2(Manners::Polite).await.unwrap();
    let stream = http2.open_stream("/part").await.unwrap();
    assert!(http2.streamed(stream).await.reset.is_some());
    let report = server.stop().await;
    let tally = report.connections().tally;
    assert_eq!(
        (tally.begun, tally.aborted, tally.failed),
        (2, 2, 2),
        "{report}"
    );
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_panic_that_breaks_a_connection_is_no_cut() {
    let server = TestServer::spawn(app()).await;
    for path in ["/size", "/end", "/drop"] {
        let mut probe = server.probe().await;
        probe
            .send(format!(
                "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
            ))
            .await
            .unwrap();
        if probe.end().await == Seen::Fin {
            // The application's own framework caught it.
            let text = format!("{:?}", probe.seen());
            assert!(text.contains(" 500 "), "{path}: {text}");
        }
    }
    assert_eq!(server.get("/").await.status(), 200);
    let report = server.stop().await;
    let connections = report.connections();
    let tally = connections.tally;
    assert_eq!((tally.begun, tally.cut), (4, 0), "{report}");
    assert_eq!(tally.begun, tally.answered + tally.aborted, "{tally:?}");
    assert!(tally.aborted > 0, "{tally:?}");
    assert_eq!(connections.ended(ConnectionEnd::Failed), tally.aborted);
    assert_eq!(connections.ended(ConnectionEnd::Cut), 0);
    assert_eq!(report.exit_code(), 0, "{report}");
}
