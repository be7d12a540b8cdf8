//! The last bytes of a connection: what arrives when it is over, cut, or beside one that is cut.

use axum::Router;
use axum::routing::{get, post};
use lamplighter::{ConnectionEnd, HookOutcome, Plan, Server};
use lamplighter_harness::{Gate, Manners, Probe, Seen, TestServer, within};

use super::{held, millis, secs};

/// CANCEL of RFC 9113.
const CANCEL: u32 = 8;

/// More than a reader has room for, and no more than the kernel of a server takes for it: 16 KiB above
/// that room.
const LARGE: usize = 24 * 1024;

/// So little room that the kernel of the server has to keep what a reader leaves.
const NARROW: u32 = 8 * 1024;

/// A server that answers uploads before it has read them.
fn deaf() -> Server {
    let app = Router::new().route("/deaf", post(|| async { "no, thank you" }));
    Server::new(app).listen("127.0.0.1:0")
}

/// An upload of which a part is sent, and its whole answer.
async fn refused_upload(server: &TestServer) -> std::io::Result<Probe> {
    let mut probe = server.probe().await;
    let head = "POST /deaf HTTP/1.1\r\nhost: probe\r\ncontent-length: 10000000\r\n\r\n";
    probe.send(head).await?;
    probe.send(vec![b'x'; 48 * 1024]).await?;
    assert_eq!(probe.answer().await.text(), "no, thank you");
    Ok(probe)
}

/// Nobody holds the other end of this connection: what is sent is refused, sooner or later.
async fn is_closed(mut probe: Probe) {
    while probe.send(vec![b'x'; 64 * 1024]).await.is_ok() {}
}

#[tokio::test]
async fn a_client_that_goes_on_sending_is_read_beside_the_hooks_and_gets_its_answer() {
    let gate = Gate::new();
    let server = deaf();
    let held = gate.clone();
    server
        .hook(move || async move { held.pass().await })
        .unwrap();
    let server = TestServer::start(server).await;
    let mut probe = refused_upload(&server).await.unwrap();
    let stop = tokio::spawn(server.stop());
    // The hook has begun: nothing that lingers holds the drain.
    gate.reached(1).await;
    gate.open();
    probe.send(vec![b'x'; 1024]).await.unwrap();
    probe.finish().await.unwrap();
    assert_eq!(probe.end().await, Seen::Fin);
    let report = within("the end", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().ended(ConnectionEnd::Graceful), 1);
    assert_eq!(report.connections().tally.answered, 1);
}

#[tokio::test(start_paused = true)]
async fn without_hooks_a_stop_lingers_for_half_of_its_margin_and_closes_every_socket() {
    let server = deaf().plan(Plan::new().margin(millis(300)));
    let server = TestServer::here().start(server).await;
    let probe = refused_upload(&server).await.unwrap();
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}\n{}", report.timeline());
    assert_eq!(report.total(), millis(150), "{}", report.timeline());
    within("the close", is_closed(probe)).await;
}

#[tokio::test(start_paused = true)]
async fn beside_hooks_a_stop_lingers_for_a_second_and_no_longer() {
    let server = deaf();
    server.hook(|| async {}).unwrap();
    let server = server.plan(Plan::new().hooks_timeout(secs(60)));
    let server = TestServer::here().start(server).await;
    let probe = refused_upload(&server).await.unwrap();
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.hooks()[0].outcome, Some(HookOutcome::Ok));
    assert_eq!(report.total(), secs(1), "{}", report.timeline());
    within("the close", is_closed(probe)).await;
}

#[tokio::test]
async fn an_answer_that_is_still_fetched_arrives_whole_though_another_connection_is_cut() {
    let gate = Gate::new();
    let held = gate.clone();
    let app = Router::new()
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route(
            "/held",
            get(move || {
                let held = held.clone();
                async move { held.pass().await }
            }),
        );
    let server = Server::new(app).listen("127.0.0.1:0");
    let server = TestServer::start(server.plan(Plan::new().drain_timeout(millis(200)))).await;
    let mut cut = server.probe().await;
    cut.request("/held").await.unwrap();
    gate.reached(1).await;
    // With so little room at its end, what it has not read is in the server's kernel.
    let mut slow = Probe::connect_narrow(server.addr(), NARROW).await.unwrap();
    slow.request("/large").await.unwrap();
    slow.next().await;
    let handed_over = async {
        while server.handle().in_flight() > 1 {
            tokio::task::yield_now().await;
        }
    };
    within("the kernel to have all of the answer", handed_over).await;
    let got = slow.bytes().len();
    assert!(got < LARGE, "{got} bytes were read");
    let report = server.stop().await;
    assert_eq!(report.exit_code(), 10, "{report}");
    let tally = report.connections().tally;
    assert_eq!((tally.answered, tally.cut), (1, 1), "{report}");
    assert_eq!(cut.end().await, Seen::Rst);
    // The server is gone. What it sent is not.
    assert_eq!(slow.end().await, Seen::Fin);
    let got = slow.bytes().len();
    assert!((LARGE..LARGE + 1024).contains(&got), "{got}");
}

#[tokio::test]
async fn on_http2_each_cut_stream_is_reset_and_what_was_answered_arrives() {
    let gate = Gate::new();
    let server = held(&gate).plan(Plan::new().drain_timeout(millis(200)));
    let server = TestServer::start(server).await;
    let mut probe = server.misbehave().http2(Manners::Polite).await;
    let cut = [
        probe.open_stream("/held").await.unwrap(),
        probe.open_stream("/held").await.unwrap(),
    ];
    gate.reached(2).await;
    let answered = probe.open_stream("/").await.unwrap();
    probe
        .until("the head of an answer", |seen| {
            matches!(seen, Seen::Headers { .. })
        })
        .await;
    // From here on nothing is read until the server is gone.
    let report = server.stop().await;
    let tally = report.connections().tally;
    assert_eq!((tally.answered, tally.cut), (1, 2), "{report}");
    assert_eq!(probe.end().await, Seen::Fin);
    let seen = probe.seen();
    for stream in cut {
        let code = CANCEL;
        assert!(seen.contains(&Seen::Reset { stream, code }), "{seen:?}");
    }
    let whole = |seen: &Seen| matches!(seen, Seen::Data { stream, last: true, .. } | Seen::Headers { stream, last: true, .. } if *stream == answered);
    assert!(seen.iter().any(whole), "{seen:?}");
    let resets = |seen: &&Seen| matches!(seen, Seen::Reset { .. });
    assert_eq!(seen.iter().filter(resets).count(), 2, "{seen:?}");
}
