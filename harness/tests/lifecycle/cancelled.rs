//! Time is up: what requests, streams and upgraded connections hear before they are cut, whichever way
//! the end comes.
//!
//! Everything is in flight before the clock is paused, so that no wait for the kernel moves it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use lamplighter::{OnDeadline, Phase, Plan, Report, Server, ShutdownSignal, Signal};
use lamplighter_harness::{Manners, Probe, Seen, TestServer, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{advance, pause};

use super::{Notes, millis, secs};

const APART: Duration = millis(301);

/// Notes when it is dropped.
struct Cut(Notes, &'static str);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.note(format!("{} over", self.1));
    }
}

/// Hears of everything, in order.
async fn hears(notes: &Notes, kind: &str, signal: &ShutdownSignal) {
    signal.draining().await;
    notes.note(format!("{kind} draining"));
    signal.cancelled().await;
    assert!(signal.is_draining());
    notes.note(format!("{kind} cancelled"));
}

/// Whether handlers use the time between hearing and the cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Ends,
    GoesOn,
}

async fn goes_on(then: Then) {
    if then == Then::GoesOn {
        std::future::pending::<()>().await;
    }
}

fn server(notes: &Notes, then: Then) -> Server {
    let (unary, events, bytes) = (notes.clone(), notes.clone(), notes.clone());
    let app = Router::new()
        .route(
            "/unary",
            get(move |signal: ShutdownSignal| async move {
                let _cut = Cut(unary.clone(), "unary");
                hears(&unary, "unary", &signal).await;
                goes_on(then).await;
                (StatusCode::SERVICE_UNAVAILABLE, "time is up")
            }),
        )
        .route(
            "/events",
            get(move |signal: ShutdownSignal, version: Version| async move {
                let kind = if version == Version::HTTP_2 {
                    "stream"
                } else {
                    "events"
                };
                let hello = stream::iter([Bytes::from_static(b"data: hello\n\n")]);
                let bye = stream::once(async move {
                    let _cut = Cut(events.clone(), kind);
                    hears(&events, kind, &signal).await;
                    goes_on(then).await;
                    Bytes::from_static(b"data: time is up\n\n")
                });
                let events = hello.chain(bye).map(Ok::<_, Infallible>);
                (
                    [("content-type", "text/event-stream")],
                    Body::from_stream(events),
                )
            }),
        )
        .route(
            "/upgrade",
            get(move |signal: ShutdownSignal, request: Request| async move {
                upgrades(bytes, signal, request, then)
            }),
        );
    Server::new(app).listen("127.0.0.1:0")
}

fn upgrades(notes: Notes, signal: ShutdownSignal, request: Request, then: Then) -> Response {
    let upgrading = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(io) = upgrading.await else { return };
        let mut io = TokioIo::new(io);
        drop(io.write_all(b"hello").await);
        hears(&notes, "upgrade", &signal).await;
        if then == Then::GoesOn {
            // Until the socket is taken away.
            drop(io.read_to_end(&mut Vec::new()).await);
        }
        drop(io.write_all(b"time is up").await);
        notes.note("upgrade over");
    });
    let upgrade = [("connection", "upgrade"), ("upgrade", "words")];
    (StatusCode::SWITCHING_PROTOCOLS, upgrade).into_response()
}

/// One connection of each kind, everything in flight, the clock paused.
struct All {
    server: TestServer,
    unary: Probe,
    events: Probe,
    upgrade: Probe,
    http2: Probe,
}

impl All {
    async fn in_flight(server: Server) -> io::Result<Self> {
        let server = TestServer::here().start(server).await;
        let mut unary = server.probe().await;
        unary.request("/unary").await?;
        let mut events = server.probe().await;
        events.request("/events").await?;
        events.text("hello").await;
        let mut upgrade = server.probe().await;
        let head =
            "GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\n";
        upgrade.send(head).await?;
        upgrade.text("hello").await;
        let mut http2 = server.probe().await;
        http2.http2(Manners::Polite).await?;
        http2.open_stream("/events").await?;
        let data = |seen: &Seen| matches!(seen, Seen::Data { .. });
        http2.until("an event", data).await;
        within("everything to be in flight", async {
            while server.handle().in_flight() < 4 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        pause();
        Ok(Self {
            server,
            unary,
            events,
            upgrade,
            http2,
        })
    }

    /// The first signal, and the HTTP/2 client's consent to the close: from here on nobody reads.
    async fn stops(&mut self) {
        self.server.signal(Signal::Sigterm);
        let agreed = |seen: &Seen| matches!(seen, Seen::GoAway { last_stream: 1, .. });
        self.http2.until("the second GOAWAY", agreed).await;
    }

    /// All have said their last word, and nothing of it was cut.
    async fn ends_well(mut self, notes: &Notes) -> Report {
        // First of all, since whoever looks at bytes holds the clock meanwhile.
        let report = self.server.wait().await;
        let answer = self.unary.answer().await;
        assert_eq!((answer.status(), answer.text()), (503, "time is up".into()));
        self.events.text("time is up").await;
        self.upgrade.text("time is up").await;
        let bye =
            |seen: &Seen| matches!(seen, Seen::Data { data, .. } if data.ends_with(b"up\n\n"));
        self.http2.until("the last event", bye).await;
        for mut probe in [self.unary, self.events, self.upgrade, self.http2] {
            assert_eq!(probe.end().await, Seen::Fin);
        }
        assert_eq!(report.exit_code(), 0, "{report}");
        in_order(notes).await;
        report
    }

    /// All have been cut, after they had heard; gives the end of the HTTP/2 connection as well.
    async fn ends_cut(mut self, notes: &Notes) -> (Report, Probe) {
        let report = self.server.wait().await;
        for mut probe in [self.unary, self.events, self.upgrade] {
            assert_eq!(probe.end().await, Seen::Rst);
        }
        self.http2.end().await;
        // Nobody waits for the end of what a third signal has cut.
        let outcome = report.outcome();
        assert_eq!(outcome.cut + outcome.stuck, 4, "{report}");
        in_order(notes).await;
        (report, self.http2)
    }
}

/// Each has heard draining, then cancelled, and then it was over.
async fn in_order(notes: &Notes) {
    let mut all = Vec::new();
    within("the end of all handlers", async {
        while all.len() < 12 {
            tokio::task::yield_now().await;
            all.extend(notes.taken());
        }
    })
    .await;
    let notes = all;
    for kind in ["unary", "events", "upgrade", "stream"] {
        let own = notes.iter().filter(|note| note.starts_with(kind));
        let heard: Vec<_> = own.map(|note| note.trim_start_matches(kind)).collect();
        assert_eq!(
            heard,
            [" draining", " cancelled", " over"],
            "{kind}: {notes:?}"
        );
    }
}

/// How long the drain took. The stop as a whole takes longer: who does not read yet has bytes that
/// nobody has acknowledged, and for those it lingers.
fn drained(report: &Report) -> Duration {
    let mut phases = report.phases().iter();
    let draining = phases.find(|phase| phase.phase == Phase::Draining);
    draining.map(|phase| phase.took).unwrap_or_default()
}

/// The stream was cut, and its connection went on to say so.
#[track_caller]
fn was_reset(http2: &Probe) {
    let seen = http2.seen();
    let reset = |seen: &Seen| matches!(seen, Seen::Reset { code: 8, .. });
    assert!(seen.iter().any(reset), "{seen:?}");
    assert_eq!(seen.last(), Some(&Seen::Fin), "{seen:?}");
}

#[tokio::test]
async fn before_the_deadline_all_get_to_say_a_last_word() {
    let notes = Notes::default();
    let plan = Plan::new().drain_timeout(secs(10));
    let mut all = All::in_flight(server(&notes, Then::Ends).plan(plan))
        .await
        .unwrap();
    all.stops().await;
    let report = all.ends_well(&notes).await;
    // The cancel's lead before its end; timers are late by up to a millisecond.
    let early = secs(10) - millis(100);
    let drained = drained(&report);
    assert!(
        drained >= early && drained <= early + millis(2),
        "{}",
        report.timeline()
    );
}

#[tokio::test]
async fn at_the_deadline_whoever_goes_on_is_cut_after_it_has_heard() {
    let notes = Notes::default();
    let plan = Plan::new().drain_timeout(secs(10)).cancel_lead(millis(700));
    let mut all = All::in_flight(server(&notes, Then::GoesOn).plan(plan))
        .await
        .unwrap();
    all.stops().await;
    let (report, http2) = all.ends_cut(&notes).await;
    was_reset(&http2);
    assert!(report.total() >= secs(10), "{}", report.timeline());
    assert_eq!(report.exit_code(), 10);
}

#[tokio::test]
async fn at_a_second_signal_all_get_to_say_a_last_word() {
    let notes = Notes::default();
    let mut all = All::in_flight(server(&notes, Then::Ends)).await.unwrap();
    all.stops().await;
    advance(APART).await;
    all.server.signal(Signal::Sigterm);
    let report = all.ends_well(&notes).await;
    assert_eq!(drained(&report), APART, "{}", report.timeline());
}

#[tokio::test]
async fn a_third_signal_cuts_at_once_those_who_have_heard_at_the_second() {
    let notes = Notes::default();
    let plan = Plan::new().drain_timeout(secs(3600)).cancel_lead(secs(60));
    let mut all = All::in_flight(server(&notes, Then::GoesOn).plan(plan))
        .await
        .unwrap();
    all.stops().await;
    for _ in 0..2 {
        advance(APART).await;
        all.server.signal(Signal::Sigterm);
    }
    let (report, _) = all.ends_cut(&notes).await;
    assert!(report.total() < secs(1), "{}", report.timeline());
    assert_eq!(report.exit_code(), 12);
}

#[tokio::test]
async fn a_stop_that_keeps_waiting_cancels_nobody_before_it_is_forced() {
    let notes = Notes::default();
    let plan = Plan::new().on_deadline(OnDeadline::KeepWaiting);
    let mut all = All::in_flight(server(&notes, Then::Ends).plan(plan))
        .await
        .unwrap();
    all.stops().await;
    advance(secs(3600)).await;
    assert_eq!(all.server.handle().phase(), Phase::Draining);
    assert!(!all.server.handle().shutdown_signal().is_cancelled());
    all.server.signal(Signal::Sigterm);
    let report = all.ends_well(&notes).await;
    assert_eq!(drained(&report), secs(3600), "{}", report.timeline());
}

#[tokio::test]
async fn a_stop_that_keeps_waiting_cuts_those_who_go_on_after_the_second_signal() {
    let notes = Notes::default();
    let plan = Plan::new().on_deadline(OnDeadline::KeepWaiting);
    let mut all = All::in_flight(server(&notes, Then::GoesOn).plan(plan))
        .await
        .unwrap();
    all.stops().await;
    advance(secs(3600)).await;
    all.server.signal(Signal::Sigterm);
    let (report, http2) = all.ends_cut(&notes).await;
    was_reset(&http2);
    assert!(
        report.total() >= secs(3600) + millis(100),
        "{}",
        report.timeline()
    );
    assert_eq!(report.exit_code(), 10);
}
