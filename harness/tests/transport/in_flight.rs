//! HTTP/1 requests in flight when the server stops.

use lamplighter::ConnectionEnd::{Cut, Failed, Graceful};
use lamplighter::{OnDeadline, Plan};
use lamplighter_harness::{Gate, Probe, Seen};

use crate::over::Requests;
use crate::stage::{LAME_DUCK, Setting, Stage, plan};
use crate::{answer, millis, secs};

const CUT: Requests = Requests {
    answered: 0,
    cut: 1,
    aborted: 0,
    late: 0,
    refused: 0,
};

/// A connection with half the body of a request, whose handler waits for the rest.
async fn half_sent(stage: &Stage) -> Probe {
    let mut probe = stage.connects().await;
    let head = "POST /echo HTTP/1.1\r\nhost: probe\r\ncontent-length: 8\r\n\r\nhalf";
    probe.send(head).await.unwrap();
    stage.in_flight(1).await;
    probe
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_is_answered_and_its_connection_ends() {
    let mut stage = Stage::running().await;
    let mut probe = stage.held().await;
    stage.drains().await;
    stage.passes(secs(40)).await;
    stage.gate.open();
    assert_eq!(probe.rest().await, (answer("let go"), Seen::Fin));
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(secs(40));
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_is_answered_in_the_lame_duck() {
    let mut stage = Stage::with_lame_duck().await;
    let mut probe = stage.held().await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK / 2).await;
    stage.gate.open();
    assert_eq!(probe.rest().await, (answer("let go"), Seen::Fin));
    stage.passes(LAME_DUCK / 2).await;
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_request_begun_in_the_lame_duck_is_answered_while_draining() {
    let mut stage = Stage::with_lame_duck().await;
    stage.enters_lame_duck().await;
    let mut probe = stage.held().await;
    stage.passes(LAME_DUCK + secs(3)).await;
    stage.gate.open();
    assert_eq!(probe.rest().await, (answer("let go"), Seen::Fin));
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_outlasts_the_drain_is_reset_at_its_deadline_and_named() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let mut probe = stage.held().await;
    stage.passes(secs(2)).await;
    stage.drains().await;
    stage.passes(millis(7002)).await;
    assert_eq!(probe.rest().await, (String::new(), Seen::Rst));
    let over = stage.over().await.ended([Cut]).requests(CUT);
    let over = over.named(&["http/1 GET"]).drained_in(secs(7));
    let cut = &over.report.connections().cut[0];
    assert_eq!(cut.at.since(cut.work.begun_at).as_secs(), 9);
    assert_eq!(
        cut.peer.to_string(),
        probe.local_addr().unwrap().to_string()
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_is_reset_by_force_at_once() {
    let stage = Stage::running().await;
    let mut probe = stage.held().await;
    stage.forces().await;
    assert_eq!(probe.rest().await, (String::new(), Seen::Rst));
    let over = stage.over().await.ended([Cut]).requests(CUT);
    over.named(&["http/1 GET"]).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hears_cancelled_has_its_lead_to_answer() {
    let plan = plan().drain_timeout(secs(7)).cancel_lead(millis(100));
    let mut stage = Setting::new(plan).running().await;
    let mut probe = stage.asks("/patient").await;
    stage.drains().await;
    stage.passes(millis(6902)).await;
    assert_eq!(probe.rest().await, (answer("time is up"), Seen::Fin));
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(millis(6900));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_keeps_waiting_waits_for_its_last_request_and_hooks_wait_for_that() {
    let plan = Plan::new().on_deadline(OnDeadline::KeepWaiting);
    let mut stage = Setting::new(plan).running().await;
    let cleaned = Gate::new();
    cleaned.open();
    let cleanup = cleaned.clone();
    let hook = move || async move { cleanup.pass().await };
    stage.handle.hook(hook).unwrap();
    let mut probe = stage.held().await;
    stage.drains().await;
    stage.passes(secs(3 * 24 * 3600)).await;
    assert_eq!((stage.handle.in_flight(), cleaned.arrived()), (1, 0));
    stage.gate.open();
    assert_eq!(probe.rest().await, (answer("let go"), Seen::Fin));
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(secs(3 * 24 * 3600));
    assert_eq!(cleaned.arrived(), 1);
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_waited_for() {
    let mut stage = Stage::running().await;
    let mut probe = half_sent(&stage).await;
    stage.drains().await;
    stage.passes(secs(40)).await;
    probe.send("half").await.unwrap();
    let echoed = probe.answer().await;
    assert_eq!(
        (echoed.text(), echoed.head.closes()),
        ("halfhalf".into(), true)
    );
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(secs(40));
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_waited_for_in_the_lame_duck() {
    let mut stage = Stage::with_lame_duck().await;
    let mut probe = half_sent(&stage).await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK / 2).await;
    probe.send("half").await.unwrap();
    let echoed = probe.answer().await;
    assert_eq!(
        (echoed.text(), echoed.head.closes()),
        ("halfhalf".into(), true)
    );
    assert_eq!(probe.end().await, Seen::Fin);
    stage.passes(LAME_DUCK / 2).await;
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_reset_by_force_and_named() {
    let stage = Stage::running().await;
    let mut probe = half_sent(&stage).await;
    stage.forces().await;
    assert_eq!(probe.rest().await, (String::new(), Seen::Rst));
    let over = stage.over().await.ended([Cut]).requests(CUT);
    over.named(&["http/1 POST"]).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_100_is_told_to_continue_while_draining() {
    let stage = Stage::anchored().await;
    let head =
        "POST /echo HTTP/1.1\r\nhost: probe\r\ncontent-length: 4\r\nexpect: 100-continue\r\n";
    let mut probe = stage.says(head).await;
    stage.drains().await;
    probe.send("\r\n").await.unwrap();
    // Neither the interim answer nor its connection is what closes.
    probe.text("HTTP/1.1 100 Continue\r\n\r\n").await;
    probe.send("body").await.unwrap();
    let echoed = probe.answer().await;
    assert_eq!((echoed.text(), echoed.head.closes()), ("body".into(), true));
    assert_eq!(probe.end().await, Seen::Fin);
    stage.weighs_anchor();
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn of_two_pipelined_requests_the_second_is_not_begun_and_counted() {
    const TWO: &str =
        "GET /held HTTP/1.1\r\nhost: probe\r\n\r\nGET / HTTP/1.1\r\nhost: probe\r\n\r\n";
    let stage = Stage::running().await;
    let mut probe = stage.connects().await;
    probe.send(TWO).await.unwrap();
    stage.in_flight(1).await;
    stage.drains().await;
    stage.gate.open();
    assert_eq!(probe.rest().await, (answer("let go"), Seen::Fin));
    let over = stage.over().await.ended([Graceful]).at_once();
    over.requests(Requests {
        answered: 1,
        late: 1,
        ..Requests::default()
    });
}

#[tokio::test(start_paused = true)]
async fn of_two_pipelined_requests_the_second_is_not_begun_in_the_lame_duck_either() {
    const TWO: &str =
        "GET /held HTTP/1.1\r\nhost: probe\r\n\r\nGET / HTTP/1.1\r\nhost: probe\r\n\r\n";
    let mut stage = Stage::with_lame_duck().await;
    let mut probe = stage.connects().await;
    probe.send(TWO).await.unwrap();
    stage.in_flight(1).await;
    stage.enters_lame_duck().await;
    stage.gate.open();
    assert_eq!(probe.rest().await, (answer("let go"), Seen::Fin));
    stage.passes(LAME_DUCK).await;
    let over = stage.over().await.ended([Graceful]).at_once();
    over.requests(Requests {
        answered: 1,
        late: 1,
        ..Requests::default()
    });
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_ended_its_side_is_answered() {
    let stage = Stage::running().await;
    let mut probe = stage.held().await;
    probe.finish().await.unwrap();
    stage.drains().await;
    stage.gate.open();
    assert_eq!(probe.rest().await, (answer("let go"), Seen::Fin));
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_resets_while_draining_ends_the_wait_for_its_answer() {
    let stage = Stage::running().await;
    let probe = stage.held().await;
    stage.drains().await;
    probe.reset().unwrap();
    let over = stage.over().await.ended([Failed]).at_once();
    over.requests(Requests {
        aborted: 1,
        ..Requests::default()
    });
}

#[tokio::test(start_paused = true)]
async fn http_1_0_and_head_requests_are_answered_as_they_are_and_end() {
    for (head, body) in [
        ("GET /held HTTP/1.0\r\n\r\n", "let go"),
        ("HEAD /held HTTP/1.1\r\nhost: probe\r\n\r\n", ""),
    ] {
        let stage = Stage::running().await;
        let mut probe = stage.connects().await;
        probe.send(head).await.unwrap();
        stage.in_flight(1).await;
        stage.drains().await;
        stage.gate.open();
        let (text, end) = probe.rest().await;
        assert!(text.ends_with(&format!("\r\n\r\n{body}")), "{text:?}");
        assert!(text.contains("connection: close\r\n"), "{text:?}");
        assert_eq!(end, Seen::Fin);
        stage.over().await.ended([Graceful]).answered(1).at_once();
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_request_that_nobody_has_read_does_not_spoil_the_first_ones_answer() {
    let stage = Stage::running().await;
    let mut probe = stage.held().await;
    probe.request("/").await.unwrap();
    stage.has_read().await;
    stage.drains().await;
    stage.gate.open();
    assert_eq!(probe.rest().await, (answer("let go"), Seen::Fin));
    stage.over().await.ended([Graceful]).at_once();
}
