//! Answers that their clients give up, over HTTP/2, and whose bytes nobody takes: no stop waits for them, and
//! they are their clients' doing. Linux tells what its kernel has sent.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lamplighter::ConnectionEnd::{Cut, Graceful, TimedOut};
use lamplighter_harness::{Manners, Probe, Seen, within};

use crate::over::Requests;
use crate::stage::Stage;
use crate::unsent::{LEAF, waits_for};
use crate::{CANCEL, millis, secs};

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_kernel_to_send_an_answer_that_its_client_has_given_up() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, LEAF).await;
    stage.drains().await;
    stage.gate.release();
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    probe.reset_stream(1, CANCEL).await.unwrap();
    stage.passes(millis(1100)).await;
    // It reads nothing all the while, and so does not say that it knows of the end.
    let over = stage.over().await.ended([TimedOut]).answered(1);
    over.drained_in(secs(601));
}

#[tokio::test(start_paused = true)]
async fn an_answer_behind_one_that_its_client_has_given_up_is_waited_for() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, LEAF).await;
    stage.drains().await;
    stage.gate.release();
    stage.passes(millis(1)).await;
    let path = format!("/held/{LEAF}");
    let behind = probe.open_stream(&path).await.unwrap();
    within("the other request", stage.gate.reached(2)).await;
    probe.reset_stream(1, CANCEL).await.unwrap();
    let is_leaf = |seen: &Seen| matches!(seen, Seen::Data { data, .. } if data.len() == LEAF);
    probe.until("the leaf", is_leaf).await;
    stage.in_flight(1).await;
    stage.gate.release();
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    let known = probe.streamed(behind).await;
    assert_eq!((known.body.len(), known.ended), (LEAF, true));
    assert_eq!(probe.end().await, Seen::Fin);
    stage.over().await.ended([Graceful]).answered(2);
}

/// More than the kernels of both sides take.
pub(crate) const BOOK: usize = 40 * 1024;

/// One more request on this connection, which waits at the gate as the second, and then gets so much.
async fn also_waits_for(stage: &Stage, probe: &mut Probe, bytes: usize) -> u32 {
    let arrived = stage.gate.arrived();
    let stream = probe.open_stream(&format!("/held/{bytes}")).await.unwrap();
    within("the other request", stage.gate.reached(arrived + 1)).await;
    stream
}

pub(crate) const ABORTED: Requests = Requests {
    answered: 0,
    cut: 0,
    aborted: 1,
    late: 0,
    refused: 0,
};

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_rest_of_a_frame_that_its_client_has_given_up() {
    for before_the_drain in [false, true] {
        let mut stage = Stage::running().await;
        let mut probe = waits_for(&stage, true, BOOK).await;
        if before_the_drain {
            stage.gate.open();
            stage.passes(millis(1)).await;
            probe.reset_stream(1, CANCEL).await.unwrap();
            stage.passes(millis(1)).await;
            assert_eq!(stage.handle.in_flight(), 1);
            stage.drains().await;
        } else {
            stage.drains().await;
            stage.gate.open();
            stage.passes(secs(600)).await;
            assert_eq!(stage.handle.in_flight(), 1);
            probe.reset_stream(1, CANCEL).await.unwrap();
        }
        stage.passes(millis(1100)).await;
        let over = stage.over().await.ended([TimedOut]).requests(ABORTED);
        over.drained_in(secs(if before_the_drain { 1 } else { 601 }));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_answers_that_were_given_up_before_a_byte_of_them_was_taken() {
    // The first is stuck with h2, or with the kernel.
    for first in [BOOK, LEAF] {
        let mut stage = Stage::running().await;
        let mut probe = waits_for(&stage, true, first).await;
        stage.drains().await;
        stage.gate.release();
        stage.passes(millis(1)).await;
        // It has not said that it knows of the end, and so may ask on.
        for bytes in [0, 10, 1000, LEAF] {
            also_waits_for(&stage, &mut probe, bytes).await;
        }
        stage.gate.open();
        stage.passes(secs(600)).await;
        assert_eq!(stage.handle.in_flight(), 5);
        for stream in [9, 7, 5, 3, 1] {
            probe.reset_stream(stream, CANCEL).await.unwrap();
        }
        stage.passes(millis(1100)).await;
        let over = stage.over().await.ended([TimedOut]);
        let tally = over.report.connections().tally;
        // The kernel may have taken some behind the first.
        assert_eq!(tally.answered == 0, first == BOOK, "{tally:?}");
        assert_eq!(tally.answered + tally.aborted, 5);
        over.drained_in(secs(601));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_while_the_server_cannot_say_that_it_drains_is_not_waited_for() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, BOOK).await;
    stage.gate.release();
    stage.passes(millis(1)).await;
    // As long as GOAWAY does not fit in, h2 reads nothing: the handler of the second hears of no reset.
    also_waits_for(&stage, &mut probe, 0).await;
    stage.drains().await;
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 2);
    for stream in [1, 3] {
        probe.reset_stream(stream, CANCEL).await.unwrap();
    }
    stage.passes(millis(2200)).await;
    let over = stage.over().await.ended([TimedOut]).requests(Requests {
        aborted: 2,
        ..Requests::default()
    });
    let drained = over.report.phases().iter();
    let drained: Duration = drained.map(|phase| phase.took).sum();
    assert!(drained <= millis(602_010), "{drained:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_to_come_does_not_make_anybody_wait_for_an_answer_that_is_given_up() {
    let mut stage = Stage::running().await;
    let mut probe = Probe::connect_narrow(stage.addr, 4096).await.unwrap();
    probe.http2(Manners::Polite).await.unwrap();
    let book = probe.open_upload("/echo").await.unwrap();
    let half = probe.open_upload("/echo").await.unwrap();
    probe.send_data(half, b"half", false).await.unwrap();
    stage.in_flight(2).await;
    stage.drains().await;
    // Its stream would stay a while behind its answer, for what is to come of the other.
    upload(&mut probe, book).await;
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 2);
    for stream in [book, half] {
        probe.reset_stream(stream, CANCEL).await.unwrap();
    }
    stage.passes(millis(1100)).await;
    let over = stage.over().await.ended([TimedOut]).requests(Requests {
        aborted: 2,
        ..Requests::default()
    });
    over.drained_in(secs(601));
}

/// All of a request that is as long as the book.
pub(crate) async fn upload(probe: &mut Probe, stream: u32) {
    let piece = vec![b'e'; BOOK / 4];
    for number in 1..=4 {
        probe.send_data(stream, &piece, number == 4).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_served_makes_nobody_wait_for_an_answer_that_is_given_up() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, BOOK).await;
    stage.drains().await;
    let last = |seen: &Seen| matches!(seen, Seen::GoAway { last_stream: 1, .. });
    probe.until("the last GOAWAY", last).await;
    probe.open_stream("/").await.unwrap();
    stage.passes(millis(1)).await;
    stage.gate.open();
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    probe.reset_stream(1, CANCEL).await.unwrap();
    stage.passes(millis(1100)).await;
    let over = stage.over().await.ended([TimedOut]).requests(Requests {
        refused: 1,
        ..ABORTED
    });
    over.drained_in(secs(601));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_malformed_makes_nobody_wait_for_an_answer_that_is_given_up() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, BOOK).await;
    stage.drains().await;
    stage.gate.open();
    stage.passes(millis(1)).await;
    // A head with a method and nothing else. That it is refused is said behind the answer that is stuck.
    probe.send_frame(1, 5, 3, &[0x82]).await.unwrap();
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    probe.reset_stream(1, CANCEL).await.unwrap();
    stage.passes(millis(1100)).await;
    let over = stage.over().await.ended([TimedOut]).requests(ABORTED);
    over.drained_in(secs(601));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_one_answer_gets_those_behind_it_and_those_before() {
    for (first, given_up) in [(BOOK, 1), (LEAF / 2, 3)] {
        let mut stage = Stage::running().await;
        let mut probe = waits_for(&stage, true, first).await;
        stage.drains().await;
        stage.gate.release();
        stage.passes(millis(1)).await;
        let second = if given_up == 1 { LEAF } else { BOOK };
        let behind = also_waits_for(&stage, &mut probe, second).await;
        stage.gate.open();
        stage.passes(millis(1)).await;
        probe.reset_stream(given_up, CANCEL).await.unwrap();
        stage.passes(secs(600)).await;
        let wanted = if given_up == 1 { behind } else { 1 };
        let known = probe.streamed(wanted).await;
        assert!(known.ended, "{known:?}");
        assert_eq!(known.body.len(), if given_up == 1 { LEAF } else { first });
        assert_eq!(probe.end().await, Seen::Fin);
        let over = stage.over().await.ended([Graceful]).requests(Requests {
            answered: 1,
            aborted: 1,
            ..Requests::default()
        });
        over.drained_in(secs(600));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_not_cut_by_the_force_that_cuts_what_is_beside_it() {
    let mut stage = Stage::running().await;
    let mut probe = Probe::connect_narrow(stage.addr, 4096).await.unwrap();
    probe.http2(Manners::Polite).await.unwrap();
    let given_up = probe.open_upload("/echo").await.unwrap();
    upload(&mut probe, given_up).await;
    // This answer is made, and none of it is written.
    let also = also_waits_for(&stage, &mut probe, 0).await;
    stage.gate.release();
    stage.passes(millis(1)).await;
    also_waits_for(&stage, &mut probe, 0).await;
    stage.drains().await;
    stage.passes(millis(1)).await;
    for stream in [given_up, also] {
        probe.reset_stream(stream, CANCEL).await.unwrap();
    }
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 3);
    drop(stage.handle.force());
    stage.passes(millis(300)).await;
    let over = stage.over().await.ended([Cut]).requests(Requests {
        cut: 1,
        aborted: 2,
        ..Requests::default()
    });
    over.named(&["http/2 GET"]).drained_in(secs(600));
}
