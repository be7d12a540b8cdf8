//! Health over gRPC for peers that do not take what they are told: no window, a tiny one, a late one.

use lamplighter_harness::{Gate, Manners, Probe, Seen, TestServer, within};

use tracing_test::traced_test;

use super::grpc::call;
use super::{draining, ends_well, healthy, secs};

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;

/// `CANCEL` (RFC 9113, 7).
const CANCEL: u32 = 8;

/// A client that takes so many bytes of each answer, and then no more.
async fn taking(server: &TestServer, window: u8, manners: Manners) -> Probe {
    let mut probe = server.probe().await;
    probe.http2(manners).await.unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE
    let setting = [0, 4, 0, 0, 0, window];
    probe.send_frame(SETTINGS, 0, 0, &setting).await.unwrap();
    probe
}

async fn asks(probe: &mut Probe, stream: u32, method: &str) {
    let path = format!("/grpc.health.v1.Health/{method}");
    call(probe, stream, &path, Some(&[]), true).await;
    let head = |seen: &Seen| {
        matches!(
            seen,
            Seen::Headers { stream: of, last: false, .. } if *of == stream
        )
    };
    probe.until("the head of the answer", head).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_peer_takes_nothing_holds_no_drain() {
    // Nothing, a part of the first status, and all of it but not the next one.
    for window in [0, 3, 7] {
        let server = TestServer::here().start(healthy(&Gate::new())).await;
        let mut probe = taking(&server, window, Manners::Polite).await;
        asks(&mut probe, 1, "Watch").await;
        let stop = tokio::spawn(server.stop());
        let stream = probe.streamed(1).await;
        assert_eq!(stream.reset, Some(CANCEL), "window {window}: {stream:?}");
        assert_eq!(stream.body.len(), usize::from(window), "all that it takes");
        assert_eq!(probe.end().await, Seen::Fin);
        let report = within("the stop", stop).await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(draining(&report), secs(0), "{}", report.timeline());
        let requests = report.connections().tally;
        assert_eq!((requests.begun, requests.aborted), (1, 1), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_waits_for_a_window_as_the_drain_begins_is_told_if_one_comes() {
    let server = TestServer::here().start(healthy(&Gate::new())).await;
    let mut probe = taking(&server, 0, Manners::NoPong).await;
    asks(&mut probe, 1, "Watch").await;
    let stop = tokio::spawn(server.stop());
    let ping = |seen: &Seen| matches!(seen, Seen::Ping { ack: false, .. });
    let Seen::Ping { data, .. } = probe.until("the PING behind GOAWAY", ping).await else {
        unreachable!("asked for a PING")
    };
    let more = 100_u32.to_be_bytes();
    probe.send_frame(WINDOW_UPDATE, 0, 1, &more).await.unwrap();
    probe.send_frame(PING, ACK, 0, &data).await.unwrap();
    let stream = probe.streamed(1).await;
    assert!(stream.ended, "{stream:?}");
    // SERVING, and NOT_SERVING.
    assert_eq!(
        stream.body.as_ref(),
        b"\0\0\0\0\x02\x08\x01\0\0\0\0\x02\x08\x02"
    );
    assert_eq!(probe.end().await, Seen::Fin);
    let report = within("the stop", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().tally.answered, 1, "{report}");
    assert_eq!(draining(&report), secs(0), "{}", report.timeline());
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_made_and_not_taken_hold_a_drain_no_longer_than_a_missing_pong() {
    let server = TestServer::here().start(healthy(&Gate::new())).await;
    let mut probe = taking(&server, 3, Manners::Polite).await;
    // Its end is with HTTP/2 already, behind bytes that nobody takes.
    asks(&mut probe, 1, "Check").await;
    let mut mute = taking(&server, 0, Manners::Mute).await;
    asks(&mut mute, 1, "Watch").await;
    let stop = tokio::spawn(server.stop());
    // Agrees to the end of the connection.
    let goaway = |seen: &Seen| matches!(seen, Seen::GoAway { last_stream: 1, .. });
    probe.until("the second GOAWAY", goaway).await;
    let report = within("the stop", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(draining(&report), secs(1), "{}", report.timeline());
    let requests = report.connections().tally;
    assert_eq!((requests.begun, requests.aborted), (2, 2), "{report}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_window_comes_behind_the_signal_is_taken() {
    for (method, length) in [("Check", 7), ("List", 11)] {
        let server = TestServer::here().start(healthy(&Gate::new())).await;
        let mut probe = taking(&server, 0, Manners::Polite).await;
        asks(&mut probe, 1, method).await;
        let stop = tokio::spawn(server.stop());
        let goaway = |seen: &Seen| matches!(seen, Seen::GoAway { last_stream: 1, .. });
        probe.until("the second GOAWAY", goaway).await;
        tokio::time::advance(secs(1) / 2).await;
        probe.widen(1, 100).await.unwrap();
        let stream = probe.streamed(1).await;
        assert!(stream.ended, "{method}: {stream:?}");
        assert_eq!(stream.body.len(), length, "{method}: {stream:?}");
        assert_eq!(probe.end().await, Seen::Fin);
        let report = within("the stop", stop).await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.connections().tally.answered, 1, "{report}");
    }
}

#[tokio::test(start_paused = true)]
#[traced_test]
async fn an_answer_that_is_never_taken_holds_a_drain_for_1_s_and_is_logged() {
    let mut peers = Vec::new();
    for manners in [Manners::Polite, Manners::Mute] {
        let server = TestServer::here().start(healthy(&Gate::new())).await;
        let mut probe = taking(&server, 0, manners).await;
        peers.push(probe.local_addr().unwrap());
        asks(&mut probe, 1, "Check").await;
        let stop = tokio::spawn(server.stop());
        let goaway = |seen: &Seen| matches!(seen, Seen::GoAway { .. });
        probe.until("a GOAWAY", goaway).await;
        tokio::time::advance(secs(1)).await;
        assert!(probe.end().await.is_end());
        assert!(!probe.stream(1).ended);
        let report = within("the stop", stop).await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(draining(&report), secs(1), "{}", report.timeline());
        assert_eq!(report.connections().tally.aborted, 1, "{report}");
    }
    logs_assert(|lines| {
        let told = |line: &&&str| line.contains("takes no answers of health and reflection");
        let lines: Vec<_> = lines.iter().filter(told).collect();
        let named = |(line, peer): (&&str, _)| line.contains(&format!("peer={peer} answers=1"));
        if lines.len() == peers.len() && lines.iter().copied().zip(&peers).all(named) {
            return Ok(());
        }
        Err(format!("{lines:?} of {peers:?}"))
    });
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_not_taken_and_work_beside_it_end_each_in_its_own_way() {
    let gate = Gate::new();
    let server = TestServer::here().start(healthy(&gate)).await;
    // As many bytes as a status has.
    let mut probe = taking(&server, 7, Manners::Polite).await;
    let held = probe.open_stream("/held").await.unwrap();
    gate.reached(1).await;
    asks(&mut probe, 3, "Watch").await;
    let stop = tokio::spawn(server.stop());
    let watch = probe.streamed(3).await;
    assert_eq!(watch.reset, Some(CANCEL), "{watch:?}");
    gate.open();
    let held = probe.streamed(held).await;
    assert_eq!((held.status, held.ended), (Some(200), true), "{held:?}");
    assert_eq!(held.body.as_ref(), b"let go");
    assert_eq!(probe.end().await, Seen::Fin);
    let report = within("the stop", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let requests = report.connections().tally;
    assert_eq!((requests.answered, requests.aborted), (1, 1), "{report}");
}

#[tokio::test]
async fn a_watch_whose_peer_takes_nothing_is_told_what_is_so_once_it_does() {
    let server = TestServer::here().start(healthy(&Gate::new())).await;
    let mut probe = taking(&server, 0, Manners::Polite).await;
    asks(&mut probe, 1, "Watch").await;
    let more = 100_u32.to_be_bytes();
    probe.send_frame(WINDOW_UPDATE, 0, 1, &more).await.unwrap();
    let told = |seen: &Seen| matches!(seen, Seen::Data { stream: 1, .. });
    probe.until("the status", told).await;
    drop(probe);
    ends_well(server).await;
}
