//! Law 6: a hook starts at most once, in its turn, and is settled exactly once (tests of floor 0).

use lamplighter_lifecycle::{Effect, Event, HookId, HookName, HookOutcome, Instant, Phase};

use super::{Law, Scene, holds};
use crate::reference::Hooks;

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(HooksRunInTheirTurn::default()),
        Box::new(HooksAreSettledOnce::default()),
    ]
}

/// A hook starts at most once, after everything it waits for, with a fair deadline that holds.
#[derive(Default)]
struct HooksRunInTheirTurn {
    run: Vec<(HookId, Instant)>,
    aborted: Vec<HookId>,
}

impl Law for HooksRunInTheirTurn {
    fn name(&self) -> &'static str {
        "law 6: a hook starts at most once, after all that it waits for is settled"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let mut run = Vec::new();
        let mut aborted = Vec::new();
        for effect in &moment.effects {
            match effect {
                Effect::RunHook { hook, deadline } => {
                    let again = self.run.iter().any(|(known, _)| known == hook);
                    holds!(!again, "{hook} runs twice");
                    let waits_for = reference.hooks.waits_for(hook.index());
                    for other in waits_for {
                        holds!(
                            scene.report.hooks[other].outcome.is_some(),
                            "{hook} runs before number {other} is settled"
                        );
                    }
                    holds!(
                        *deadline > moment.after.now,
                        "{hook} is given no time at all"
                    );
                    run.push((*hook, *deadline));
                    self.run.push((*hook, *deadline));
                }
                Effect::AbortHook(hook) => {
                    holds!(!self.aborted.contains(hook), "{hook} is aborted twice");
                    aborted.push(*hook);
                    self.aborted.push(*hook);
                }
                _ => {}
            }
        }
        run.sort_unstable();
        let mut expected = reference.hooks.to_run.clone();
        expected.sort_unstable();
        holds!(run == expected, "runs {run:?} instead of {expected:?}");
        aborted.sort_unstable();
        let mut expected = reference.hooks.to_abort.clone();
        expected.sort_unstable();
        holds!(
            aborted == expected,
            "aborts {aborted:?} instead of {expected:?}"
        );
        let overdue = moment.after.is_overdue();
        for (hook, deadline) in &self.run {
            let settled = scene.report.hooks[hook.index()].outcome.is_some();
            holds!(
                settled || overdue || *deadline > moment.after.now,
                "{hook} is past its deadline"
            );
        }
        Ok(())
    }
}

/// Each hook is settled exactly once, as it ended, before the last event.
#[derive(Default)]
struct HooksAreSettledOnce {
    settled: usize,
}

fn names(hooks: &Hooks, which: &[usize]) -> Vec<(HookName, Option<HookOutcome>)> {
    which
        .iter()
        .map(|index| &hooks.all[*index])
        .map(|hook| {
            let outcome = hook.settled.as_ref().map(|(_, outcome)| outcome.clone());
            (hook.name.clone(), outcome)
        })
        .collect()
}

impl Law for HooksAreSettledOnce {
    fn name(&self) -> &'static str {
        "law 6: a hook is settled exactly once, before the last event"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment,
            reference,
            report,
            machine,
        } = scene;
        let hooks = &reference.hooks;
        holds!(
            report.hooks.len() == hooks.all.len() && machine.hooks().len() == hooks.all.len(),
            "{} hooks instead of {}",
            report.hooks.len(),
            hooks.all.len()
        );
        for (found, expected) in report.hooks.iter().zip(&hooks.all) {
            let outcome = expected.settled.as_ref().map(|(_, outcome)| outcome);
            let started = expected.run.map(|(at, _)| at);
            let ends = expected
                .settled
                .as_ref()
                .map_or(reference.now, |(at, _)| *at);
            let took = ends.since(started.unwrap_or(ends));
            holds!(
                found.name == expected.name
                    && found.outcome.as_ref() == outcome
                    && found.started == started
                    && (found.took == took || report.complete && outcome.is_none())
                    && found.still_running == expected.still_running,
                "{found:?} instead of {expected:?}"
            );
        }
        let mut started: Vec<&HookName> = Vec::new();
        let mut settled: Vec<(HookName, Option<HookOutcome>)> = Vec::new();
        let mut ended: Vec<&HookName> = Vec::new();
        for (_, event) in &moment.events {
            match event {
                Event::HookStarted(hook) => started.push(hook),
                Event::HookSettled { hook, outcome } => {
                    settled.push((hook.clone(), Some(outcome.clone())));
                }
                Event::HookEnded(hook) | Event::HookGone(hook) => ended.push(hook),
                _ => {}
            }
        }
        let mut expected: Vec<&HookName> = hooks
            .to_run
            .iter()
            .map(|(hook, _)| &hooks.all[hook.index()].name)
            .collect();
        expected.sort_unstable();
        started.sort_unstable();
        holds!(
            started == expected,
            "told {started:?} instead of {expected:?}"
        );
        let expected = names(hooks, &hooks.settled_now);
        holds!(
            settled == expected,
            "told {settled:?} instead of {expected:?}"
        );
        self.settled += settled.len();
        let expected: Vec<&HookName> = hooks
            .ended_after_all
            .iter()
            .filter(|_| !reference.has_said_last_word(moment))
            .map(|index| &hooks.all[*index].name)
            .collect();
        holds!(ended == expected, "told {ended:?} instead of {expected:?}");
        if moment.after.phase >= Phase::Disposing {
            holds!(
                self.settled == hooks.all.len(),
                "{} of {} settled",
                self.settled,
                hooks.all.len()
            );
        }
        Ok(())
    }
}
