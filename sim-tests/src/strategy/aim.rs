//! Cases that aim at one phase: what befalls the server, and who comes, come when it is there.
//!
//! Some phases take no time, or so little that what comes by chance never meets them. A case that aims
//! gives its phase something that makes it last, or lets everything come at the instant that the phase
//! has, one after the other in the turns of the runtime.
//!
//! **Invariant:** drawn after everything else of the case, so that a case that does not aim is the one
//! that its seed stands for without this. **Invariant:** what an aim needs it brings, whatever other
//! features the case may use.

mod early;
mod late;

use lamplighter::{OnDeadline, Signal};

use super::draw::Draw;
use super::swarm::Switch;
use crate::scenario::{Act, ActDoes, ClientDoes, HandlerDoes, Hears, Origin, Scenario, Start};

/// How many clients a case has at most that was aimed.
const CROWD: usize = 12;

/// Aims the case at a phase, now and then.
pub(super) fn aim(draw: &mut Draw, case: &mut Scenario) {
    if !draw.has(Switch::Aimed) || draw.one_in(3) {
        return;
    }
    case.start = Start::default();
    case.from = Origin::Ready;
    case.plan.on_deadline = OnDeadline::ForceClose;
    match draw.between(0, 29) {
        0..3 => drop(early::start(draw, case)),
        3 => early::impatient_start(draw, case),
        4..8 => early::lame_duck(draw, case),
        8 => early::draining(draw, case),
        9..17 => late::force_close(draw, case),
        17..20 => late::deadline(draw, case),
        20..22 => late::workers(draw, case),
        22 => late::latecomers(draw, case),
        23..27 => late::instant(draw, case),
        _ => late::end(draw, case),
    }
}

const fn act(gap_ms: u32, does: ActDoes) -> Act {
    Act { gap_ms, does }
}

const fn signal(gap_ms: u32) -> Act {
    act(gap_ms, ActDoes::Signal(Signal::Sigterm))
}

/// The stop's own cause.
fn cause(draw: &mut Draw, gap_ms: u32) -> Act {
    if draw.one_in(2) {
        signal(gap_ms)
    } else {
        act(gap_ms, ActDoes::Stop)
    }
}

/// Everybody else has a turn.
const TURN: Act = act(0, ActDoes::Freeze { ms: 0 });

/// What a client asks first is asked after so long, and of a handler that does anything.
fn work(draw: &mut Draw, does: &mut ClientDoes, gap_ms: u32) {
    let (ClientDoes::Http1 { requests }
    | ClientDoes::Http2 { requests }
    | ClientDoes::Grpc { calls: requests }) = does
    else {
        return;
    };
    if let Some(first) = requests.first_mut() {
        first.gap_ms = gap_ms;
        first.takes_ms = 0;
        first.does = handler(draw);
    }
}

fn handler(draw: &mut Draw) -> HandlerDoes {
    draw.one_of(&[
        HandlerDoes::Answer,
        HandlerDoes::AnswerUnread,
        HandlerDoes::Panic,
        HandlerDoes::PanicInBody,
        HandlerDoes::Hang,
        HandlerDoes::Stop,
        HandlerDoes::Force,
        HandlerDoes::Drain,
        HandlerDoes::HearCancelled,
        HandlerDoes::Spawn { ms: 5 },
        HandlerDoes::Stream {
            every_ms: 5,
            hears: Hears::Nothing,
        },
    ])
    .unwrap_or_default()
}

/// Has an act that is about a client be about another one.
fn about(does: &mut ActDoes, other: impl Fn(u16) -> u16) {
    if let ActDoes::Hold { client }
    | ActDoes::Release { client }
    | ActDoes::Partition { client }
    | ActDoes::Crash { client } = does
    {
        *client = other(*client);
    }
}
