//! Laws 3 and 17: readiness, listeners, and what a failed start leaves (tests of floor 0).

use lamplighter_lifecycle::{
    Announcement, Cause, Directive, Effect, Failure, Input, LameDuckReadiness, OnListenerError,
    Phase, Readiness, StartFailure,
};

use super::{Law, Scene, holds};
use crate::reference::{Listeners, Manner};

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(ReadinessGoesOffFirst::default()),
        Box::new(NothingIsLeftOfAFailedStart),
        Box::new(ListenersAreMissed),
    ]
}

/// Readiness goes on once, off once, and before any listener; no door closes before its time. It
/// goes off at the cause, or with the end of the lame duck where the plan holds it.
#[derive(Default)]
struct ReadinessGoesOffFirst {
    ready: u32,
    not_ready: u32,
}

impl Law for ReadinessGoesOffFirst {
    fn name(&self) -> &'static str {
        "law 3: readiness goes off at the cause, listeners close a lame duck later"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let begins_stop = moment.before.phase < Phase::LameDuck
            && moment.after.phase >= Phase::LameDuck
            && !reference.is_discarded();
        // Held is only what a lame duck can hold.
        let held = reference.manner() == Some(Manner::Running)
            && !reference.budget.lame_duck().is_zero()
            && reference.budget.lame_duck_readiness() == LameDuckReadiness::Held;
        let turns_off = if held {
            moment.before.phase <= Phase::LameDuck && moment.after.phase > Phase::LameDuck
        } else {
            begins_stop
        };
        let expected = match moment.after.phase {
            Phase::Running => Readiness::Ready,
            Phase::LameDuck if held => Readiness::Ready,
            _ => Readiness::NotReady,
        };
        let answered = scene.machine.readiness();
        holds!(
            answered == expected,
            "{answered:?} in {}",
            moment.after.phase
        );
        let off = Effect::SetReadiness(Readiness::NotReady);
        for effect in &moment.effects {
            match effect {
                Effect::SetReadiness(Readiness::Ready) => {
                    self.ready += 1;
                    holds!(
                        moment.after.phase == Phase::Running,
                        "ready in {}",
                        moment.after.phase
                    );
                }
                Effect::SetReadiness(Readiness::NotReady) => {
                    self.not_ready += 1;
                    holds!(turns_off, "readiness goes off out of its time");
                }
                Effect::CloseListeners | Effect::DropListeners => {
                    holds!(self.not_ready == 1, "a listener closes before readiness");
                    self.check_closing(scene, effect)?;
                }
                Effect::Direct(Directive::Serve) => {
                    holds!(self.ready == 1, "serves before it is ready");
                }
                Effect::Direct(Directive::LameDuck { .. })
                | Effect::Announce(Announcement::Stopping)
                    if held => {}
                Effect::Direct(_) | Effect::Announce(Announcement::Stopping) => {
                    holds!(self.not_ready == 1, "{effect:?} before readiness went off");
                }
                _ => {}
            }
        }
        let turns_ready =
            moment.before.phase == Phase::Starting && moment.after.phase == Phase::Running;
        if turns_ready {
            let serve = Effect::Direct(Directive::Serve);
            let announce = Effect::Announce(Announcement::Ready);
            let wanted = [Effect::SetReadiness(Readiness::Ready), serve, announce];
            holds!(
                moment.effects.starts_with(&wanted),
                "ready by {:?}",
                moment.effects
            );
        }
        if turns_off {
            holds!(moment.effects.contains(&off), "readiness stays on");
        }
        holds!(self.ready <= 1 && self.not_ready <= 1, "readiness flaps");
        Ok(())
    }
}

impl ReadinessGoesOffFirst {
    fn check_closing(&self, scene: Scene<'_>, effect: &Effect) -> Result<(), String> {
        let Some(stop) = &scene.reference.stop else {
            return Err("a listener closes without a stop".into());
        };
        holds!(
            scene.reference.now >= stop.lame_until || stop.forced || stop.abandoned,
            "listeners close before {:?}",
            stop.lame_until
        );
        // Only what nobody was served by is dropped with its queue, and what must go now.
        let bound_late = matches!(scene.moment.input(), Some(Input::Bound));
        let dropped = *effect == Effect::DropListeners;
        let forced = scene.reference.entered_at(Phase::ForceClosing).is_some();
        holds!(
            dropped == (stop.manner == Manner::FailedStart || forced || bound_late)
                || (!dropped && forced),
            "{effect:?}"
        );
        Ok(())
    }
}

/// After a failed start nothing is left, and nothing was ever ready.
struct NothingIsLeftOfAFailedStart;

impl Law for NothingIsLeftOfAFailedStart {
    fn name(&self) -> &'static str {
        "law 17: after a failed start nothing is left"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment,
            reference,
            report,
            ..
        } = scene;
        let failed = reference.manner() == Some(Manner::FailedStart);
        holds!(
            report.outcome.start_failure.is_some() == failed,
            "start failure: {:?}",
            report.outcome.start_failure
        );
        if !failed {
            return Ok(());
        }
        let begins = moment.before.phase < Phase::LameDuck;
        if begins {
            let drops_start = moment.effects.contains(&Effect::DropStart);
            holds!(
                drops_start == reference.work.start_alive,
                "start dropped: {drops_start}"
            );
            let drops_listeners = moment.effects.contains(&Effect::DropListeners);
            let closing = reference.work.listeners == Listeners::Closing;
            holds!(
                drops_listeners == closing && reference.work.listeners != Listeners::Open,
                "listeners dropped: {drops_listeners}, {:?}",
                reference.work.listeners
            );
        }
        let expected = &reference.failures;
        match (&report.outcome.start_failure, &expected.start) {
            (Some(StartFailure::Configuration(_)), None) => {
                holds!(expected.start_refused, "a configuration was refused");
                let check = scene.machine.check().err().map(|error| error.to_string());
                let told = report.outcome.start_failure.as_ref();
                let told = told.map(|failure| failure.message().to_owned());
                holds!(check == told, "{told:?} instead of {check:?}");
            }
            (found, expected) => {
                holds!(found == expected, "{found:?} instead of {expected:?}");
            }
        }
        let first = report.failures.iter().any(|failure| {
            matches!(failure, Failure::Start(failure) if report.outcome.start_failure.as_ref() == Some(failure))
        });
        holds!(first, "the report's failures lack the start");
        Ok(())
    }
}

/// A listener that breaks stops the server, unless it may go on and another one is left.
struct ListenersAreMissed;

impl Law for ListenersAreMissed {
    fn name(&self) -> &'static str {
        "a listener that breaks stops the server, unless it may go on without"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let Some(Input::ListenerFailed { listener, left, .. }) = moment.input() else {
            return Ok(());
        };
        let (before, after) = (moment.before.phase, moment.after.phase);
        let listeners = reference.work.listeners;
        let missed = before == Phase::Running
            || before == Phase::Starting && {
                // The stop that it may have begun closes those that were open.
                listeners != Listeners::None || reference.work.start_alive
            };
        let goes_on =
            *left > 0 && reference.budget.on_listener_error() == OnListenerError::Continue;
        let stops = before < Phase::LameDuck && after >= Phase::LameDuck;
        holds!(
            stops == (missed && !goes_on),
            "stops: {stops}, with {left} left, from {before}"
        );
        if stops {
            let cause = Cause::ListenerFailed(listener.clone());
            holds!(
                scene.machine.cause() == Some(&cause),
                "the cause is {:?}",
                scene.machine.cause()
            );
        }
        Ok(())
    }
}
