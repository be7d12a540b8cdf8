//! Faults of the network and of time.

use lamplighter_sim::{AcceptFault, ActDoes, Budget, Scenario};

use crate::stage::{act, asks, client, sigterm, timeline};

#[test]
fn partition() {
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 1_000,
            ..Budget::default()
        },
        clients: vec![client(0, asks(500)), client(0, asks(500))],
        acts: vec![act(100, ActDoes::Partition { client: 0 }), sigterm(100)],
        ..Scenario::default()
    };
    let description = "Nothing reaches one of two clients any more: its answer is written, and never \
                       acknowledged; the stop ends within its budget all the same.";
    timeline("partition", description, &scenario);
}

#[test]
fn freeze() {
    let scenario = Scenario {
        plan: Budget {
            lame_duck_ms: 500,
            drain_ms: 1_000,
            ..Budget::default()
        },
        clients: vec![client(0, asks(10_000))],
        acts: vec![sigterm(100), act(200, ActDoes::Freeze { ms: 5_000 })],
        ..Scenario::default()
    };
    let description = "The process is frozen past its deadlines: every phase is passed, in order, and \
                       what is in flight is told before it is cut.";
    timeline("freeze", description, &scenario);
}

#[test]
fn no_descriptors() {
    let fault = ActDoes::AcceptErrors {
        times: 3,
        error: AcceptFault::TooManyFiles,
    };
    let scenario = Scenario {
        clients: vec![client(100, asks(50))],
        acts: vec![act(50, fault), sigterm(200)],
        ..Scenario::default()
    };
    let description = "Out of descriptors: the accept loop waits, a little longer each time, and whoever \
                       waited in the queue is answered.";
    timeline("no_descriptors", description, &scenario);
}
