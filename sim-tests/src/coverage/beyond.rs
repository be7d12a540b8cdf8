//! Which cells no run can hit, and why.
//!
//! **Invariant:** a reason is about the server or about these worlds, never about what cases happen to
//! be drawn.

use lamplighter::Phase;

use super::Cell;
use super::rows::{Row, Subject};

/// Why no run can hit this cell; `None` if one can.
pub(super) fn beyond(cell: Cell) -> Option<&'static str> {
    RULES
        .iter()
        .find(|rule| rule.about.is(cell.row) && !rule.only.contains(&cell.phase))
        .map(|rule| rule.why)
}

/// What can happen in some phases only.
struct Rule {
    about: About,
    only: &'static [Phase],
    why: &'static str,
}

enum About {
    Rows(&'static [Row]),
    All(Subject),
}

impl About {
    fn is(&self, row: Row) -> bool {
        match self {
            Self::Rows(rows) => rows.contains(&row),
            Self::All(subject) => *subject == row.subject(),
        }
    }
}

const fn rows(rows: &'static [Row], only: &'static [Phase], why: &'static str) -> Rule {
    let about = About::Rows(rows);
    Rule { about, only, why }
}

const fn all(subject: Subject, only: &'static [Phase], why: &'static str) -> Rule {
    let about = About::All(subject);
    Rule { about, only, why }
}

const BEFORE_A_STOP: &[Phase] = &[Phase::Created, Phase::Starting, Phase::Running];
const STOPPING: &[Phase] = &Phase::STOPPING;
const WORKING: &[Phase] = &[
    Phase::Running,
    Phase::LameDuck,
    Phase::Draining,
    Phase::ForceClosing,
];

const RULES: &[Rule] = &[
    rows(
        &[Row::ToStarting],
        &[Phase::Created],
        "the start is a life's first step",
    ),
    rows(
        &[Row::ToRunning],
        &[Phase::Starting],
        "only a start makes a server run",
    ),
    rows(&[Row::ToLameDuck], BEFORE_A_STOP, "a stop begins once"),
    rows(
        &[Row::ToDraining],
        &[Phase::LameDuck],
        "every phase of a stop is passed, in order",
    ),
    rows(
        &[Row::ToForceClosing],
        &[Phase::Draining],
        "every phase of a stop is passed, in order",
    ),
    rows(
        &[Row::ToRunningHooks],
        &[Phase::ForceClosing],
        "every phase of a stop is passed, in order",
    ),
    rows(
        &[Row::ToDisposing],
        &[Phase::RunningHooks],
        "every phase of a stop is passed, in order",
    ),
    rows(&[Row::Start], &[Phase::Starting], "it announces the start"),
    rows(
        &[Row::Ready],
        &[Phase::Running],
        "it announces that the server runs",
    ),
    rows(
        &[Row::Stop, Row::ErrorOfStart],
        &[Phase::Disposing],
        "it is the last event of a life",
    ),
    rows(
        &[Row::StoppingByFailedStart],
        &[],
        "a failed start is told by its error, not as a stop",
    ),
    rows(
        &[
            Row::StoppingBySignal,
            Row::StoppingByRequest,
            Row::StoppingByForce,
            Row::StoppingByDrain,
            Row::StoppingByDrop,
            Row::StoppingByListener,
        ],
        BEFORE_A_STOP,
        "a stop begins once",
    ),
    rows(
        &[Row::ErrorOfHook],
        &[Phase::Disposing],
        "failures of a stop are told at its end, all at once",
    ),
    rows(
        &[Row::ErrorOfCallback],
        &[Phase::Starting, Phase::Running, Phase::Disposing],
        "failures of a stop are told at its end, all at once; the first callback is told of the start",
    ),
    rows(
        &[Row::ErrorOfListener],
        &[Phase::Starting, Phase::Running, Phase::Disposing],
        "failures of a stop are told at its end, all at once; listeners are bound by a start",
    ),
    rows(
        &[Row::ErrorOfWorker],
        &[Phase::Running, Phase::Disposing],
        "failures of a stop are told at its end, all at once; workers begin when the server is ready",
    ),
    rows(
        &[
            Row::SignalSecond,
            Row::SignalThird,
            Row::SignalRepeated,
            Row::SignalIgnored,
        ],
        STOPPING,
        "the first signal has begun a stop",
    ),
    rows(
        &[Row::SignalFirst],
        &[
            Phase::Starting,
            Phase::Running,
            Phase::LameDuck,
            Phase::Draining,
            Phase::ForceClosing,
            Phase::RunningHooks,
            Phase::Disposing,
        ],
        "signals are armed by the start, and nothing is told after the last event",
    ),
    rows(
        &[Row::StopAgain, Row::Force],
        STOPPING,
        "before a stop it is the cause of one",
    ),
    rows(
        &[Row::Drained, Row::Cancelled],
        &[Phase::Draining],
        "it is part of the drain",
    ),
    rows(
        &[Row::Stuck, Row::WorkerCut, Row::WorkerStuck],
        &[Phase::ForceClosing],
        "only force does it",
    ),
    rows(
        &[Row::WorkerOk, Row::WorkerFailed],
        WORKING,
        "workers begin at Ready, and none outlives the force close unnamed",
    ),
    rows(
        &[
            Row::HookStarted,
            Row::HookOk,
            Row::HookFailed,
            Row::HookPanicked,
            Row::HookTimedOut,
            Row::HookNotStarted,
            Row::HookAbandoned,
        ],
        &[Phase::RunningHooks],
        "hooks run and are settled in a phase of their own",
    ),
    rows(
        &[Row::HookEnded],
        &[Phase::RunningHooks, Phase::Disposing],
        "hooks run in a phase of their own, and may outlive it",
    ),
    rows(&[Row::Unknown], &[], "every event has a row"),
    rows(
        &[Row::ActJump],
        &[],
        "worlds with one clock for all refuse it",
    ),
    rows(
        &[Row::WorkerDoesHang],
        &[],
        "a worker that hangs does not end by itself",
    ),
    all(
        Subject::Handler,
        WORKING,
        "a handler is called only while work may begin",
    ),
];
