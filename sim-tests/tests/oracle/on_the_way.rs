//! Requests of which a part is still on its way, or never comes: what is lost with them, and what is not.
//!
//! **Invariant:** a law that lets something pass still finds what is next to it.

use lamplighter_sim::trace::{Break, ClientSaw};
use lamplighter_sim::{Act, Budget, Client, ClientDoes, HandlerDoes, Link, Request, Scenario};

use super::excused::verdict;
use super::{client_place, fault_of};

/// Seed 598351: a call of so many bytes, and another one asked before they have arrived, of a server that
/// ends when they have.
fn a_call_behind(send_bytes: u32) -> Scenario {
    Scenario {
        link: Link {
            latency_ms: 6,
            ..Link::default()
        },
        plan: Budget {
            drain_ms: 0,
            ..Budget::default()
        },
        clients: vec![Client {
            does: ClientDoes::Grpc {
                calls: vec![
                    Request {
                        send_bytes,
                        ..Request::default()
                    },
                    Request {
                        gap_ms: 1,
                        ..Request::default()
                    },
                ],
            },
            ..Client::default()
        }],
        acts: vec![Act {
            gap_ms: 20,
            ..Act::default()
        }],
        ..Scenario::default()
    }
}

#[test]
fn a_call_that_waits_for_its_place_behind_the_bytes_of_another_has_not_come_in_time() {
    let (run, broken) = verdict(&a_call_behind(65_302)).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let lost = client_place(&run, 0, |saw| {
        matches!(saw, ClientSaw::Lost { request: 1, .. })
    });
    assert!(lost < usize::MAX, "{}", run.text());
    let report = run.report.unwrap();
    let tally = report.connections().tally;
    assert_eq!((tally.begun, tally.cut), (1, 0), "{report}");
}

#[test]
fn the_loss_of_a_call_that_has_its_place_beside_the_bytes_of_another_is_found() {
    let scenario = a_call_behind(64_000);
    let (run, broken) = verdict(&scenario).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let law = fault_of(&scenario, |run| {
        let is_second = |saw| matches!(saw, ClientSaw::Answered { request: 1, .. });
        let answered = client_place(run, 0, is_second);
        run.trace[answered].what = ClientSaw::Lost {
            request: 1,
            why: Break::Broken,
            bytes: 0,
        }
        .into();
    });
    assert_eq!(law.unwrap(), "no request lost");
}

/// The first request is an upload that nobody reads and that does not come at once.
fn uploads_in_vain() -> Scenario {
    let upload = Request {
        send_bytes: 131_072,
        does: HandlerDoes::AnswerUnread,
        ..Request::default()
    };
    Scenario {
        clients: vec![Client {
            does: ClientDoes::Http1 {
                requests: vec![upload, Request::default()],
            },
            ..Client::default()
        }],
        ..Scenario::default()
    }
}

#[test]
fn a_connection_that_ends_with_an_answer_that_did_not_say_so_is_found() {
    assert_eq!(fault_of(&uploads_in_vain(), |_| {}), None);
    let law = fault_of(&uploads_in_vain(), |run| {
        let told = client_place(run, 0, |saw| saw == ClientSaw::Closing);
        run.trace.remove(told);
    });
    assert_eq!(law.unwrap(), "no request lost");
}
