//! What a server makes of each client that misbehaves: it serves those that behave meanwhile, and its
//! stop is over in time.
//!
//! **Invariant:** each client is in its state before the server begins to stop.

#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot go on fails its test"
)]

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures_util::stream;
use lamplighter::ConnectionEnd::{Cut, Failed, Graceful, PeerClosed, Silent, TimedOut};
use lamplighter::{ConnectionEnd, Plan, Server};
use lamplighter_harness::{
    Afterwards, Gate, Manners, Seen, SlowReader, SlowWriter, TestServer, within,
};

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// More than any kernel holds for a peer that does not read.
const LARGE: usize = 64 * 1024 * 1024;

/// `/` says hello; `/echo` sends back what it got, and tells `gate` that it has begun; `/large` is
/// [`LARGE`].
fn server(gate: &Gate) -> Server {
    const CHUNK: Bytes = Bytes::from_static(&[b'x'; 64 * 1024]);
    let begun = gate.clone();
    let echo = move |body: Body| async move {
        begun.pass().await;
        body
    };
    let large = || async {
        let chunks = (0..LARGE / CHUNK.len()).map(|_| Ok::<_, Infallible>(CHUNK));
        Body::from_stream(stream::iter(chunks))
    };
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(echo))
        .route("/large", get(large));
    let plan = Plan::new().drain_timeout(millis(300));
    Server::new(app).listen("127.0.0.1:0").plan(plan)
}

/// A server with its gate open.
async fn started() -> TestServer {
    let gate = Gate::new();
    gate.open();
    TestServer::start(server(&gate)).await
}

/// Somebody who behaves is served at once; whoever came before has been read by then.
async fn serves(server: &TestServer) {
    assert_eq!(server.get("/").await.text(), "hello");
}

/// Waits until so many requests are in flight.
async fn in_flight(server: &TestServer, count: usize) {
    let reached = async {
        while server.handle().in_flight() != count {
            tokio::task::yield_now().await;
        }
    };
    within(format!("{count} requests in flight"), reached).await;
}

/// The stop is over within its budget, and one connection has ended so: cut with its request, failed
/// with its request aborted, or with nothing of anybody's lost.
async fn ends(server: TestServer, end: ConnectionEnd) {
    let report = server.stop().await;
    let told = format!("{report}\n{}", report.timeline());
    assert!(report.is_complete(), "{told}");
    let budget = report.budget().unwrap();
    assert!(report.total() <= budget, "{told}");
    assert_eq!(report.connections().ended(end), 1, "{told}");
    let code = if end == Cut { 10 } else { 0 };
    assert_eq!(report.exit_code(), code, "{told}");
    let tally = report.connections().tally;
    let lost = (u64::from(end == Cut), u64::from(end == Failed));
    assert_eq!((tally.cut, tally.aborted), lost, "{told}");
}

#[tokio::test]
async fn one_that_says_nothing_or_half_of_it_is_closed_and_nothing_was_cut() {
    for (half, end) in [(0, Silent), (1, TimedOut), (2, TimedOut)] {
        let server = started().await;
        let misbehave = server.misbehave();
        let mut probe = match half {
            0 => misbehave.silent().await,
            1 => misbehave.half_a_head().await,
            _ => misbehave.half_a_preface().await,
        };
        serves(&server).await;
        ends(server, end).await;
        assert_eq!(probe.end().await, Seen::Fin);
    }
}

#[tokio::test]
async fn one_without_manners_is_told_to_go_and_closed() {
    // An answer to PING is all that a graceful close waits for.
    for (manners, end) in [
        (Manners::NoSettingsAck, Graceful),
        (Manners::NoPong, TimedOut),
        (Manners::Mute, TimedOut),
    ] {
        // One that ends by itself is given the time for that, however little of it the machine has.
        let drain = if end == Graceful { 30_000 } else { 300 };
        let plan = Plan::new().drain_timeout(millis(drain));
        let server = TestServer::start(server(&Gate::new()).plan(plan)).await;
        let mut probe = server.misbehave().http2(manners).await;
        serves(&server).await;
        // It reads, and would answer if it had manners.
        let stop = tokio::spawn(ends(server, end));
        assert!(probe.end().await.is_end());
        within("the stop", stop).await.unwrap();
        let [(last, 0), ..] = probe.goaways()[..] else {
            panic!("{manners:?}: {:?}", probe.seen())
        };
        assert_eq!(last, 0x7fff_ffff, "{manners:?}");
    }
}

#[tokio::test]
async fn one_that_sends_a_byte_at_a_time_is_answered_if_it_gets_there() {
    let server = started().await;
    let plan = SlowWriter::get("/").every(millis(1));
    let slow = server.misbehave().slow_writer(plan).await;
    serves(&server).await;
    slow.has_sent(SLOW_GET).await;
    let mut probe = slow.hurry();
    assert_eq!(probe.answer().await.text(), "hello");
    drop(probe);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
}

/// The length of the request of `SlowWriter::get("/")`.
const SLOW_GET: usize = "GET / HTTP/1.1\r\nhost: slow\r\n\r\n".len();

#[tokio::test]
async fn one_that_would_take_an_hour_for_its_head_is_closed_and_nothing_was_cut() {
    let server = started().await;
    let plan = SlowWriter::get("/").every(Duration::from_secs(120));
    let slow = server.misbehave().slow_writer(plan).await;
    slow.has_sent(1).await;
    serves(&server).await;
    ends(server, TimedOut).await;
    assert_eq!(slow.hurry().rest().await, (String::new(), Seen::Fin));
}

#[tokio::test]
async fn one_that_would_take_an_hour_for_its_body_is_cut_and_reset() {
    let server = started().await;
    // Its head at once, its body in an hour.
    let plan = SlowWriter::post("/echo", 4096)
        .chunk(128)
        .every(Duration::from_secs(120));
    let slow = server.misbehave().slow_writer(plan).await;
    in_flight(&server, 1).await;
    ends(server, Cut).await;
    assert_eq!(slow.hurry().end().await, Seen::Rst);
}

#[tokio::test]
async fn one_that_reads_slowly_is_served_while_it_reads_and_cut_at_the_deadline() {
    let server = started().await;
    let plan = SlowReader::get("/large").take(512).every(millis(1));
    let slow = server.misbehave().slow_reader(plan).await;
    slow.has_taken(4096).await;
    serves(&server).await;
    ends(server, Cut).await;
    // Whether it was cut is behind all that the kernels hold.
    assert_eq!(slow.hurry().end().await, Seen::Rst);
}

#[tokio::test]
async fn one_that_grants_slowly_is_served_while_it_grants_and_reset_at_the_deadline() {
    const CANCEL: u32 = 8;
    // It answers the PING behind GOAWAY, and is given the time for that.
    let gate = Gate::new();
    gate.open();
    let plan = Plan::new().drain_timeout(millis(3000));
    let server = TestServer::start(server(&gate).plan(plan)).await;
    let plan = SlowReader::get("/large")
        .http2(1024)
        .take(512)
        .every(millis(1));
    let slow = server.misbehave().slow_reader(plan).await;
    slow.has_taken(4096).await;
    serves(&server).await;
    ends(server, Cut).await;
    assert_eq!(slow.end().await, Seen::Fin);
    let probe = slow.hurry();
    assert_eq!(probe.stream(1).reset, Some(CANCEL), "{:?}", probe.goaways());
    assert_eq!(probe.goaways(), [(0x7fff_ffff, 0), (1, 0)]);
}

#[tokio::test]
async fn one_that_never_reads_or_never_grants_is_cut_at_the_deadline() {
    let server = started().await;
    let mut probe = server.misbehave().never_reading("/large").await;
    in_flight(&server, 1).await;
    serves(&server).await;
    ends(server, Cut).await;
    assert_eq!(probe.end().await, Seen::Rst);

    let server = started().await;
    let mut probe = server.misbehave().never_granting("/large").await;
    in_flight(&server, 1).await;
    serves(&server).await;
    ends(server, Cut).await;
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.stream(1).body, "");
}

#[tokio::test]
async fn one_that_half_closes_gets_its_answer() {
    let server = started().await;
    let mut probe = server.misbehave().half_closing("/").await;
    assert_eq!(probe.answer().await.text(), "hello");
    assert_eq!(probe.end().await, Seen::Fin);
    ends(server, PeerClosed).await;
}

#[tokio::test]
async fn one_that_resets_in_its_request_costs_nobody_anything() {
    let gate = Gate::new();
    let server = TestServer::start(server(&gate)).await;
    let probe = server.misbehave().half_a_body("/echo").await;
    gate.reached(1).await;
    probe.reset().unwrap();
    serves(&server).await;
    in_flight(&server, 0).await;
    // What nobody waits for any more is not waited for.
    gate.empty().await;
    ends(server, Failed).await;
}

#[tokio::test]
async fn a_storm_that_stays_or_goes_leaves_the_server_to_others() {
    const MANY: usize = 200;
    for afterwards in [Afterwards::Keep, Afterwards::Close, Afterwards::Reset] {
        let server = started().await;
        let storm = server.misbehave().storm(MANY, afterwards).await;
        assert_eq!((storm.connected, storm.refused), (MANY, 0));
        serves(&server).await;
        let report = server.stop().await;
        assert!(report.is_clean(), "{afterwards:?}: {report}");
        let connections = report.connections();
        let ended: u64 = connections.ends.iter().sum();
        assert_eq!(connections.accepted, ended, "{afterwards:?}: {report}");
        let silent = connections.ended(Silent);
        if afterwards == Afterwards::Keep {
            assert_eq!(silent, MANY as u64, "{report}");
        }
        for mut probe in storm.kept {
            assert_eq!(probe.end().await, Seen::Fin);
        }
    }
}
