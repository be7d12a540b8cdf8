//! Every kind of input, with any content (tests of floor 0).
//!
//! **Invariant:** one list of kinds, in one place.

use lamplighter_lifecycle::{
    Announcement, Cause, ConnectionEnd, ConnectionId, Failure, HookEnd, HookId, Input, PeerAddr,
    Protocol, Signal, StartFailure, Tally, Work, WorkerEnd, WorkerId,
};
use std::sync::Arc;
use std::time::Duration;

use super::Draw;
use crate::answers::Answers;
use crate::model::Model;

/// Every kind of input.
pub(crate) const KINDS: [&str; 24] = [
    "Start",
    "StartFailed",
    "Bound",
    "ChecksRed",
    "Ready",
    "StartEnded",
    "Discard",
    "Stop",
    "Drain",
    "Force",
    "Signal",
    "Announced",
    "ListenersClosed",
    "ListenerFailed",
    "ConnectionOpened",
    "ConnectionForced",
    "ConnectionClosed",
    "WorkerEnded",
    "HookEnded",
    "Disposed",
    "ConnectionsTurnedAway",
    "LingerBegan",
    "LingerEnded",
    "Undisposed",
];

/// Where an input's kind stands in [`KINDS`].
pub(crate) fn kind(input: &Input) -> usize {
    match input {
        Input::Start => 0,
        Input::StartFailed(_) => 1,
        Input::Bound => 2,
        Input::ChecksRed(_) => 3,
        Input::Ready => 4,
        Input::StartEnded => 5,
        Input::Discard => 6,
        Input::Stop(_) => 7,
        Input::Drain => 8,
        Input::Force => 9,
        Input::Signal(_) => 10,
        Input::Announced { .. } => 11,
        Input::ListenersClosed => 12,
        Input::ListenerFailed { .. } => 13,
        Input::ConnectionOpened { .. } => 14,
        Input::ConnectionForced { .. } => 15,
        Input::ConnectionClosed { .. } => 16,
        Input::WorkerEnded { .. } => 17,
        Input::HookEnded { .. } => 18,
        Input::Disposed => 19,
        Input::ConnectionsTurnedAway(_) => 20,
        Input::LingerBegan { .. } => 21,
        Input::LingerEnded { .. } => 22,
        Input::Undisposed(_) => 23,
        other => panic!("{other:?} has no place in the list of kinds"),
    }
}

/// Who is at the other end of a connection.
pub(crate) fn peer(connection: ConnectionId) -> PeerAddr {
    format!("peer of {connection}").into()
}

pub(super) fn opened(number: u64) -> Input {
    let connection = ConnectionId::new(number + 1);
    Input::ConnectionOpened {
        connection,
        peer: peer(connection),
    }
}

/// Any input, whether or not it makes sense.
pub(crate) fn input(draw: &mut Draw, model: &Model, answers: &Answers) -> Input {
    match draw.below(50) {
        0 => Input::Start,
        1 => Input::StartFailed(start_failure(draw)),
        2 | 3 => Input::Bound,
        4 => Input::ChecksRed(["database", "cache"][index(draw, 2)].into()),
        5 | 6 => Input::Ready,
        7 => Input::StartEnded,
        8 => Input::Discard,
        9 => Input::Stop(cause(draw)),
        10 => Input::Drain,
        11 => Input::Force,
        12 => Input::Signal(Signal::ALL[index(draw, 6)]),
        13..=16 => announced(draw),
        17..=19 => Input::ListenersClosed,
        20 => Input::ListenerFailed {
            listener: "0.0.0.0:5000".into(),
            error: "bad file descriptor".into(),
            left: index(draw, 3),
        },
        21..=25 => opened(draw.below(6)),
        26..=29 => {
            let connection = connection(draw, answers);
            forced(draw, connection, model)
        }
        30..=34 => {
            let connection = connection(draw, answers);
            closed(draw, connection, model)
        }
        35..=37 => Input::WorkerEnded {
            worker: WorkerId::new(u32::try_from(draw.below(5)).unwrap_or(0)),
            end: match draw.below(4) {
                0 => WorkerEnd::Ok,
                1 => WorkerEnd::Failed("broken".into()),
                2 => WorkerEnd::Panicked("shaken".into()),
                _ => WorkerEnd::Aborted,
            },
        },
        38..=41 => Input::HookEnded {
            hook: HookId::new(u32::try_from(draw.below(8)).unwrap_or(0)),
            end: match draw.below(4) {
                0 => HookEnd::Ok,
                1 => HookEnd::Failed("broken".into()),
                2 => HookEnd::Panicked("shaken".into()),
                _ => HookEnd::Aborted,
            },
        },
        42 | 43 => Input::Disposed,
        44 => Input::ConnectionsTurnedAway([0, 1, 3, u64::MAX][index(draw, 4)]),
        // A second listener breaks, so that there is a last one.
        45 => Input::ListenerFailed {
            listener: "[::1]:5001".into(),
            error: "invalid argument".into(),
            left: 0,
        },
        46 | 47 => Input::LingerBegan {
            connection: connection(draw, answers),
        },
        48 => Input::LingerEnded {
            connection: connection(draw, answers),
        },
        _ => Input::Undisposed(match draw.below(3) {
            0 => [].into(),
            _ => ["start".into(), "hook database".into()].into(),
        }),
    }
}

fn index(draw: &mut Draw, below: u64) -> usize {
    usize::try_from(draw.below(below)).unwrap_or(0)
}

/// One that is open, most of the time.
fn connection(draw: &mut Draw, answers: &Answers) -> ConnectionId {
    let number = draw.below(8);
    let place = usize::try_from(number).unwrap_or(0);
    match answers.open.get(place % answers.open.len().max(1)) {
        Some(open) if number != 7 => *open,
        _ => ConnectionId::new(number),
    }
}

fn start_failure(draw: &mut Draw) -> StartFailure {
    match draw.below(5) {
        0 => StartFailure::Bind("address in use".into()),
        1 => StartFailure::NotReady("database is red".into()),
        2 => StartFailure::TimedOut("too long".into()),
        3 => StartFailure::System("out of descriptors".into()),
        _ => StartFailure::Configuration("PORT is not a number".into()),
    }
}

fn cause(draw: &mut Draw) -> Cause {
    match draw.below(8) {
        0..=2 => Cause::Requested(None),
        3 => Cause::Requested(Some("because".into())),
        4 => Cause::Dropped,
        5 => Cause::Forced,
        6 => Cause::Drain,
        _ => Cause::ListenerFailed("0.0.0.0:5000".into()),
    }
}

fn announced(draw: &mut Draw) -> Input {
    let announcement = match draw.below(6) {
        0 => Announcement::Start,
        1 => Announcement::Ready,
        2 | 3 => Announcement::Stopping,
        4 => Announcement::Error(Arc::from([Failure::NotDisposed { left: [].into() }])),
        _ => Announcement::Stop,
    };
    let panics = match draw.below(4) {
        0 => vec!["a callback".into()],
        _ => vec![],
    };
    Input::Announced {
        announcement,
        panics,
    }
}

fn protocol(draw: &mut Draw) -> Protocol {
    [
        Protocol::Unknown,
        Protocol::Http1,
        Protocol::Http2,
        Protocol::Upgraded,
    ][index(draw, 4)]
}

/// Any counts, most of them such as a connection could have.
fn tally(draw: &mut Draw) -> Tally {
    let mut tally = Tally::default();
    if draw.one_in(16) {
        let wild = |draw: &mut Draw| [u64::MAX, u64::MAX - 3, 0, 1, 1 << 63][index(draw, 5)];
        tally.begun = wild(draw);
        tally.answered = wild(draw);
        tally.cut = wild(draw);
        tally.aborted = wild(draw);
        tally.failed = wild(draw);
        tally.late_unprocessed = wild(draw);
        return tally;
    }
    tally.answered = draw.below(3);
    tally.cut = draw.below(3);
    tally.aborted = draw.below(2);
    tally.begun = tally.answered + tally.cut + tally.aborted + draw.below(3);
    tally.failed = draw.below(2);
    tally.late_unprocessed = draw.below(2);
    tally.refused_retryable = draw.below(2);
    tally
}

/// Work that began at any time up to now.
fn work(draw: &mut Draw, model: &Model) -> Vec<Work> {
    let now = model.machine.now();
    let count = if draw.one_in(24) { 60 } else { draw.below(4) };
    let ages = draw.below(1000);
    (0..count)
        .map(|number| {
            let age = Duration::from_millis((number * ages) % 977);
            let nanos = u64::try_from(age.as_nanos()).unwrap_or(0);
            let began =
                lamplighter_lifecycle::Instant::from_nanos(now.as_nanos().saturating_sub(nanos));
            Work::new(Protocol::Http2, "GET", Some("/items/{id}".into()), began)
        })
        .collect()
}

fn forced(draw: &mut Draw, connection: ConnectionId, model: &Model) -> Input {
    Input::ConnectionForced {
        connection,
        protocol: protocol(draw),
        tally: tally(draw),
        work: work(draw, model),
    }
}

fn closed(draw: &mut Draw, connection: ConnectionId, model: &Model) -> Input {
    let mut tally = tally(draw);
    let cut = work(draw, model);
    if cut.len() > 10 {
        tally.cut = tally.cut.max(60);
        tally.begun = tally.begun.max(70);
    }
    Input::ConnectionClosed {
        connection,
        protocol: protocol(draw),
        end: ConnectionEnd::ALL[index(draw, 9)],
        tally,
        cut,
    }
}
