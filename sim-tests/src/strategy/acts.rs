//! What befalls the server of a case.
//!
//! **Invariant:** every case is stopped from outside, and again if it may wait without end: no case
//! depends on its clients to come to an end.

use lamplighter::Signal;

use super::draw::Draw;
use super::swarm::Switch;
use crate::scenario::{AcceptFault, Act, ActDoes};

pub(super) fn acts(draw: &mut Draw, clients: usize) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..draw.few(4) {
        befall(draw, clients, &mut acts);
    }
    let ends = [
        (Some(Switch::Signals), ActDoes::Signal(Signal::Sigterm)),
        (Some(Switch::Signals), ActDoes::Signal(Signal::Sigint)),
        (Some(Switch::Stops), ActDoes::Stop),
        (Some(Switch::Stops), ActDoes::DropOwner),
        (Some(Switch::Forces), ActDoes::Force),
    ];
    let end = draw.allowed(&ends).unwrap_or(ActDoes::Stop);
    push(draw, &mut acts, end);
    for _ in 0..draw.few(3) {
        befall(draw, clients, &mut acts);
    }
    if draw.has(Switch::MoreSignals) {
        for _ in 0..draw.between(0, 4) {
            let does = ActDoes::Signal(signal(draw));
            // The first two or three that count, or those that wrappers send at once.
            let gap_ms = if draw.one_in(2) {
                draw.between(298, 303)
            } else {
                draw.ms()
            };
            acts.push(Act { gap_ms, does });
        }
    }
    acts
}

fn push(draw: &mut Draw, acts: &mut Vec<Act>, does: ActDoes) {
    let gap_ms = draw.ms();
    acts.push(Act { gap_ms, does });
}

fn signal(draw: &mut Draw) -> Signal {
    let mut signals = [Signal::Sigterm, Signal::Sigint].to_vec();
    if draw.one_in(8) {
        signals.extend(Signal::ALL);
    }
    draw.one_of(&signals).unwrap_or(Signal::Sigterm)
}

/// One of the things that may befall this server; nothing, if none may.
fn befall(draw: &mut Draw, clients: usize, acts: &mut Vec<Act>) {
    let client = (clients > 0)
        .then(|| draw.between(0, u32::try_from(clients - 1).unwrap_or_default()))
        .and_then(|client| u16::try_from(client).ok());
    let errors = [
        AcceptFault::TooManyFiles,
        AcceptFault::Aborted,
        AcceptFault::OutOfMemory,
    ];
    let accept_errors = ActDoes::AcceptErrors {
        times: u16::try_from(draw.between(1, 4)).unwrap_or(1),
        error: draw.one_of(&errors).unwrap_or(AcceptFault::TooManyFiles),
    };
    let freeze = ActDoes::Freeze { ms: draw.some_ms() };
    let signal = ActDoes::Signal(signal(draw));
    let about_a_client = client.map_or([(None, None); 4], |client| {
        [
            (Some(Switch::Holds), Some(ActDoes::Hold { client })),
            (Some(Switch::Holds), Some(ActDoes::Release { client })),
            (
                Some(Switch::Partitions),
                Some(ActDoes::Partition { client }),
            ),
            (Some(Switch::Crashes), Some(ActDoes::Crash { client })),
        ]
    });
    let [hold, release, partition, crash] = about_a_client;
    let befalls = draw.allowed(&[
        (Some(Switch::Signals), Some(signal)),
        (Some(Switch::Stops), Some(ActDoes::Stop)),
        (Some(Switch::Forces), Some(ActDoes::Force)),
        (Some(Switch::Drains), Some(ActDoes::Drain)),
        (Some(Switch::Stops), Some(ActDoes::DropOwner)),
        (Some(Switch::LateHooks), Some(ActDoes::RegisterHook)),
        (Some(Switch::AcceptErrors), Some(accept_errors)),
        (Some(Switch::BrokenListener), Some(ActDoes::BreakListener)),
        (Some(Switch::Freezes), Some(freeze)),
        hold,
        release,
        partition,
        crash,
    ]);
    if let Some(Some(does)) = befalls {
        push(draw, acts, does);
        // What is held is released before the end, where nothing else says so: a client that nothing
        // reaches any more is what a partition is.
        if let ActDoes::Hold { client } = does
            && !draw.one_in(4)
        {
            push(draw, acts, ActDoes::Release { client });
        }
    }
}
