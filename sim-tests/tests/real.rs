//! Scenarios on real sockets and in real time: the same order of the server's life as in memory.
//!
//! Every act waits until what came before it in memory has come here too, and nothing else hangs on
//! how fast the machine is: what a server waits for either comes, or cannot come at all.

#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot go on fails its test"
)]

use lamplighter::Signal;
use lamplighter_sim::scenario::Check;
use lamplighter_sim::{
    Act, ActDoes, Budget, Client, ClientDoes, HandlerDoes, Hears, Hook, HookDoes, Memory, Real,
    Request, Run, RunEnd, Scenario, ScenarioError, Start, Worker, WorkerDoes, World,
};

/// The lines of the server's life, without their times.
fn order(run: &Run) -> Vec<String> {
    let lifecycle = run.lifecycle();
    let lines = lifecycle.lines();
    lines
        .map(|line| line.split_once(" ms ").unwrap().1.to_owned())
        .collect()
}

/// Runs it in memory and on sockets; gives the order of both, and what happened on the sockets.
fn same_order(scenario: &Scenario) -> (Vec<String>, Run) {
    let memory = Memory::default().run(scenario, &mut ()).unwrap();
    let real = Real::in_step_with(&memory.trace)
        .run(scenario, &mut ())
        .unwrap();
    let order = [order(&memory), order(&real)];
    assert_eq!(order[0], order[1], "\n{}\n{}", memory.text(), real.text());
    assert_eq!(real.end, RunEnd::Done, "\n{}", real.text());
    let [order, _] = order;
    (order, real)
}

fn has(order: &[String], what: &str) -> bool {
    order.iter().any(|line| line.contains(what))
}

/// Hooks have a minute: on a machine that stalls none of them times out but where it is to.
fn plan() -> Budget {
    Budget {
        hooks_ms: 60_000,
        ..Budget::default()
    }
}

fn hooks() -> Vec<Hook> {
    let plain = Hook::default();
    vec![
        Hook {
            takes_ms: 20,
            ..plain
        },
        Hook { after: 1, ..plain },
        Hook { after: 3, ..plain },
    ]
}

fn client(does: ClientDoes) -> Client {
    Client {
        gap_ms: 10,
        does,
        ..Client::default()
    }
}

fn asks(request: Request) -> Client {
    client(ClientDoes::Http1 {
        requests: vec![request],
    })
}

fn act(gap_ms: u32, does: ActDoes) -> Act {
    Act { gap_ms, does }
}

fn sigterm(gap_ms: u32) -> Act {
    act(gap_ms, ActDoes::Signal(Signal::Sigterm))
}

/// In flight until the server stops, and then for a while.
fn hears_draining(every_ms: u32) -> Request {
    Request {
        does: HandlerDoes::Stream {
            every_ms,
            hears: Hears::Draining,
        },
        ..Request::default()
    }
}

const HANGS: Request = Request {
    gap_ms: 0,
    takes_ms: 0,
    send_bytes: 0,
    receive_bytes: 0,
    does: HandlerDoes::Hang,
};

#[test]
fn a_stop_lets_what_is_in_flight_finish_and_runs_the_hooks_in_order() {
    let (order, run) = same_order(&Scenario {
        plan: plan(),
        hooks: hooks(),
        workers: vec![Worker::default()],
        clients: vec![
            asks(hears_draining(10)),
            client(ClientDoes::Http2 {
                requests: vec![hears_draining(20), Request::default()],
            }),
            client(ClientDoes::Grpc {
                calls: vec![hears_draining(30)],
            }),
            client(ClientDoes::Watch),
            client(ClientDoes::Events {
                every_ms: 10,
                hears: Hears::Draining,
            }),
            client(ClientDoes::Idle {
                requests: vec![Request::default()],
            }),
        ],
        acts: vec![sigterm(100)],
        ..Scenario::default()
    });
    assert!(has(&order, "h2 ok"), "{order:#?}");
    let report = run.report.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().tally.answered, 7, "{report}");
}

#[test]
fn work_that_does_not_end_is_told_and_cut_at_the_deadline() {
    let (order, run) = same_order(&Scenario {
        plan: Budget {
            lame_duck_ms: 50,
            drain_ms: 300,
            cancel_lead_ms: 30,
            ..plan()
        },
        hooks: hooks(),
        clients: vec![
            asks(HANGS),
            client(ClientDoes::Http2 {
                requests: vec![HANGS],
            }),
            client(ClientDoes::Grpc { calls: vec![HANGS] }),
        ],
        acts: vec![sigterm(100)],
        ..Scenario::default()
    });
    assert!(has(&order, "cancelled"), "{order:#?}");
    let report = run.report.unwrap();
    assert_eq!(report.connections().tally.cut, 3, "{report}");
    assert_eq!(report.exit_code(), 10);
}

#[test]
fn a_second_signal_forces_and_a_third_abandons_the_hooks() {
    let (order, run) = same_order(&Scenario {
        plan: plan(),
        hooks: vec![
            Hook {
                does: HookDoes::Hang,
                timeout_ms: Some(50_000),
                ..Hook::default()
            },
            Hook {
                after: 1,
                ..Hook::default()
            },
        ],
        clients: vec![asks(HANGS)],
        workers: vec![Worker {
            does: WorkerDoes::Hang,
            ..Worker::default()
        }],
        acts: vec![
            sigterm(100),
            act(500, ActDoes::Signal(Signal::Sigint)),
            sigterm(500),
        ],
        ..Scenario::default()
    });
    for taken in ["(first)", "(second)", "(third)", "h0 abandoned"] {
        assert!(has(&order, taken), "{taken}: {order:#?}");
    }
    assert_eq!(run.report.unwrap().exit_code(), 12);
}

#[test]
fn a_start_that_never_gets_green_fails_and_runs_its_hooks() {
    let (order, run) = same_order(&Scenario {
        plan: Budget {
            ready_ms: 200,
            ..plan()
        },
        start: Start {
            checks: vec![Check {
                red_ms: u32::MAX,
                ..Check::default()
            }],
            ..Start::default()
        },
        hooks: hooks(),
        clients: vec![Client::default()],
        ..Scenario::default()
    });
    assert!(
        !order.iter().any(|line| line.ends_with(" ready")),
        "{order:#?}"
    );
    assert!(has(&order, "h2 ok"), "{order:#?}");
    assert_eq!(run.report.unwrap().exit_code(), 69);
}

#[test]
fn hooks_that_fail_panic_and_hang_stop_nobody_else() {
    let does = |does, after| Hook {
        does,
        after,
        ..Hook::default()
    };
    let (order, run) = same_order(&Scenario {
        plan: plan(),
        hooks: vec![
            does(HookDoes::Fail, 0),
            does(HookDoes::Panic, 1),
            Hook {
                timeout_ms: Some(100),
                ..does(HookDoes::Hang, 2)
            },
            does(HookDoes::Register, 4),
            does(HookDoes::Stop, 8),
            does(HookDoes::Ok, 16),
        ],
        acts: vec![act(20, ActDoes::RegisterHook), act(20, ActDoes::Stop)],
        ..Scenario::default()
    });
    for settled in [
        "h0 failed",
        "h1 panicked",
        "h2 timed out",
        "late ok",
        "h5 ok",
    ] {
        assert!(has(&order, settled), "{settled}: {order:#?}");
    }
    assert_eq!(run.report.unwrap().exit_code(), 11);
}

#[test]
fn what_no_socket_does_is_refused_and_nothing_is_run() {
    let refused = Real::default().run(
        &Scenario {
            acts: vec![act(0, ActDoes::Freeze { ms: 10 })],
            ..Scenario::default()
        },
        &mut (),
    );
    assert_eq!(
        refused.unwrap_err(),
        ScenarioError::Unsupported {
            what: "a fault of the clock",
            world: "real"
        }
    );
}
