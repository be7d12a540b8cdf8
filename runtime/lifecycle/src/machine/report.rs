//! The facts of a life put together as a report (floor 0).
//!
//! **Invariant:** nothing is changed, and nothing is known here that no input brought.

use super::Machine;
use super::state::WorkerState;
use crate::Phase;
use crate::report::{ConnectionsReport, HookReport, PhaseReport, Report, WorkerReport};
use crate::timeline::Timeline;

impl Machine {
    /// All the facts so far, with the timeline that was kept beside this machine.
    #[must_use]
    pub fn report(&self, timeline: &Timeline) -> Report {
        let began = self.stop.as_ref().map_or(self.now, |stop| stop.at);
        let ended = self.entered(Phase::Stopped).unwrap_or(self.now);
        let phases = Phase::STOPPING
            .into_iter()
            .enumerate()
            .filter_map(|(index, phase)| {
                let began = self.entered(phase)?;
                let next = Phase::STOPPING
                    .get(index + 1)
                    .and_then(|next| self.entered(*next));
                let took = next.unwrap_or(ended).since(began);
                Some(PhaseReport { phase, began, took })
            })
            .collect();
        let hooks = self
            .graph
            .ids()
            .zip(&self.hooks)
            .map(|(id, record)| {
                let settled_at = record.settled.as_ref().map_or(self.now, |(at, _)| *at);
                HookReport {
                    name: self.graph.label(id),
                    outcome: record.settled.as_ref().map(|(_, outcome)| outcome.clone()),
                    started: record.started,
                    took: settled_at.since(record.started.unwrap_or(settled_at)),
                    timeout: self.graph.spec(id).and_then(|spec| spec.timeout),
                    still_running: record.still_running,
                }
            })
            .collect();
        let workers = self
            .workers
            .values()
            .filter(|worker| worker.state != WorkerState::Waiting)
            .map(|worker| WorkerReport {
                name: worker.name.clone(),
                outcome: match &worker.state {
                    WorkerState::Ended(outcome) => Some(outcome.clone()),
                    WorkerState::Waiting | WorkerState::Running => None,
                },
            })
            .collect();
        let unbounded = self
            .stop
            .as_ref()
            .is_some_and(|stop| stop.drain_by.is_none());
        Report {
            complete: self.phase == Phase::Stopped,
            cause: self.cause().cloned(),
            began,
            total: ended.since(began),
            budget: (!unbounded).then(|| self.budget.total()),
            drain_timeout: self.budget.drain_timeout(),
            stalled: self.stalled,
            outcome: self.outcome.clone(),
            phases,
            connections: ConnectionsReport {
                accepted: self.ledger.accepted(),
                open: u64::try_from(self.ledger.open_count()).unwrap_or(u64::MAX),
                ends: *self.ledger.ends(),
                tally: *self.ledger.tally(),
                cut: self.ledger.cut().to_vec(),
                cut_unnamed: self.ledger.cut_unnamed(),
                turned_away: self.ledger.turned_away(),
            },
            hooks,
            workers,
            failures: self.failures.clone(),
            timeline: timeline.clone(),
        }
    }
}
