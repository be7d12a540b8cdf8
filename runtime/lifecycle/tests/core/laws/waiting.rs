//! Laws 11 and 13: no hook beside living work, no waiting for nothing (tests of floor 0).

use lamplighter_lifecycle::{Effect, Event, Phase};

use super::{Law, Scene, holds};

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(NoHookBesideWork),
        Box::new(NoIdleWaiting::default()),
    ]
}

/// No hook runs while work lives, except what was given up as stuck.
struct NoHookBesideWork;

impl Law for NoHookBesideWork {
    fn name(&self) -> &'static str {
        "law 11: no hook while work lives, except what is named stuck"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment,
            machine,
            reference,
            report,
        } = scene;
        let phase = moment.after.phase;
        for effect in &moment.effects {
            if matches!(effect, Effect::RunHook { .. }) {
                let hooks = moment
                    .events
                    .iter()
                    .any(|(_, event)| *event == Event::Phase(Phase::RunningHooks));
                holds!(
                    hooks || moment.before.phase == Phase::RunningHooks,
                    "a hook runs in {phase}"
                );
            }
        }
        if phase < Phase::RunningHooks {
            return Ok(());
        }
        let open = machine.open_connections();
        let workers = machine.running_workers();
        holds!(
            open == 0 && workers == 0,
            "{open} connections and {workers} workers live in {phase}"
        );
        holds!(!reference.work.is_left(), "work lives in {phase}");
        holds!(
            report.outcome.stuck == reference.work.stuck,
            "{} stuck instead of {}",
            report.outcome.stuck,
            reference.work.stuck
        );
        let entered = reference.entered_at(Phase::RunningHooks);
        if reference.work.gave_up && entered == Some(reference.now) {
            let forced = reference.entered_at(Phase::ForceClosing);
            let patience = reference.budget.margin() / 4;
            let waited = forced.is_some_and(|at| at + patience <= reference.now);
            holds!(
                waited || reference.is_abandoned(),
                "given up before its time"
            );
        }
        Ok(())
    }
}

/// A phase lasts only while it has an obligation, and is left in the step that meets the last one.
#[derive(Default)]
struct NoIdleWaiting {
    drained: bool,
}

impl Law for NoIdleWaiting {
    fn name(&self) -> &'static str {
        "law 13: no idle waiting"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment,
            machine,
            reference,
            ..
        } = scene;
        let now = reference.now;
        let told = moment
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Drained));
        holds!(!(told && self.drained), "drained twice");
        self.drained |= told;
        let phase = moment.after.phase;
        let Some(stop) = &reference.stop else {
            holds!(!machine.is_drained(), "drained without a stop");
            return Ok(());
        };
        let waits = stop.waits_for_stop && self.drained;
        let drained = phase > Phase::Draining || waits;
        holds!(machine.is_drained() == drained, "drained: {}", !drained);
        if moment.after.is_overdue() {
            return Ok(());
        }
        let obliged = match phase {
            Phase::LameDuck => now < stop.lame_until,
            Phase::Draining => {
                let works = reference.work.is_left() || stop.announcing;
                holds!(
                    works || !stop.waits_for_stop || self.drained,
                    "drained, and nobody is told"
                );
                works || stop.waits_for_stop
            }
            Phase::ForceClosing => reference.work.is_left(),
            Phase::RunningHooks => {
                let runs =
                    |hook: &crate::reference::Hook| hook.run.is_some() && hook.settled.is_none();
                let running = reference.hooks.all.iter().any(runs);
                let none_starts = !reference.hooks.all_settled() && !running;
                holds!(!none_starts, "hooks are left, and none runs");
                running || reference.hooks.is_joining() || !reference.linger.lingers.is_empty()
            }
            Phase::Disposing => !reference.disposed || reference.telling,
            _ => true,
        };
        holds!(obliged, "{phase} waits for nothing");
        Ok(())
    }
}
