//! Laws 9 and 17: the report is complete, its times add up, and nothing of the server is left.
//!
//! **Invariant:** judged at the end alone.

use std::time::Duration;

use lamplighter::ServerEventKind;

use super::{End, Invariant};
use crate::scenario::{ClientDoes, HandlerDoes, Request, Scenario};
use crate::trace::Entry;
use crate::world::RunEnd;

/// The report of a life that is over.
#[derive(Debug)]
pub(super) struct ReportLaw;

impl Invariant for ReportLaw {
    fn name(&self) -> &'static str {
        "a report of all, and nothing left"
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
        if report.exit_code() != report.outcome().exit_code() {
            return Err(format!(
                "exit code {} for {:?}",
                report.exit_code(),
                report.outcome()
            ));
        }
        let seen = end.run.trace.iter().filter_map(Entry::server);
        let settled = seen.filter(|event| matches!(event, ServerEventKind::HookSettled { .. }));
        if settled.count() != report.hooks().len() {
            return Err("hooks were settled that the report does not have".to_owned());
        }
        if let (RunEnd::Done, Some(left)) = (end.run.end, end.run.tasks_left)
            && left > 0
            && !spawns(end.scenario)
        {
            return Err(format!("{left} tasks are left"));
        }
        Ok(())
    }
}

/// Whether something outlives the server that is not the server's: tasks that handlers have started,
/// and hooks that block a thread for longer than they may.
fn spawns(scenario: &Scenario) -> bool {
    let spawns = |request: &Request| matches!(request.does, HandlerDoes::Spawn { .. });
    let blocks = scenario
        .hooks
        .iter()
        .any(|hook| hook.does == crate::scenario::HookDoes::Block);
    blocks
        || scenario.clients.iter().any(|client| match &client.does {
            ClientDoes::Http1 { requests }
            | ClientDoes::Http2 { requests }
            | ClientDoes::Idle { requests } => requests.iter().any(spawns),
            ClientDoes::Grpc { calls } => calls.iter().any(spawns),
            _ => false,
        })
}
