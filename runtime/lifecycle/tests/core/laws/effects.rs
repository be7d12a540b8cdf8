//! Laws 5 and 12 and the orders to the driver: each asked for once, in a sound order (tests of
//! floor 0).

use lamplighter_lifecycle::{Cause, Directive, Effect, Event, Input, Phase};

use super::{Law, Scene, holds};
use crate::reference::{Manner, Worker};

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(DirectivesOnlyRise::default()),
        Box::new(AskedOnce::default()),
        Box::new(CauseIsTheFirst),
    ]
}

/// One lame duck, one drain, then cancel, then force: one graceful close at most, none after force.
#[derive(Default)]
struct DirectivesOnlyRise {
    told: Vec<Directive>,
}

fn rank(directive: &Directive) -> u8 {
    match directive {
        Directive::Serve => 0,
        Directive::LameDuck { .. } => 1,
        Directive::Drain { .. } => 2,
        Directive::Tighten { .. } => 3,
        Directive::Cancel => 4,
        Directive::Force => 5,
        _ => 6,
    }
}

impl Law for DirectivesOnlyRise {
    fn name(&self) -> &'static str {
        "laws 5 and 12: draining, then cancelled, then cut; each told once"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        for effect in &moment.effects {
            let Effect::Direct(directive) = effect else {
                continue;
            };
            let tighten = matches!(directive, Directive::Tighten { .. });
            for earlier in &self.told {
                let rises = rank(earlier) < rank(directive)
                    || tighten && !matches!(earlier, Directive::Force);
                holds!(rises, "{directive:?} after {earlier:?}");
            }
            self.check_one(scene, directive)?;
            self.told.push(directive.clone());
        }
        // Every phase is told to those who work, if anybody does.
        let told = |wanted: u8| self.told.iter().any(|directive| rank(directive) == wanted);
        if let Some(stop) = &reference.stop
            && stop.manner != Manner::Discarded
        {
            let lame_duck =
                stop.manner == Manner::Running && !reference.budget.lame_duck().is_zero();
            holds!(told(1) == lame_duck, "lame duck told: {}", told(1));
            let draining = reference.entered_at(Phase::Draining).is_some();
            holds!(told(2) == draining, "drain told: {}", told(2));
        }
        let cancelled = moment
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Cancelled));
        let asked = moment.effects.contains(&Effect::Direct(Directive::Cancel));
        holds!(cancelled == asked, "cancelled told: {cancelled}");
        Ok(())
    }
}

impl DirectivesOnlyRise {
    fn check_one(&self, scene: Scene<'_>, directive: &Directive) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let now = reference.now;
        let Some(stop) = &reference.stop else {
            let serves = *directive == Directive::Serve && moment.after.phase == Phase::Running;
            holds!(serves, "{directive:?} without a stop");
            return Ok(());
        };
        let has_drained = self.told.iter().any(|told| rank(told) == 2);
        match directive {
            Directive::Serve => return Err("serves while it stops".into()),
            Directive::LameDuck { cause, until } => {
                holds!(*cause == stop.cause, "{cause} instead of {}", stop.cause);
                holds!(*until == stop.lame_until, "until {until:?}");
            }
            Directive::Drain { cause, deadline } => {
                holds!(*cause == stop.cause, "{cause} instead of {}", stop.cause);
                // A force that begins the stop moves it in the same step.
                let moved = matches!(moment.input(), Some(Input::Force));
                holds!(
                    *deadline == stop.drain_by || moved,
                    "{deadline:?} instead of {:?}",
                    stop.drain_by
                );
            }
            Directive::Tighten { deadline } => {
                holds!(has_drained, "tightened before the drain");
                let earlier = self.told.iter().filter_map(|told| match told {
                    Directive::Drain { deadline, .. } => *deadline,
                    Directive::Tighten { deadline } => Some(*deadline),
                    _ => None,
                });
                for earlier in earlier {
                    holds!(*deadline <= earlier, "{deadline:?} after {earlier:?}");
                }
                holds!(Some(*deadline) == stop.drain_by, "{deadline:?}");
            }
            Directive::Cancel => {
                holds!(has_drained, "cancelled before it drains");
                let lead = reference.budget.cancel_lead();
                let due = stop.drain_by.is_some_and(|by| now + lead >= by);
                holds!(due || stop.forced || stop.abandoned, "cancelled too early");
            }
            Directive::Force => {
                let cancelled = self.told.contains(&Directive::Cancel);
                holds!(cancelled, "cut before it was cancelled");
                let due = stop.drain_by.is_some_and(|by| now >= by);
                holds!(due || stop.abandoned, "cut before {:?}", stop.drain_by);
            }
            other => return Err(format!("unknown directive {other:?}")),
        }
        Ok(())
    }
}

/// What is asked of the driver is asked once, in its phase, and only of what is there.
#[derive(Default)]
struct AskedOnce {
    told: Vec<Effect>,
    alive: bool,
}

impl Law for AskedOnce {
    fn name(&self) -> &'static str {
        "effects: each asked once, in its phase, of what is there"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let alive = self.alive;
        self.alive = reference.work.start_alive;
        let after = moment.after.phase;
        for effect in &moment.effects {
            // A start that does not end is dropped again at the force close, listeners likewise;
            // the same thing may fail twice; directives have a law of their own.
            let repeatable = matches!(
                effect,
                Effect::DropStart
                    | Effect::DropListeners
                    | Effect::EndLinger
                    | Effect::Direct(_)
                    | Effect::Announce(lamplighter_lifecycle::Announcement::Error(_))
            );
            holds!(
                repeatable || !self.told.contains(effect),
                "{effect:?} is asked again"
            );
            holds!(
                !self.told.contains(&Effect::Finish),
                "{effect:?} after the last effect"
            );
            let sound = match effect {
                Effect::BeginStart => after == Phase::Starting,
                Effect::CancelStart => alive && reference.manner() == Some(Manner::DuringStart),
                Effect::DropStart => alive && after.is_stopping(),
                Effect::StartWorker(worker) => {
                    let ready = matches!(after, Phase::Running | Phase::LameDuck);
                    let worker = &reference.work.workers[worker.number() as usize];
                    ready && *worker == Worker::Running
                }
                Effect::AbortWorkers => {
                    self.told.contains(&Effect::Direct(Directive::Force))
                        && reference.entered_at(Phase::ForceClosing) == Some(reference.now)
                }
                Effect::AbortConnections => {
                    after == Phase::ForceClosing && !reference.work.open.is_empty()
                }
                Effect::Seal | Effect::Finish => after == Phase::Stopped,
                _ => true,
            };
            holds!(sound, "{effect:?} in {after}");
            self.told.push(effect.clone());
        }
        let began = |phase| moment.before.phase < phase && after >= phase;
        if after == Phase::Starting && moment.before.phase == Phase::Created {
            holds!(self.told.contains(&Effect::BeginStart), "nothing starts");
        }
        if began(Phase::Running) && after == Phase::Running {
            let waiting = reference.work.workers.contains(&Worker::Waiting);
            holds!(!waiting, "a worker was not started");
        }
        if began(Phase::LameDuck) && reference.manner() == Some(Manner::DuringStart) {
            holds!(
                self.told.contains(&Effect::CancelStart),
                "the start goes on"
            );
        }
        if began(Phase::ForceClosing) && !reference.is_discarded() {
            let cut = self.told.contains(&Effect::Direct(Directive::Force));
            let workers = reference.work.workers.contains(&Worker::Running);
            let aborts = self.told.contains(&Effect::AbortWorkers);
            holds!(workers == aborts, "workers {workers}, aborts {aborts}");
            holds!(
                cut || !reference.work.gave_up,
                "work was given up without a cut"
            );
            holds!(
                cut == (after == Phase::ForceClosing),
                "cut {cut}, then in {after}"
            );
        }
        if !reference.work.stuck_now.is_empty() {
            let aborts = self.told.contains(&Effect::AbortConnections);
            holds!(aborts, "stuck connections are not aborted");
        }
        if began(Phase::Stopped) {
            let end = &moment.effects[moment.effects.len().saturating_sub(3)..];
            let sound = match reference.manner() {
                Some(Manner::FailedStart | Manner::Discarded) => {
                    end.ends_with(&[Effect::Seal, Effect::Finish])
                        && !end
                            .iter()
                            .any(|effect| matches!(effect, Effect::Announce(_)))
                }
                _ => {
                    let stop = Effect::Announce(lamplighter_lifecycle::Announcement::Stop);
                    end == [Effect::Seal, stop, Effect::Finish]
                }
            };
            holds!(sound, "it ends with {end:?}");
        }
        Ok(())
    }
}

/// The first cause counts, and is told as it was given.
struct CauseIsTheFirst;

impl Law for CauseIsTheFirst {
    fn name(&self) -> &'static str {
        "the cause is the first one, and stays"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let expected = scene.reference.stop.as_ref().map(|stop| &stop.cause);
        let cause = scene.machine.cause();
        holds!(cause == expected, "{cause:?} instead of {expected:?}");
        holds!(
            scene.report.cause.as_ref() == cause,
            "another in the report"
        );
        for (_, event) in &scene.moment.events {
            if let Event::Stopping(told) = event {
                holds!(Some(told) == cause, "told {told}");
            }
        }
        let again: Vec<&Cause> = scene
            .moment
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::StopAgain(cause) => Some(cause),
                _ => None,
            })
            .collect();
        let before = scene.moment.before.phase;
        let open = before.is_stopping() && !scene.reference.has_said_last_word(scene.moment);
        let expected = match scene.moment.input() {
            Some(Input::Stop(cause)) if open => vec![cause],
            _ => vec![],
        };
        holds!(again == expected, "told again {again:?}");
        let forced = scene
            .moment
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Force));
        let expected = open && matches!(scene.moment.input(), Some(Input::Force));
        holds!(forced == expected, "force told: {forced}");
        Ok(())
    }
}
