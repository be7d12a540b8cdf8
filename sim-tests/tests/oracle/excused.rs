//! What looks like a fault and is none; and beside each, the fault that it looks like.
//!
//! **Invariant:** a law that lets something pass still finds what is next to it.

use std::time::Duration;

use lamplighter::{Phase, ServerEventKind, ServingStatus};
use lamplighter_sim::trace::{ClientSaw, WhatHappened};
use lamplighter_sim::{
    Act, ActDoes, Budget, Call, Check, Client, ClientDoes, Defences, Entry, HandlerDoes, Hook,
    Link, Memory, Oracle, Origin, Request, Run, Scenario, ScenarioError, Start, Worker, WorkerDoes,
    World,
};

use super::{LOST, client_place, fault, fault_of, ordinary, place};

/// What the laws say of a life as it is.
pub(super) fn verdict(scenario: &Scenario) -> Result<(Run, Option<String>), ScenarioError> {
    let mut oracle = Oracle::new(scenario);
    let run = Memory::default().run(scenario, &mut oracle)?;
    let broken = oracle.judge(&run).err();
    Ok((run, broken.map(|violation| violation.to_string())))
}

/// Told to stop before it starts, with a plan that a start would refuse: it goes by the usual one.
fn stopped_with_a_bad_plan() -> Scenario {
    Scenario {
        plan: Budget {
            drain_ms: 0,
            hooks_ms: 0,
            margin_ms: 0,
            drain_spread_ms: 1,
            ..Budget::default()
        },
        start: Start {
            call: Call::StopThenStart,
            ..Start::default()
        },
        hooks: vec![Hook {
            takes_ms: 1,
            ..Hook::default()
        }],
        ..Scenario::default()
    }
}

#[test]
fn a_plan_that_does_not_hold_bounds_nothing() {
    let (run, broken) = verdict(&stopped_with_a_bad_plan()).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    assert_eq!(run.report.unwrap().total(), Duration::from_millis(1));
}

#[test]
fn a_stop_that_outlasts_the_usual_budget_is_found_where_the_plan_does_not_hold() {
    let law = fault_of(&stopped_with_a_bad_plan(), |run| {
        let stop = place(run, |event| *event == ServerEventKind::Stop);
        for entry in run.trace.iter_mut().skip(stop) {
            entry.at += Budget::default().total();
        }
    });
    assert_eq!(law.unwrap(), "within the budget");
}

/// A freeze over the end of the lame duck, and a plan without time for anything that comes after it:
/// all of it passes in one instant. Seeds 27985 and 58923 were like it: the server was over before it had
/// said that it listened no more.
fn over_in_an_instant() -> Scenario {
    Scenario {
        plan: Budget {
            lame_duck_ms: 1,
            drain_ms: 0,
            margin_ms: 0,
            ..Budget::default()
        },
        clients: vec![Client {
            does: ClientDoes::Http1 { requests: vec![] },
            ..Client::default()
        }],
        acts: vec![
            Act {
                gap_ms: 0,
                does: ActDoes::Stop,
            },
            Act {
                gap_ms: 0,
                does: ActDoes::Freeze { ms: 2 },
            },
            // What comes in with it is known before the timers that the freeze has made late.
            Act::default(),
        ],
        ..Scenario::default()
    }
}

#[test]
fn a_server_that_is_over_in_an_instant_says_all_the_same_that_it_listens_no_more() {
    let (run, broken) = verdict(&over_in_an_instant()).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let refused = client_place(&run, 0, |saw| matches!(saw, ClientSaw::Refused(_)));
    let closed = place(&run, |event| *event == ServerEventKind::ListenersClosed);
    assert!(refused < usize::MAX && closed < refused, "{}", run.text());
}

#[test]
fn a_client_that_is_refused_before_the_listeners_are_closed_is_found() {
    let law = fault_of(&over_in_an_instant(), |run| {
        let refused = client_place(run, 0, |saw| matches!(saw, ClientSaw::Refused(_)));
        let mut refused = run.trace.remove(refused);
        let closed = place(run, |event| *event == ServerEventKind::ListenersClosed);
        refused.at = run.trace[closed].at;
        run.trace.insert(closed, refused);
    });
    assert_eq!(law.unwrap(), "readiness off, then accepting");
}

/// A client that asks so long after it has connected, of a server that gives it 10 ms to do so.
fn asks_after(gap_ms: u32) -> Scenario {
    Scenario {
        defences: Defences {
            header_read_ms: Some(10),
            ..Defences::default()
        },
        clients: vec![Client {
            does: ClientDoes::Http1 {
                requests: vec![Request {
                    gap_ms,
                    ..Request::default()
                }],
            },
            ..Client::default()
        }],
        ..Scenario::default()
    }
}

#[test]
fn a_head_that_comes_later_than_the_server_waits_for_it_may_be_lost() {
    let (run, broken) = verdict(&asks_after(11)).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let lost = client_place(&run, 0, |saw| saw == LOST);
    assert!(lost < usize::MAX, "{}", run.text());
}

#[test]
fn a_head_that_comes_at_the_last_moment_is_answered_and_its_loss_is_found() {
    let scenario = asks_after(10);
    let (run, broken) = verdict(&scenario).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let law = fault_of(&scenario, |run| {
        let answered = client_place(run, 0, |saw| matches!(saw, ClientSaw::Answered { .. }));
        run.trace[answered].what = LOST.into();
    });
    assert_eq!(law.unwrap(), "no request lost");
}

#[test]
fn a_goaway_that_waits_behind_an_answer_for_the_window_may_come_after_the_force() {
    let forces = Request {
        does: HandlerDoes::Force,
        ..Request::default()
    };
    let large = Request {
        receive_bytes: 65_352,
        ..Request::default()
    };
    let scenario = Scenario {
        plan: Budget {
            lame_duck_ms: 1,
            cancel_lead_ms: 0,
            ..Budget::default()
        },
        clients: vec![Client {
            does: ClientDoes::Grpc {
                calls: vec![forces, large],
            },
            ..Client::default()
        }],
        ..Scenario::default()
    };
    let (run, broken) = verdict(&scenario).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let goaway_at = |run: &Run| {
        let first = |saw: &WhatHappened| {
            matches!(saw, WhatHappened::Client(ClientSaw::GoAway { code: 0, .. }))
        };
        run.trace
            .iter()
            .find(|entry| first(&entry.what))
            .unwrap()
            .at
    };
    let forced = place(&run, |event| {
        *event == ServerEventKind::Phase(Phase::ForceClosing)
    });
    let waited = goaway_at(&run) - run.trace[forced].at;
    assert_eq!(waited, Duration::from_millis(2), "{}", run.text());
    // With a place for all of it, nothing waits.
    let wide = Scenario {
        link: Link {
            window_bytes: 2 * 65_536,
            ..Link::default()
        },
        ..scenario
    };
    let (run, broken) = verdict(&wide).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let waited = goaway_at(&run) - run.trace[forced].at;
    assert_eq!(waited, Duration::from_millis(1), "{}", run.text());
}

#[test]
fn a_first_goaway_after_the_force_is_found_where_nothing_holds_it_up() {
    let is_goaway =
        |what: &WhatHappened| matches!(what, WhatHappened::Client(ClientSaw::GoAway { .. }));
    assert_eq!(fault(|_| {}), None);
    let law = fault_of(&ordinary(), |run| {
        let goaway = run.trace.iter().position(|entry| is_goaway(&entry.what));
        let mut late = run.trace[goaway.unwrap()].clone();
        run.trace.retain(|entry| !is_goaway(&entry.what));
        let forced = place(run, |event| {
            *event == ServerEventKind::Phase(Phase::ForceClosing)
        });
        late.at = run.trace[forced].at + Duration::from_millis(2);
        run.trace.insert(forced + 1, late);
    });
    assert_eq!(law.unwrap(), "one graceful close");
}

/// A watch that begins before the server is ready, of a server that stops in the very step in which it
/// is, on a line so slow that all it says is on its way together.
fn watched_from_before_ready() -> Scenario {
    Scenario {
        link: Link {
            latency_ms: 10,
            ..Link::default()
        },
        start: Start {
            checks: vec![Check {
                red_ms: 21,
                ..Check::default()
            }],
            ..Start::default()
        },
        workers: vec![Worker {
            does: WorkerDoes::Stop,
            ..Worker::default()
        }],
        clients: vec![Client {
            does: ClientDoes::Watch,
            ..Client::default()
        }],
        from: Origin::Call,
        ..Scenario::default()
    }
}

const SERVING: ClientSaw = ClientSaw::Health(ServingStatus::Serving);

#[test]
fn what_a_watch_was_told_before_ready_may_arrive_after_the_stop_has_begun() {
    let scenario = watched_from_before_ready();
    let (run, broken) = verdict(&scenario).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let off = place(&run, |event| matches!(event, ServerEventKind::Stopping(_)));
    let told = |entry: &Entry| {
        if let WhatHappened::Client(ClientSaw::Health(status)) = entry.what {
            Some(status)
        } else {
            None
        }
    };
    let told: Vec<ServingStatus> = run.trace.iter().skip(off).filter_map(told).collect();
    let expected = [
        ServingStatus::NotServing,
        ServingStatus::Serving,
        ServingStatus::NotServing,
    ];
    assert_eq!(told, expected, "{}", run.text());
}

#[test]
fn a_watch_that_is_told_of_a_stop_and_then_of_none_is_found() {
    let law = fault_of(&watched_from_before_ready(), |run| {
        let serving = client_place(run, 0, |saw| saw == SERVING);
        let mut again = run.trace[serving].clone();
        again.at += Duration::from_millis(1);
        run.trace.insert(serving + 2, again);
    });
    assert_eq!(law.unwrap(), "readiness off, then accepting");
}

#[test]
fn a_watch_that_begins_when_readiness_is_off_and_is_told_that_the_server_is_ready_is_found() {
    let scenario = Scenario {
        plan: Budget {
            lame_duck_ms: 40,
            ..Budget::default()
        },
        clients: vec![Client {
            gap_ms: 5,
            does: ClientDoes::Watch,
            ..Client::default()
        }],
        acts: vec![Act::default()],
        ..Scenario::default()
    };
    assert_eq!(fault_of(&scenario, |_| {}), None);
    let law = fault_of(&scenario, |run| {
        let is_told = |saw| saw == ClientSaw::Health(ServingStatus::NotServing);
        let told = client_place(run, 0, is_told);
        run.trace[told].what = SERVING.into();
    });
    assert_eq!(law.unwrap(), "readiness off, then accepting");
}

/// One client asks over a line of this width; another one, whose handler never answers, crashes.
fn one_leaves(window_bytes: u32, does: ClientDoes) -> Scenario {
    let hangs = ClientDoes::Http2 {
        requests: vec![Request {
            does: HandlerDoes::Hang,
            ..Request::default()
        }],
    };
    Scenario {
        link: Link {
            latency_ms: 0,
            window_bytes,
        },
        clients: [does, hangs]
            .map(|does| Client {
                does,
                ..Client::default()
            })
            .to_vec(),
        acts: vec![
            Act::default(),
            Act {
                gap_ms: 1,
                does: ActDoes::Crash { client: 1 },
            },
        ],
        ..Scenario::default()
    }
}

#[test]
fn an_answer_counts_though_its_client_leaves_what_was_to_be_said_after_it() {
    let calls = vec![Request::default()];
    let scenario = one_leaves(1, ClientDoes::Grpc { calls });
    let (run, broken) = verdict(&scenario).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let report = run.report.unwrap();
    let tally = report.connections().tally;
    assert_eq!((tally.answered, tally.aborted), (1, 1), "{report}");
}

#[test]
fn an_answer_too_many_is_found_whoever_else_has_left() {
    let scenario = one_leaves(64, ClientDoes::default());
    let (run, broken) = verdict(&scenario).unwrap();
    assert_eq!(broken, None, "{}", run.text());
    let law = fault_of(&scenario, |run| {
        let answered = client_place(run, 0, |saw| matches!(saw, ClientSaw::Answered { .. }));
        let again = run.trace[answered].clone();
        run.trace.insert(answered + 1, again);
    });
    assert_eq!(law.unwrap(), "the accounts of all agree");
}
