//! The report as its users hold it: cheap to clone, fit to be returned from `main` (floor 3).
//!
//! **Invariant:** every complete report of a server is the same one.

pub(super) mod details;
mod json;

use std::fmt;
use std::io::Write;
use std::process::{ExitCode, Termination};
use std::sync::Arc;
use std::time::Duration;

use lamplighter_lifecycle::{
    Cause, ConnectionsReport, Failure, HookReport, Outcome, PhaseReport, WorkerReport,
};

/// All the facts of a server's life, to its end or so far.
///
/// A clone is a clone of one `Arc`; two are equal if all their facts are. Printed, it is one line for
/// a log; its [`timeline`](Self::timeline) is for people. Returned from `main`, it sets the exit code,
/// and tells on standard error what was not clean, hook by hook.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "return it from `main`, which sets the exit code; in a test, assert that it `is_clean()`"]
pub struct Report(Arc<lamplighter_lifecycle::Report>);

impl Report {
    pub(crate) fn new(report: lamplighter_lifecycle::Report) -> Self {
        Self(Arc::new(report))
    }

    /// All of its facts.
    pub(crate) fn facts(&self) -> &lamplighter_lifecycle::Report {
        &self.0
    }

    /// Why the server stopped; `None` while nothing stops it.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }

    /// How it ended, as facts that do not exclude each other.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.0.outcome
    }

    /// Whether nothing was cut, nothing abandoned, every hook ok, and the start no failure.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.0.outcome.is_clean()
    }

    /// Whether the server has stopped, so that this will not change any more.
    ///
    /// A report is incomplete if it was asked for from within the server's own stop: a hook cannot
    /// wait for the report of the stop that waits for that hook.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.0.complete
    }

    /// Time from the cause to the end, or to now.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.0.total
    }

    /// What the plan allowed for the stop; `None` if it allowed to wait without end.
    #[must_use]
    pub fn budget(&self) -> Option<Duration> {
        self.0.budget
    }

    /// For how long the process had no time at all during the stop, as seen by timers that came
    /// late. It comes on top of the budget.
    #[must_use]
    pub fn stalled(&self) -> Duration {
        self.0.stalled
    }

    /// Every phase of the stop that was entered, in order; their times add up to the total.
    #[must_use]
    pub fn phases(&self) -> &[PhaseReport] {
        &self.0.phases
    }

    /// What became of the connections and their requests.
    #[must_use]
    pub fn connections(&self) -> &ConnectionsReport {
        &self.0.connections
    }

    /// What became of the hooks, in order of registration.
    #[must_use]
    pub fn hooks(&self) -> &[HookReport] {
        &self.0.hooks
    }

    /// What became of the workers that ran, in order of registration.
    #[must_use]
    pub fn workers(&self) -> &[WorkerReport] {
        &self.0.workers
    }

    /// Everything that went wrong, in order. Work that was cut is no failure.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.0.failures
    }

    /// What happened from the cause on, a line each: milliseconds since the cause, and the event.
    #[must_use]
    pub fn timeline(&self) -> impl fmt::Display + '_ {
        self.0.timeline_text()
    }

    /// All of it but the timeline as one line of JSON, for those who collect reports. Times are
    /// milliseconds with three decimals, counted from the cause.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::of(&self.0)
    }

    /// The exit code that fits: the largest that applies.
    ///
    /// | code | when |
    /// |---|---|
    /// | 0 | clean, also after SIGTERM or SIGINT |
    /// | 10 | work was cut |
    /// | 11 | a hook failed, panicked, timed out, or was never started |
    /// | 12 | abandoned: by a third signal, or at the end of the budget |
    /// | 69 | the server could not start, or not stay up |
    /// | 78 | the configuration was refused |
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.0.outcome.exit_code()
    }

    /// The report's line, and below it what was not clean, or what failed besides, as a worker or a handler
    /// may: a line for each failure, for each kind of work that was cut, and for the requests that failed.
    /// Why a start failed stands on a line of its own. For a person, such as one who reads why a test has
    /// failed.
    #[must_use]
    pub fn details(&self) -> impl fmt::Display {
        let lines = details::of(&self.0);
        let line = match &self.0.outcome.start_failure {
            // What has failed has a line of its own.
            Some(failure) if self.0.cause == Some(Cause::StartFailed) => {
                let line = format!("{self:#}");
                let (what, rest) = line.split_once("; ").unwrap_or((&line, ""));
                format!("{what}: {}\n  {rest}", failure.message())
            }
            _ => self.to_string(),
        };
        format!("{line}\n{lines}").trim_end().to_owned()
    }

    /// Whether `other` is this very report.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Display for Report {
    /// One line, fit for a log. With `{:#}` it leaves out why a start failed, for a log that has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Termination for Report {
    /// Tells on standard error what was not clean, what failed besides, or that the server was stopped before
    /// it was ready ([`details`](Self::details)). A closed or full standard error changes nothing about the exit
    /// code.
    fn report(self) -> ExitCode {
        let failed = self.connections().tally.failed > 0 || !self.failures().is_empty();
        if !self.is_clean() || failed || self.outcome().stopped_before_ready {
            // The reader may be gone, and then there is nobody to tell.
            drop(writeln!(std::io::stderr().lock(), "{}", self.details()));
        }
        ExitCode::from(self.exit_code())
    }
}
