//! What a stop does to connections, as a client sees it frame by frame.

use std::convert::Infallible;
use std::io::ErrorKind;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use lamplighter::{Bind, ConnectionEnd, Phase, Plan, Server};
use lamplighter_harness::{Gate, Manners, Probe, REST_OF_HEAD, Seen, TestServer, within};

use super::{held, hello, millis, secs};

/// The last stream of the first GOAWAY of two: all that were or will be.
const ALL_STREAMS: u32 = 0x7fff_ffff;

/// CANCEL of RFC 9113.
const CANCEL: u32 = 8;

const fn is_goaway(seen: &Seen) -> bool {
    matches!(seen, Seen::GoAway { .. })
}

/// The last streams of every GOAWAY that came.
fn goaways(probe: &Probe) -> Vec<u32> {
    let last = |seen: &Seen| {
        if let Seen::GoAway {
            last_stream,
            code: 0,
            ..
        } = seen
        {
            Some(*last_stream)
        } else {
            None
        }
    };
    probe.seen().iter().filter_map(last).collect()
}

#[tokio::test]
async fn an_http2_connection_goes_away_in_two_steps_and_its_stream_is_answered() {
    let gate = Gate::new();
    let server = TestServer::start(held(&gate)).await;
    let mut probe = server.misbehave().http2(Manners::Polite).await;
    let first = probe.open_stream("/held").await.unwrap();
    gate.reached(1).await;
    let stop = tokio::spawn(server.stop());
    probe.until("a first GOAWAY", is_goaway).await;
    assert_eq!(goaways(&probe), [ALL_STREAMS]);
    // It crosses the first GOAWAY, which has promised to serve it. The answer to PING is sent as
    // the PING is read, and this stream goes out before that.
    let crossing = probe.open_stream("/").await.unwrap();
    let answered = move |seen: &Seen| matches!(seen, Seen::Headers { stream, status: Some(200), .. } if *stream == crossing);
    probe
        .until("the crossing stream to be answered", answered)
        .await;
    gate.open();
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(goaways(&probe), [ALL_STREAMS, crossing]);
    let last =
        |seen: &&Seen| matches!(seen, Seen::Data { stream, last: true, .. } if *stream == first);
    assert_eq!(
        probe.seen().iter().filter(last).count(),
        1,
        "{:?}",
        probe.seen()
    );
    let report = within("the end", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().tally.answered, 2);
}

#[tokio::test]
async fn an_http2_stream_that_is_cut_is_reset_and_its_connection_ends_in_order() {
    let gate = Gate::new();
    let server = held(&gate).plan(Plan::new().drain_timeout(millis(200)));
    let server = TestServer::start(server).await;
    let mut probe = server.misbehave().http2(Manners::Polite).await;
    let stream = probe.open_stream("/held").await.unwrap();
    gate.reached(1).await;
    let stop = tokio::spawn(server.stop());
    let reset = probe
        .until("RST_STREAM", |seen| matches!(seen, Seen::Reset { .. }))
        .await;
    assert_eq!(
        reset,
        Seen::Reset {
            stream,
            code: CANCEL
        }
    );
    assert_eq!(probe.end().await, Seen::Fin);
    let report = within("the end", stop).await.unwrap();
    assert_eq!(
        (report.exit_code(), report.outcome().cut),
        (10, 1),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_http2_peer_that_never_answers_a_ping_holds_the_stop_for_its_grace_only() {
    let server = TestServer::here().start(hello()).await;
    let mut probe = server.misbehave().http2(Manners::NoPong).await;
    let report = server.stop().await;
    // Closed at a limit of its own: nothing of it was cut.
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.total(), secs(1), "{}", report.timeline());
    assert!(probe.end().await.is_end());
}

#[tokio::test(start_paused = true)]
async fn connections_that_say_nothing_or_never_finish_a_head_are_closed_and_count_as_clean() {
    let server = TestServer::here().start(hello()).await;
    let mut silent = server.misbehave().silent().await;
    let mut slow = server.misbehave().half_a_head().await;
    // Both are accepted by the time a third one is answered.
    assert_eq!(server.get("/").await.status(), 200);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    // From the begin of the head, which is when the stop began: virtual time has stood still.
    assert_eq!(report.total(), secs(1), "{}", report.timeline());
    assert!(silent.end().await.is_end() && slow.end().await.is_end());
    let ended = |end| report.connections().ended(end);
    assert_eq!(
        (ended(ConnectionEnd::Silent), ended(ConnectionEnd::TimedOut)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_head_that_is_completed_while_draining_is_answered() {
    let server = TestServer::start(hello()).await;
    let mut slow = server.misbehave().half_a_head().await;
    assert_eq!(server.get("/").await.status(), 200);
    let handle = server.handle().clone();
    let stop = tokio::spawn(server.stop());
    within("the drain", handle.reached(Phase::Draining)).await;
    slow.send(REST_OF_HEAD).await.unwrap();
    let answer = slow.answer().await;
    assert_eq!(
        (answer.status(), answer.head.closes()),
        (200, true),
        "{answer:?}"
    );
    assert_eq!(slow.end().await, Seen::Fin);
    assert!(within("the end", stop).await.unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_lame_duck_announces_the_close_on_the_next_answer_and_keeps_it() {
    let server = hello().plan(Plan::new().lame_duck(secs(1)));
    let server = TestServer::here().start(server).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    assert!(!probe.answer().await.head.closes());
    let handle = server.handle().clone();
    let stop = tokio::spawn(server.stop());
    within("the lame duck", handle.reached(Phase::LameDuck)).await;
    probe.request("/").await.unwrap();
    let answer = probe.answer().await;
    assert_eq!(
        (answer.status(), answer.head.closes()),
        (200, true),
        "{answer:?}"
    );
    assert_eq!(probe.end().await, Seen::Fin);
    let report = within("the end", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.total(), secs(1), "{report}");
}

#[tokio::test]
async fn nobody_connects_once_the_listeners_are_closed() {
    let gate = Gate::new();
    let server = held(&gate);
    let mut recorder = lamplighter_harness::Recorder::attach(&server);
    let server = TestServer::start(server).await;
    let addr = server.addr();
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let stop = tokio::spawn(server.stop());
    recorder.until("listeners closed").await;
    let refused = Probe::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    gate.open();
    assert_eq!(probe.answer().await.status(), 200);
    assert!(within("the end", stop).await.unwrap().is_clean());
}

/// A server whose body is longer than the kernel's buffers, and never ends.
fn endless() -> Server {
    let chunk = Bytes::from_static(&[b'x'; 64 * 1024]);
    let handler = move || {
        let chunks = stream::repeat_with({
            let chunk = chunk.clone();
            move || Ok::<_, Infallible>(chunk.clone())
        });
        async move { Body::from_stream(chunks) }
    };
    Server::new(Router::new().route("/endless", get(handler))).listen("127.0.0.1:0")
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_in_flight_until_the_deadline_then_cut() {
    let server = endless().plan(Plan::new().drain_timeout(millis(300)));
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/endless").await.unwrap();
    assert_eq!(probe.head().await.status, 200);
    // Nothing is read from here on.
    let report = server.stop().await;
    assert_eq!(
        (report.exit_code(), report.outcome().cut),
        (10, 1),
        "{report}"
    );
    assert!(report.total() >= millis(300), "{report}");
    // Cut, never cleanly ended: the body must not look complete.
    assert_eq!(probe.end().await, Seen::Rst);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_listener_that_refuses_newcomers_answers_who_was_there_and_leaves_the_port_free() {
    let bind = Bind::from("127.0.0.1:0").refuse_new_at_stop();
    let server = Server::new(Router::new().route("/", get(|| async { "hello" }))).listen(bind);
    let server = TestServer::start(server).await;
    let addr = server.addr();
    let mut there = server.probe().await;
    there
        .send("GET / HTTP/1.1\r\nhost: there\r\n\r\n")
        .await
        .unwrap();
    let settled = tokio::spawn(server.stop());
    there.text("hello").await;
    assert_eq!(there.end().await, Seen::Fin);
    let report = within("the end of the stop", settled).await.unwrap();
    assert!(report.is_clean(), "{report}");
    // What waits for newcomers to be gone is the filter's own time.
    let draining = report
        .phases()
        .iter()
        .find(|phase| phase.phase == Phase::Draining);
    assert!(
        draining.unwrap().took >= millis(10),
        "{}",
        report.timeline()
    );
    // The filter went with the listener: the port is as good as new.
    let again = std::net::TcpListener::bind(addr).unwrap();
    drop(std::net::TcpStream::connect(addr).unwrap());
    drop(again);
}
