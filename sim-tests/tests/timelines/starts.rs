//! Starts: one that waits, one that fails, one that is stopped before it is through.

use lamplighter_sim::{
    ActDoes, Budget, Check, ClientDoes, HookDoes, Origin, ProbeOf, Red, Scenario, Start,
};

use crate::stage::{act, asks, client, hook, sigterm, timeline};

fn red(red_ms: u32) -> Start {
    Start {
        checks: vec![Check {
            red_ms,
            red: Red::Fail,
        }],
        ..Start::default()
    }
}

#[test]
fn start_that_waits() {
    let probe = ClientDoes::Probe {
        of: ProbeOf::Readiness,
        every_ms: 300,
    };
    let scenario = Scenario {
        start: red(500),
        clients: vec![client(100, probe), client(100, asks(0))],
        acts: vec![act(800, ActDoes::Stop)],
        from: Origin::Call,
        ..Scenario::default()
    };
    let description = "A readiness check that is red at first: until it is green, probes and requests \
                       are told 503, and nobody is refused.";
    timeline("start_that_waits", description, &scenario);
}

#[test]
fn failed_start() {
    let scenario = Scenario {
        plan: Budget {
            ready_ms: 1_000,
            ..Budget::default()
        },
        start: red(u32::MAX),
        hooks: vec![hook(0, 20, HookDoes::Ok)],
        ..Scenario::default()
    };
    let description = "A readiness check that stays red: the start fails, what was registered for the \
                       end runs, and the last event is the error.";
    timeline("failed_start", description, &scenario);
}

#[test]
fn stop_during_start() {
    let scenario = Scenario {
        start: red(2_000),
        hooks: vec![hook(0, 20, HookDoes::Ok)],
        acts: vec![sigterm(500)],
        from: Origin::Call,
        ..Scenario::default()
    };
    let description = "SIGTERM before the server is ready: the start is cancelled, there is no lame \
                       duck, the hook runs, and it is a clean stop.";
    timeline("stop_during_start", description, &scenario);
}
