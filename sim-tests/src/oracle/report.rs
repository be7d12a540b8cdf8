//! Law 9: the report is complete, its times add up, and its exit code says what happened.
//!
//! **Invariant:** judged at the end alone, by facts that the report names one by one, and not by its
//! own counts of them.

use std::time::Duration;

use lamplighter::{Failure, Report, ServerEventKind, StartFailure};

use super::{End, Invariant};
use crate::trace::Entry;

/// The report of a life that is over.
#[derive(Debug)]
pub(super) struct ReportLaw;

impl Invariant for ReportLaw {
    fn name(&self) -> &'static str {
        "a report of all"
    }

    fn event(&mut self, _: &Entry) -> Result<(), String> {
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let Some(report) = &end.run.report else {
            return Ok(());
        };
        if !report.is_complete() {
            return Err("the life is over, and its report is not complete".to_owned());
        }
        let sum: Duration = report.phases().iter().map(|phase| phase.took).sum();
        if sum != report.total() {
            return Err(format!(
                "the phases took {sum:?}, the stop {:?}",
                report.total()
            ));
        }
        let not_ok = report.hooks().iter().filter(|hook| {
            let outcome = hook.outcome.as_ref();
            !outcome.is_some_and(lamplighter::HookOutcome::is_ok)
        });
        let not_ok = not_ok.count() as u64;
        // A server that was dropped unstarted has nothing to clean up.
        let started = end.run.trace.iter().filter_map(Entry::server);
        let unstarted = started
            .filter(|event| matches!(event, ServerEventKind::HookStarted(_)))
            .count()
            == 0
            && report.outcome().stopped_before_ready;
        if !unstarted && not_ok != report.outcome().hooks_not_ok {
            return Err(format!(
                "{not_ok} hooks were not ok, the outcome says {}",
                report.outcome().hooks_not_ok
            ));
        }
        let code = exit_code(report);
        if report.exit_code() != code {
            return Err(format!(
                "exit code {} for {:?}, which is {code}",
                report.exit_code(),
                report.outcome()
            ));
        }
        let seen = end.run.trace.iter().filter_map(Entry::server);
        let settled = seen.filter(|event| matches!(event, ServerEventKind::HookSettled { .. }));
        if settled.count() != report.hooks().len() {
            return Err("hooks were settled that the report does not have".to_owned());
        }
        Ok(())
    }
}

/// What the numbers of a report come to, by the table of exit codes.
fn exit_code(report: &Report) -> u8 {
    let failed = |code: fn(&Failure) -> u8| report.failures().iter().map(code).max();
    let start = failed(|failure| match failure {
        Failure::Start(StartFailure::Configuration(_)) => 78,
        Failure::Start(_) => 69,
        _ => 0,
    });
    let outcome = report.outcome();
    let codes = [
        start.unwrap_or(0),
        if outcome.listener_failed { 69 } else { 0 },
        if outcome.abandoned { 12 } else { 0 },
        if outcome.hooks_not_ok > 0 { 11 } else { 0 },
        if outcome.cut > 0 || outcome.stuck > 0 {
            10
        } else {
            0
        },
    ];
    codes.into_iter().max().unwrap_or(0)
}
