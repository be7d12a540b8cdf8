//! Which cells no run can hit, and why.
//!
//! **Invariant:** a reason is about the server or about these worlds, never about what cases happen to
//! be drawn.

use lamplighter::Phase;

use super::Cell;
use super::rows::{Row, Subject};

/// Why no run can hit this cell; `None` if one can.
pub(super) fn beyond(cell: Cell) -> Option<&'static str> {
    // The first rule about a row is the one that counts: one about a row alone stands before the one
    // about all of its kind.
    let rule = RULES.iter().find(|rule| rule.about.is(cell.row))?;
    (!rule.only.contains(&cell.phase)).then_some(rule.why)
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

/// From the bind to the end of the force close.
const LISTENED: &[Phase] = &[
    Phase::Starting,
    Phase::Running,
    Phase::LameDuck,
    Phase::Draining,
    Phase::ForceClosing,
];
const FROM_DRAINING: &[Phase] = &[Phase::Draining, Phase::ForceClosing];
const AFTER_WORK: &[Phase] = &[Phase::RunningHooks, Phase::Disposing, Phase::Stopped];

const EVERY_PHASE: &str = "every phase of a stop is passed, in order";
const ALL_AT_ONCE: &str = "failures of a stop are told at its end, all at once";

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
    rows(&[Row::ToDraining], &[Phase::LameDuck], EVERY_PHASE),
    rows(&[Row::ToForceClosing], &[Phase::Draining], EVERY_PHASE),
    rows(&[Row::ToRunningHooks], &[Phase::ForceClosing], EVERY_PHASE),
    rows(&[Row::ToDisposing], &[Phase::RunningHooks], EVERY_PHASE),
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
            Row::StoppingByRequest,
            Row::StoppingByForce,
            Row::StoppingByDrain,
            Row::StoppingByDrop,
        ],
        BEFORE_A_STOP,
        "a stop begins once",
    ),
    rows(
        &[Row::StoppingBySignal, Row::StoppingByListener],
        &[Phase::Starting, Phase::Running],
        "a stop begins once, and the start arms signals and binds listeners",
    ),
    rows(
        &[Row::ErrorOfRest],
        &[],
        "what is the server's own ends when it is told to, in a world without threads",
    ),
    rows(&[Row::ErrorOfHook], &[Phase::Disposing], ALL_AT_ONCE),
    rows(
        &[Row::ErrorOfCallback, Row::ErrorOfListener],
        &[Phase::Starting, Phase::Running, Phase::Disposing],
        ALL_AT_ONCE,
    ),
    rows(
        &[Row::ErrorOfWorker],
        &[Phase::Running, Phase::Disposing],
        "failures of a stop are told at its end, all at once; workers begin when the server is ready",
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
        "the start arms signals, and nothing is told after the last event",
    ),
    rows(
        &[Row::SignalSecond, Row::SignalRepeated],
        STOPPING,
        "the first signal has begun a stop",
    ),
    rows(
        &[Row::SignalThird],
        &[
            Phase::Draining,
            Phase::ForceClosing,
            Phase::RunningHooks,
            Phase::Disposing,
        ],
        "the second signal has ended the lame duck",
    ),
    rows(
        &[Row::SignalIgnored],
        &[Phase::ForceClosing, Phase::Disposing],
        "the third signal ends the drain and the hooks",
    ),
    rows(
        &[Row::StopAgain, Row::Force],
        STOPPING,
        "before a stop it is the cause of one",
    ),
    rows(
        &[Row::ListenersClosed],
        FROM_DRAINING,
        "listeners close in the drain; the last one that breaks begins a stop",
    ),
    rows(
        &[Row::Drained, Row::Cancelled],
        &[Phase::Draining],
        "it is part of the drain",
    ),
    rows(
        &[
            Row::Opened,
            Row::PeerClosed,
            Row::Silent,
            Row::TimedOut,
            Row::Graceful,
            Row::Retired,
            Row::Failed,
            Row::Cut,
        ],
        LISTENED,
        "connections come with the bind, and all have ended with the force close",
    ),
    rows(
        &[Row::Idle],
        FROM_DRAINING,
        "only a drain ends a connection because it is idle",
    ),
    rows(
        &[Row::Stuck, Row::WorkerStuck],
        &[],
        "nothing here blocks its thread, so that whatever is aborted ends",
    ),
    rows(
        &[Row::WorkerCut],
        &[Phase::ForceClosing],
        "only the force close aborts workers",
    ),
    rows(
        &[
            Row::WorkerOk,
            Row::WorkerFailed,
            Row::WorkerDoesOk,
            Row::WorkerDoesFail,
            Row::WorkerDoesPanic,
        ],
        WORKING,
        "workers begin at Ready, and all have ended with the force close",
    ),
    rows(
        &[
            Row::WorkerHearsDraining,
            Row::WorkerHearsCancelled,
            Row::WorkerDoesForce,
        ],
        FROM_DRAINING,
        "it waits for something that the drain begins with or brings",
    ),
    rows(
        &[Row::WorkerDoesStop],
        &[Phase::LameDuck, Phase::Draining, Phase::ForceClosing],
        "it waits until the stop has begun",
    ),
    rows(
        &[Row::WorkerDoesHang],
        &[],
        "a worker that hangs does not end by itself",
    ),
    rows(
        &[Row::WorkerDropped],
        &[Phase::ForceClosing],
        "only the force close aborts workers, and it waits for them",
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
    rows(
        &[Row::HookDropped],
        AFTER_WORK,
        "hooks run in a phase of their own, and may outlive it",
    ),
    rows(
        &[Row::HookDoesBlock],
        AFTER_WORK,
        "it is seen when it ends, which nobody can hasten",
    ),
    all(
        Subject::Hook,
        &[Phase::RunningHooks],
        "hooks run in a phase of their own",
    ),
    rows(&[Row::Unknown], &[], "every event has a row"),
    rows(
        &[Row::ConnectedLate],
        AFTER_WORK,
        "before that it is not late",
    ),
    rows(
        &[Row::BegunLate],
        &[],
        "no connection outlives the force close, nor does any stream of one",
    ),
    rows(
        &[Row::Refused],
        &[
            Phase::Starting,
            Phase::Running,
            Phase::LameDuck,
            Phase::Draining,
            Phase::ForceClosing,
            Phase::RunningHooks,
            Phase::Disposing,
            Phase::Stopped,
        ],
        "the start is called before the first client has its turn",
    ),
    rows(
        &[Row::HandlerDropped],
        WORKING,
        "no handler is called before the server is ready, and the force close waits for all",
    ),
    all(
        Subject::Client,
        LISTENED,
        "nobody connects before the bind, or is late after it",
    ),
    all(
        Subject::Handler,
        WORKING,
        "no handler is called before the server is ready, or it is late",
    ),
];
