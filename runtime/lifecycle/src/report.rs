//! All the facts of a life, as one value (floor 0).
//!
//! **Invariant:** a report is a function of the core's inputs; its exit code is a function of the
//! report; its phases' times add up to its total.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::connections::{ConnectionEnd, Tally};
use crate::event::WorkerOutcome;
use crate::failure::Failure;
use crate::hooks::HookName;
use crate::input::StartFailure;
use crate::ledger::CutWork;
use crate::timeline::Timeline;
use crate::{Cause, Instant, Phase};

/// All the facts of a life, so far or to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Report {
    /// Whether the life has ended, so that nothing in here will change any more.
    pub complete: bool,
    /// Why it stopped; `None` while nothing has.
    pub cause: Option<Cause>,
    /// When the cause came up.
    pub began: Instant,
    /// From the cause to the end, or to now.
    pub total: Duration,
    /// What the plan allowed for a stop; `None` if it allowed to wait without end.
    pub budget: Option<Duration>,
    /// How much of that its plan had for work in flight, from the end of the lame duck on.
    pub drain_timeout: Duration,
    /// For how long the process had no time at all, as seen by timers that came late.
    pub stalled: Duration,
    /// How it ended, as facts.
    pub outcome: Outcome,
    /// Every phase of the stop that was entered, in order.
    pub phases: Vec<PhaseReport>,
    /// What became of the connections.
    pub connections: ConnectionsReport,
    /// What became of the hooks, in order of registration.
    pub hooks: Vec<HookReport>,
    /// What became of the workers that ran, in order of registration.
    pub workers: Vec<WorkerReport>,
    /// Everything that went wrong, in order.
    pub failures: Vec<Failure>,
    /// What happened, in order.
    pub timeline: Timeline,
}

/// How a stop ended, as facts that do not exclude each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Outcome {
    /// Requests, streams and workers that the stop ended by force. A peer without work that was closed
    /// at a limit of its own is not among them, and neither is what a limit of age cut before the stop
    /// began: the connections' [`tally`](ConnectionsReport::tally) has all of it.
    pub cut: u64,
    /// Of these, how many did not end even so: a handler that blocks its thread, say. Connections
    /// and workers are counted here, not requests.
    pub stuck: u64,
    /// Hooks that were not settled as ok.
    pub hooks_not_ok: u64,
    /// Whether a third signal ended the stop before its time, or something was left undisposed.
    pub abandoned: bool,
    /// Why the start failed, if it did.
    pub start_failure: Option<StartFailure>,
    /// Whether the server was stopped before it was ready.
    pub stopped_before_ready: bool,
    /// Whether the server could not stay up for a listener that broke for good, or lost one in its
    /// lame duck that it would not have gone on without.
    pub listener_failed: bool,
}

/// Timers are exact to a millisecond, and a busy machine is late by some; less is no news.
const NOTABLE_STALL: Duration = Duration::from_millis(10);

/// Exit code of a stop in which nothing was cut and nothing failed.
const CLEAN: u8 = 0;
/// Exit code of a stop that cut work.
const CUT: u8 = 10;
/// Exit code of a stop with hooks that were not ok.
const HOOKS: u8 = 11;
/// Exit code of a stop that was abandoned.
const ABANDONED: u8 = 12;
/// `EX_UNAVAILABLE` of `sysexits.h`: could not start, or could not stay up.
const UNAVAILABLE: u8 = 69;
/// `EX_CONFIG` of `sysexits.h`.
const CONFIG: u8 = 78;

impl Outcome {
    /// Whether nothing was cut, nothing abandoned, every hook ok, and the start no failure.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.exit_code() == CLEAN
    }

    /// The exit code that fits: the largest that applies.
    ///
    /// 0 clean, also after SIGTERM or SIGINT; 10 work was cut; 11 hooks failed or timed out; 12
    /// abandoned; 69 could not start or stay up; 78 bad configuration. None of them is one that a
    /// shell (1, 2, 126 and above), a panic (101) or systemd (200 to 243) gives a meaning to.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let start = match &self.start_failure {
            None => CLEAN,
            Some(StartFailure::Configuration(_)) => CONFIG,
            Some(_) => UNAVAILABLE,
        };
        let facts = [
            (self.cut > 0 || self.stuck > 0, CUT),
            (self.hooks_not_ok > 0, HOOKS),
            (self.abandoned, ABANDONED),
            (self.listener_failed, UNAVAILABLE),
        ];
        facts
            .into_iter()
            .filter_map(|(holds, code)| holds.then_some(code))
            .fold(start, u8::max)
    }
}

/// When a phase of the stop began, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PhaseReport {
    /// Which phase.
    pub phase: Phase,
    /// When it began.
    pub began: Instant,
    /// How long it took, or has taken so far.
    pub took: Duration,
}

/// What became of the connections of a life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectionsReport {
    /// How many were accepted: those that ended and those that are open.
    pub accepted: u64,
    /// How many are open.
    pub open: u64,
    /// How many ended in each way, in the order of [`ConnectionEnd::ALL`].
    pub ends: [u64; ConnectionEnd::ALL.len()],
    /// What became of the requests of the connections that ended.
    pub tally: Tally,
    /// The work that was cut, the slowest first; at most 100 pieces.
    pub cut: Vec<CutWork>,
    /// How many pieces of cut work are not named.
    pub cut_unnamed: u64,
    /// How many were taken from a listener's queue and closed at once, unheard, for lack of
    /// descriptors: their clients were to try elsewhere instead of waiting. Not among those that
    /// were accepted, and no failure.
    pub turned_away: u64,
}

impl ConnectionsReport {
    /// How many ended this way.
    #[must_use]
    pub fn ended(&self, end: ConnectionEnd) -> u64 {
        self.ends.get(end.index()).copied().unwrap_or_default()
    }
}

/// What became of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HookReport {
    /// Its name; `hook#N` for one that has none.
    pub name: HookName,
    /// How it was settled; `None` if it is not yet.
    pub outcome: Option<HookOutcome>,
    /// When it began, if it did.
    pub started: Option<Instant>,
    /// How long it took until it was settled, or has taken so far.
    pub took: Duration,
    /// The timeout that it was given; `None` if it had its share of the hooks' window.
    pub timeout: Option<Duration>,
    /// Settled by force, and not gone at the end: the process was left with it.
    pub still_running: bool,
}

/// How a hook was settled: exactly one applies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HookOutcome {
    /// It returned, and had nothing to complain about.
    Ok,
    /// It returned this error.
    Failed(Arc<str>),
    /// It panicked with this message.
    Panicked(Arc<str>),
    /// It was still running at its deadline.
    TimedOut,
    /// A third signal ended the stop before it was done.
    Abandoned,
    /// It never began: the window of the hooks was over, or the server was never started.
    NotStarted,
}

impl HookOutcome {
    /// Whether it did what it was there for.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }
}

impl fmt::Display for HookOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Abandoned => f.write_str("abandoned"),
            Self::NotStarted => f.write_str("not started"),
        }
    }
}

/// What became of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WorkerReport {
    /// Its name.
    pub name: Arc<str>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<WorkerOutcome>,
}

impl Report {
    /// The phase of the stop that took longest; `None` before a stop, or if none took any time.
    #[must_use]
    pub fn longest_phase(&self) -> Option<&PhaseReport> {
        self.phases
            .iter()
            .filter(|phase| !phase.took.is_zero())
            .max_by_key(|phase| phase.took)
    }

    /// The events from the cause on, a line each: milliseconds since the cause, and what happened.
    #[must_use]
    pub fn timeline_text(&self) -> impl fmt::Display + '_ {
        self.timeline.since(self.began)
    }
}

impl fmt::Display for Report {
    /// One line, fit for a log. With `{:#}` it leaves out why a start failed, for a log that has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cause) = &self.cause else {
            return f.write_str("no stop has begun");
        };
        let so_far = if self.complete {
            "stopped after"
        } else {
            "stopping for"
        };
        let total = Millis(self.total);
        // Where the start failed for want of time, this is not that time.
        let stop = if self.complete {
            "the stop took"
        } else {
            so_far
        };
        match (cause, &self.outcome.start_failure) {
            (Cause::StartFailed, Some(_)) if f.alternate() => write!(f, "{cause}; {stop} {total}")?,
            (Cause::StartFailed, Some(failure)) => {
                write!(f, "{cause}: {}; {stop} {total}", failure.message())?;
            }
            (_, Some(failure)) => {
                write!(f, "{so_far} {total}: {cause}: {}", failure.message())?;
            }
            (_, None) => write!(f, "{so_far} {total}: {cause}")?,
        }
        if !self.complete {
            return self.fmt_so_far(f);
        }
        match self.outcome.exit_code() {
            CLEAN => f.write_str("; clean")?,
            code => write!(f, "; exit code {code}")?,
        }
        // A worker's, for one, makes no stop unclean. That of the start was said.
        let is_start = |failure: &&Failure| matches!(failure, Failure::Start(_));
        let failures = self.failures.iter().filter(|it| !is_start(it)).count();
        if failures > 0 {
            let other = if self.outcome.exit_code() == CLEAN {
                "other "
            } else {
                ""
            };
            write!(f, "; {other}failures {failures}")?;
        }
        // Of a server that never was there, what has been is said, and no counts of nothing.
        let was_there = self.outcome.start_failure.is_none();
        if was_there || self.connections.accepted > 0 {
            write!(
                f,
                "; connections {}, requests {} begun, {} answered, {} cut",
                self.connections.accepted,
                self.connections.tally.begun,
                self.connections.tally.answered,
                self.outcome.cut.saturating_sub(self.workers_cut())
            )?;
        }
        if self.outcome.stuck > 0 {
            write!(f, ", {} stuck", self.outcome.stuck)?;
        }
        if self.connections.tally.aborted > 0 {
            write!(f, ", {} aborted", self.connections.tally.aborted)?;
        }
        if self.connections.tally.failed > 0 {
            write!(f, ", {} failed", self.connections.tally.failed)?;
        }
        if self.connections.turned_away > 0 {
            write!(f, "; turned away {}", self.connections.turned_away)?;
        }
        let workers = self.workers_cut();
        if workers > 0 {
            write!(f, "; workers {workers} cut")?;
        }
        let ok = self
            .hooks
            .iter()
            .filter(|hook| hook.outcome.as_ref().is_some_and(HookOutcome::is_ok))
            .count();
        if was_there || !self.hooks.is_empty() {
            write!(f, "; hooks {ok} of {} ok", self.hooks.len())?;
        }
        if self.outcome.abandoned {
            f.write_str("; abandoned")?;
        }
        if let Some(longest) = self.longest_phase() {
            write!(f, "; longest: {} {}", longest.phase, Millis(longest.took))?;
        }
        if self.stalled >= NOTABLE_STALL {
            write!(f, "; stalled {}", Millis(self.stalled))?;
        }
        Ok(())
    }
}

impl Report {
    /// How many of what was cut are workers, and no requests.
    fn workers_cut(&self) -> u64 {
        let is_cut = |known: &&WorkerReport| {
            matches!(
                known.outcome,
                Some(WorkerOutcome::Cut | WorkerOutcome::Stuck)
            )
        };
        u64::try_from(self.workers.iter().filter(is_cut).count()).unwrap_or(u64::MAX)
    }

    /// What a stop that is not over waits for.
    fn fmt_so_far(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(phase) = self.phases.last() {
            write!(f, "; still {}", phase.phase)?;
        }
        write!(f, "; connections {} open", self.connections.open)?;
        let workers = self.workers.iter().filter(|known| known.outcome.is_none());
        for worker in workers {
            write!(f, "; worker {} runs", worker.name)?;
        }
        for hook in self.hooks.iter().filter(|hook| hook.outcome.is_none()) {
            let state = if hook.started.is_some() {
                "runs"
            } else {
                "has not begun"
            };
            write!(f, "; hook {} {state}", hook.name)?;
        }
        Ok(())
    }
}

/// A duration in milliseconds with three decimals.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03} ms", micros / 1000, micros % 1000)
    }
}
