//! How servers stop: in peace, at the deadline, by force, at leisure, with a lame duck.

use lamplighter::OnDeadline;
use lamplighter_sim::{
    ActDoes, Budget, ClientDoes, HandlerDoes, HookDoes, ProbeOf, Request, Scenario,
};

use crate::stage::{act, asks, client, hook, sigterm, takes, timeline};

#[test]
fn clean_stop() {
    let scenario = Scenario {
        hooks: vec![hook(0, 20, HookDoes::Ok)],
        clients: vec![client(0, asks(300)), client(50, ClientDoes::Silent)],
        acts: vec![sigterm(100)],
        ..Scenario::default()
    };
    let description = "SIGTERM while a request is in flight: it is answered, a connection without \
                       one is closed, then the hook runs.";
    timeline("clean_stop", description, &scenario);
}

#[test]
fn slow_client() {
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 1_000,
            ..Budget::default()
        },
        clients: vec![
            client(
                0,
                ClientDoes::SlowReader {
                    bytes: 40_000,
                    window: 10_000,
                    chunk: 1_000,
                    every_ms: 100,
                },
            ),
            client(0, asks(20)),
        ],
        acts: vec![sigterm(500)],
        ..Scenario::default()
    };
    let description = "A client that reads slower than the drain lasts: it is cut at the deadline and \
                       sees a reset, so that it cannot take half of an answer for a whole one.";
    timeline("slow_client", description, &scenario);
}

#[test]
fn forced() {
    let scenario = Scenario {
        hooks: vec![hook(0, 20, HookDoes::Ok)],
        clients: vec![client(
            0,
            ClientDoes::Http1 {
                requests: vec![Request {
                    does: HandlerDoes::Hang,
                    ..Request::default()
                }],
            },
        )],
        acts: vec![sigterm(50), act(500, ActDoes::Force)],
        ..Scenario::default()
    };
    let description = "force() in the middle of a drain: the handler hears that time is up, is cut \
                       100 ms later, and the hook still runs.";
    timeline("forced", description, &scenario);
}

#[test]
fn keep_waiting() {
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 1_000,
            on_deadline: OnDeadline::KeepWaiting,
            ..Budget::default()
        },
        hooks: vec![hook(0, 20, HookDoes::Ok)],
        clients: vec![client(0, asks(5_000))],
        acts: vec![sigterm(50)],
        ..Scenario::default()
    };
    let description = "A plan that waits as long as it takes: the drain goes on past its timeout, and \
                       nothing is cut.";
    timeline("keep_waiting", description, &scenario);
}

#[test]
fn lame_duck() {
    let idle = ClientDoes::Http1 {
        requests: vec![
            takes(10),
            Request {
                gap_ms: 250,
                ..takes(10)
            },
        ],
    };
    let scenario = Scenario {
        plan: Budget {
            lame_duck_ms: 400,
            ..Budget::default()
        },
        clients: vec![
            client(
                0,
                ClientDoes::Probe {
                    of: ProbeOf::Readiness,
                    every_ms: 200,
                },
            ),
            client(0, idle),
            client(250, asks(10)),
        ],
        acts: vec![sigterm(150)],
        ..Scenario::default()
    };
    let description = "A lame duck: not ready from the signal on, and still accepting; a client that is \
                       kept alive is told to close on its next answer, and a new one is answered.";
    timeline("lame_duck", description, &scenario);
}

#[test]
fn second_signal() {
    let scenario = Scenario {
        hooks: vec![hook(0, 20, HookDoes::Ok)],
        clients: vec![client(0, asks(5_000))],
        acts: vec![sigterm(50), sigterm(100), sigterm(900)],
        ..Scenario::default()
    };
    let description = "A signal within 300 ms of the last is the same one; the next is the second: what \
                       is in flight is cut, and the hook still has its time.";
    timeline("second_signal", description, &scenario);
}

#[test]
fn third_signal() {
    let scenario = Scenario {
        hooks: vec![hook(0, 0, HookDoes::Hang), hook(1, 20, HookDoes::Ok)],
        clients: vec![client(0, asks(5_000))],
        acts: vec![sigterm(50), sigterm(500), sigterm(1_000)],
        ..Scenario::default()
    };
    let description = "The third signal gives up on the hooks as well: the running one is abandoned, \
                       the one after it never starts.";
    timeline("third_signal", description, &scenario);
}
