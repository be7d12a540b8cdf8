//! Law 9: complete reports are all the same, add up, and give the exit code (tests of floor 0).

use lamplighter_lifecycle::{HookOutcome, Outcome, Phase, Report, StartFailure};
use std::time::Duration;

use super::{Law, Scene, holds};
use crate::reference::Manner;

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(CompleteReportsAreTheSame::default()),
        Box::new(TimesAddUp),
        Box::new(OutcomeFollowsFromTheFacts),
    ]
}

/// Once complete, a report never changes.
#[derive(Default)]
struct CompleteReportsAreTheSame {
    first: Option<Report>,
}

impl Law for CompleteReportsAreTheSame {
    fn name(&self) -> &'static str {
        "law 9: complete reports are all the same"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        match &self.first {
            None if scene.report.complete => self.first = Some(scene.report.clone()),
            Some(first) => {
                holds!(
                    first == scene.report,
                    "{:#?} instead of {first:#?}",
                    scene.report
                );
                holds!(
                    scene.moment.effects.is_empty() && scene.moment.after.due.is_none(),
                    "it goes on: {:?}",
                    scene.moment.effects
                );
            }
            None => {}
        }
        Ok(())
    }
}

/// The phases' times add up to the total, from the cause to the end.
struct TimesAddUp;

impl Law for TimesAddUp {
    fn name(&self) -> &'static str {
        "law 9: the phases' times add up to the total"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment,
            reference,
            report,
            ..
        } = scene;
        let Some(stop) = &reference.stop else {
            holds!(report.total.is_zero(), "total without a stop");
            holds!(report.phases.is_empty(), "phases without a stop");
            return Ok(());
        };
        holds!(report.began == stop.at, "began {:?}", report.began);
        let sum: Duration = report.phases.iter().map(|phase| phase.took).sum();
        holds!(sum == report.total, "{sum:?} of {:?}", report.total);
        let mut at = report.began;
        for phase in &report.phases {
            holds!(phase.began == at, "{} began {:?}", phase.phase, phase.began);
            at = at + phase.took;
        }
        if moment.before.phase != Phase::Stopped {
            holds!(
                reference.now.since(stop.at) == report.total,
                "total {:?}",
                report.total
            );
        }
        let budget = (!stop.unbounded).then(|| reference.budget.total());
        holds!(report.budget == budget, "budget {:?}", report.budget);
        holds!(
            report.stalled == reference.lateness,
            "stalled {:?}",
            report.stalled
        );
        let longest = report.phases.iter().map(|phase| phase.took).max();
        let longest = longest.filter(|took| !took.is_zero());
        let found = report.longest_phase().map(|phase| phase.took);
        holds!(found == longest, "longest {found:?} instead of {longest:?}");
        Ok(())
    }
}

/// The outcome says what the facts say, and the exit code what the outcome says.
struct OutcomeFollowsFromTheFacts;

impl Law for OutcomeFollowsFromTheFacts {
    fn name(&self) -> &'static str {
        "law 9: the outcome follows from the facts, the exit code from the outcome"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            reference,
            report,
            machine,
            ..
        } = scene;
        let work = &reference.work;
        let not_ok = reference
            .hooks
            .all
            .iter()
            .filter_map(|hook| hook.settled.as_ref())
            .filter(|(_, outcome)| *outcome != HookOutcome::Ok)
            .count();
        let mut expected = Outcome::default();
        expected.cut = work.cut_in_stop.saturating_add(work.workers_cut);
        expected.stuck = work.stuck;
        expected.hooks_not_ok = if reference.is_discarded() {
            0
        } else {
            not_ok as u64
        };
        expected.abandoned = reference.is_abandoned() || reference.failures.not_disposed;
        expected
            .start_failure
            .clone_from(&report.outcome.start_failure);
        expected.listener_failed = work.listener_failed;
        expected.stopped_before_ready = matches!(
            reference.manner(),
            Some(Manner::DuringStart | Manner::Unstarted | Manner::Discarded)
        );
        holds!(
            report.outcome == expected,
            "{:?} instead of {expected:?}",
            report.outcome
        );
        holds!(
            machine.is_abandoned() == reference.is_abandoned(),
            "abandoned: {}",
            machine.is_abandoned()
        );
        let code = exit_code(&expected);
        let found = report.outcome.exit_code();
        holds!(found == code, "exit code {found} instead of {code}");
        holds!(
            report.outcome.is_clean() == (code == 0),
            "clean: {}",
            report.outcome.is_clean()
        );
        Ok(())
    }
}

/// The largest of the codes that apply.
fn exit_code(outcome: &Outcome) -> u8 {
    match &outcome.start_failure {
        Some(StartFailure::Configuration(_)) => 78,
        Some(_) => 69,
        None if outcome.listener_failed => 69,
        None if outcome.abandoned => 12,
        None if outcome.hooks_not_ok > 0 => 11,
        None if outcome.cut > 0 || outcome.stuck > 0 => 10,
        None => 0,
    }
}
