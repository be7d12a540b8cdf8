//! What simulation has found, each by name.

use std::time::Duration;

use lamplighter::{HookOutcome, Report, Signal};
use lamplighter_sim::trace::{ClientSaw, WhatHappened, Who, WorkerSaw};
use lamplighter_sim::{
    Act, ActDoes, Budget, Callback, CallbackDoes, Client, ClientDoes, Defences, Entry, HandlerDoes,
    Hook, Memory, Moment, Oracle, Request, Scenario, Worker, WorkerDoes, World,
};

/// The report of a life that keeps every law, if it has one.
fn lawful(scenario: &Scenario) -> Option<Report> {
    let mut oracle = Oracle::new(scenario);
    let run = Memory::default().run(scenario, &mut oracle).ok()?;
    assert_eq!(oracle.judge(&run), Ok(()), "{}", run.text());
    run.report
}

/// A start that had not had a turn was aborted, and nobody was told that it had ended: the stop waited
/// for it, up to the end of its time.
#[test]
fn a_force_in_on_start_drops_a_start_that_was_never_polled_at_once() {
    let scenario = Scenario {
        callbacks: vec![Callback {
            on: Moment::Start,
            does: CallbackDoes::Force,
        }],
        ..Scenario::default()
    };
    let mut oracle = Oracle::new(&scenario);
    let run = Memory::default().run(&scenario, &mut oracle).unwrap();
    assert_eq!(oracle.judge(&run), Ok(()), "{}", run.text());
    assert_eq!(run.report.unwrap().total(), Duration::ZERO);
}

/// How long a stop takes that finds one such client, 10 ms after Ready, where a head may take so long.
fn stop_with(does: ClientDoes, header_read_ms: u32) -> Option<Duration> {
    let scenario = Scenario {
        defences: Defences {
            header_read_ms: Some(header_read_ms),
            ..Defences::default()
        },
        clients: vec![Client {
            does,
            ..Client::default()
        }],
        acts: vec![Act {
            gap_ms: 10,
            does: ActDoes::Signal(Signal::Sigterm),
        }],
        ..Scenario::default()
    };
    let mut oracle = Oracle::new(&scenario);
    let run = Memory::default().run(&scenario, &mut oracle).ok()?;
    assert_eq!(oracle.judge(&run), Ok(()), "{}", run.text());
    Some(run.report?.total())
}

/// The graces of a drain were what a head had, however short its own limit: a stop gave more time than
/// there was without it.
#[test]
fn a_drain_gives_a_silent_connection_no_longer_than_its_head_may_take() {
    // It is accepted 3 ms after Ready, and would have 100 ms in a drain.
    let stop = stop_with(ClientDoes::Silent, 50);
    assert_eq!(stop, Some(Duration::from_millis(43)));
}

#[test]
fn a_drain_gives_half_a_head_no_longer_than_a_head_may_take() {
    // It has come 3 ms after Ready, and would have a second in a drain.
    let stop = stop_with(ClientDoes::HalfHead, 200);
    assert_eq!(stop, Some(Duration::from_millis(193)));
}

/// No time at all for a force close.
fn without_a_margin() -> Scenario {
    Scenario {
        plan: Budget {
            drain_ms: 20,
            margin_ms: 0,
            ..Budget::default()
        },
        ..Scenario::default()
    }
}

/// Seeds 88, 361, 2289, 3830 and 4416: what was told to end was named as stuck in the same instant,
/// before it had had a turn to end in, and hooks ran beside it.
#[test]
fn without_a_margin_cut_work_has_its_turns_to_end_and_is_not_stuck() {
    let hangs = || {
        vec![Request {
            does: HandlerDoes::Hang,
            ..Request::default()
        }]
    };
    let clients = [
        ClientDoes::Http1 { requests: hangs() },
        ClientDoes::Http2 { requests: hangs() },
        ClientDoes::Grpc { calls: hangs() },
    ];
    let scenario = Scenario {
        workers: vec![Worker {
            takes_ms: 0,
            does: WorkerDoes::Hang,
        }],
        clients: clients
            .map(|does| Client {
                does,
                ..Client::default()
            })
            .to_vec(),
        acts: vec![Act {
            gap_ms: 10,
            does: ActDoes::Stop,
        }],
        ..without_a_margin()
    };
    let report = lawful(&scenario).unwrap();
    let outcome = report.outcome();
    assert_eq!((outcome.cut, outcome.stuck), (4, 0), "{report}");
}

/// As above: of what became due in a freeze, the hooks came before the end of the work.
#[test]
fn what_was_cut_has_its_turns_to_end_though_the_server_freezes_meanwhile() {
    let freeze = Act {
        gap_ms: 0,
        does: ActDoes::Freeze { ms: 1 },
    };
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 187,
            cancel_lead_ms: 1,
            ..without_a_margin().plan
        },
        workers: vec![
            Worker {
                takes_ms: 1,
                does: WorkerDoes::Stop,
            },
            Worker {
                takes_ms: 0,
                does: WorkerDoes::HearCancelled,
            },
        ],
        acts: vec![
            Act {
                gap_ms: 187,
                ..freeze
            },
            freeze,
            Act::default(),
        ],
        ..without_a_margin()
    };
    assert_eq!(lawful(&scenario).unwrap().outcome().stuck, 0);
}

/// Seeds 5653, 48122, 86211 and 96203: its time is over before its task has had a turn, and its timeout
/// is told first. It began all the same, when it had been settled.
#[test]
fn a_hook_that_is_given_up_before_its_first_turn_does_not_begin() {
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 32,
            hooks_ms: 1,
            margin_ms: 0,
            ..Budget::default()
        },
        hooks: vec![Hook::default()],
        workers: vec![Worker {
            does: WorkerDoes::Hang,
            ..Worker::default()
        }],
        callbacks: vec![Callback {
            on: Moment::Ready,
            does: CallbackDoes::Stop,
        }],
        acts: vec![
            Act {
                gap_ms: 32,
                does: ActDoes::Freeze { ms: 0 },
            },
            Act {
                does: ActDoes::Freeze { ms: 0 },
                ..Act::default()
            },
            Act {
                does: ActDoes::Freeze { ms: 1 },
                ..Act::default()
            },
        ],
        ..Scenario::default()
    };
    let report = lawful(&scenario).unwrap();
    let outcome = report.hooks()[0].outcome.as_ref();
    assert_eq!(outcome, Some(&HookOutcome::TimedOut), "{report}");
}

/// Seed 89081: a freeze came over the time that whoever is cut has for its end, while some had had their
/// turn and others not; nobody asked these before they were given up. Between two turns of the world
/// there are some 60 of everybody else, so that it takes more workers than that.
#[test]
fn those_of_many_who_have_not_had_a_turn_before_a_freeze_have_it_before_they_are_given_up() {
    let freeze = |gap_ms, ms| Act {
        gap_ms,
        does: ActDoes::Freeze { ms },
    };
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 20,
            ..Budget::default()
        },
        hooks: vec![Hook::default()],
        workers: vec![
            Worker {
                takes_ms: 0,
                does: WorkerDoes::Hang,
            };
            130
        ],
        acts: vec![
            Act {
                gap_ms: 0,
                does: ActDoes::Stop,
            },
            freeze(20, 0),
            freeze(0, 0),
            // All the time that the margin has.
            freeze(0, 1_000),
        ],
        ..Scenario::default()
    };
    let report = lawful(&scenario).unwrap();
    let outcome = report.outcome();
    assert_eq!((outcome.cut, outcome.stuck), (130, 0), "{report}");
}

/// Seed 11187: workers that call `stop()` wait until it has begun, and were woken in an order drawn by
/// lot: no two runs of such a case were the same.
#[test]
fn workers_that_wait_for_one_stop_go_on_in_the_order_in_which_they_began_to_wait() {
    let scenario = Scenario {
        workers: vec![
            Worker {
                takes_ms: 10,
                does: WorkerDoes::Stop,
            };
            12
        ],
        ..Scenario::default()
    };
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    let ended = |entry: &Entry| match (entry.who, &entry.what) {
        (Who::Worker(place), WhatHappened::Worker(WorkerSaw::Ended)) => Some(place),
        _ => None,
    };
    let ended = run.trace.iter().filter_map(ended);
    assert!(ended.eq(0..12), "{}", run.text());
}

/// Seed 1001288: one answer has come to its last byte, the other one fills the line behind it.
#[test]
fn an_answer_counts_that_its_client_has_whole_though_another_one_is_stuck_behind_it() {
    let large = Request {
        receive_bytes: 130_818,
        ..Request::default()
    };
    let later = Request {
        gap_ms: 3,
        ..Request::default()
    };
    let scenario = Scenario {
        plan: Budget {
            lame_duck_ms: 8,
            ..Budget::default()
        },
        clients: vec![Client {
            gap_ms: 6,
            does: ClientDoes::Grpc {
                calls: vec![large, Request::default(), later],
            },
            ..Client::default()
        }],
        acts: vec![
            Act {
                gap_ms: 1,
                ..Act::default()
            },
            Act {
                gap_ms: 10,
                does: ActDoes::Crash { client: 0 },
            },
        ],
        ..Scenario::default()
    };
    let report = lawful(&scenario).unwrap();
    let tally = report.connections().tally;
    assert_eq!((tally.answered, tally.aborted), (1, 1), "{report}");
}

/// Seed 32093: the rest of an upload that nobody wants is not there yet when the answer is made.
#[test]
fn an_answer_with_which_its_connection_ends_says_so_while_nobody_stops() {
    let unread = Request {
        send_bytes: 131_072,
        does: HandlerDoes::AnswerUnread,
        ..Request::default()
    };
    let scenario = Scenario {
        clients: vec![Client {
            does: ClientDoes::Http1 {
                requests: vec![unread, Request::default()],
            },
            ..Client::default()
        }],
        ..Scenario::default()
    };
    let mut oracle = Oracle::new(&scenario);
    let run = Memory::default().run(&scenario, &mut oracle).unwrap();
    assert_eq!(oracle.judge(&run), Ok(()), "{}", run.text());
    let saw = |saw: ClientSaw| {
        let saw = WhatHappened::from(saw);
        run.trace.iter().position(|entry| entry.what == saw)
    };
    let (told, ended) = (saw(ClientSaw::Closing), saw(ClientSaw::Fin));
    assert!(told.is_some() && told < ended, "{}", run.text());
}
