//! Laws 7, 14 and 15: a stop ends in time, says when, and never later than it said (tests of
//! floor 0).

use lamplighter_lifecycle::{Instant, Phase};

use super::{Law, Scene, holds};

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(EndsInTime::default()),
        Box::new(AlwaysATimer),
        Box::new(DeadlinesOnlyMoveEarlier::default()),
        Box::new(StepsInTime),
    ]
}

/// End - cause is at most the budget and what the caller was late by; and the end is never beyond
/// any end that was ever given, but for the lateness since.
#[derive(Default)]
struct EndsInTime {
    given: Option<Instant>,
    /// The smallest `ends_by - lateness` at which the machine ever gave a new end.
    slack: Option<i128>,
}

impl Law for EndsInTime {
    fn name(&self) -> &'static str {
        "law 7: a stop ends within its budget, whatever happens"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let Some(stop) = &reference.stop else {
            holds!(moment.after.ends_by.is_none(), "an end without a stop");
            return Ok(());
        };
        let ended = moment.before.phase == Phase::Stopped;
        if ended {
            return Ok(());
        }
        holds!(
            moment.after.ends_by == stop.ends_by,
            "ends by {:?} instead of {:?}",
            moment.after.ends_by,
            stop.ends_by
        );
        let lateness = i128::try_from(reference.lateness.as_nanos()).unwrap_or(i128::MAX);
        if let Some(by) = moment.after.ends_by
            && self.given != Some(by)
        {
            self.given = Some(by);
            let slack = i128::from(by.as_nanos()) - lateness;
            self.slack = Some(self.slack.map_or(slack, |known| known.min(slack)));
        }
        // What is overdue is about to be handled, in no time.
        if moment.after.phase.is_stopping() && moment.after.is_overdue() {
            return Ok(());
        }
        let now = i128::from(reference.now.as_nanos());
        for slack in [self.slack, stop.slack].into_iter().flatten() {
            holds!(
                now <= slack + lateness,
                "{now} is beyond {slack} + {lateness} in {}",
                moment.after.phase
            );
        }
        Ok(())
    }
}

/// In every stopping phase a timer is armed, within the budget, unless the plan waits.
struct AlwaysATimer;

impl Law for AlwaysATimer {
    fn name(&self) -> &'static str {
        "law 14: in every stopping state there is a timer within the budget"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let phase = moment.after.phase;
        let Some(stop) = &reference.stop else {
            let armed = moment.after.due.is_some();
            holds!(
                armed == (phase == Phase::Starting),
                "{phase} has a timer: {armed}"
            );
            return Ok(());
        };
        let Some(due) = moment.after.due else {
            let waits = stop.unbounded && phase == Phase::Draining;
            holds!(waits || phase == Phase::Stopped, "no timer in {phase}");
            return Ok(());
        };
        holds!(phase.is_stopping(), "a timer in {phase}");
        if let Some(slack) = stop.slack {
            let lateness = i128::try_from(reference.lateness.as_nanos()).unwrap_or(i128::MAX);
            let due = i128::from(due.as_nanos());
            let latest = (slack + lateness).max(i128::from(reference.now.as_nanos()));
            holds!(due <= latest, "due at {due}, to end by {latest}");
        }
        Ok(())
    }
}

/// The end and the drain's end only move earlier, and never away.
#[derive(Default)]
struct DeadlinesOnlyMoveEarlier {
    ends_by: Option<Instant>,
}

impl Law for DeadlinesOnlyMoveEarlier {
    fn name(&self) -> &'static str {
        "law 15: deadlines never move later"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let ends_by = scene.moment.after.ends_by;
        if let Some(known) = self.ends_by {
            holds!(
                ends_by.is_some_and(|by| by <= known),
                "{ends_by:?} after {known:?}"
            );
        }
        self.ends_by = ends_by;
        Ok(())
    }
}

/// Each phase begins when its time has come or its obligations are met, and timers say so exactly.
struct StepsInTime;

impl Law for StepsInTime {
    fn name(&self) -> &'static str {
        "laws 3, 7 and 13: each phase has its own end, and the next timer is the nearest of them"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let Some(stop) = &reference.stop else {
            return self.check_start(scene);
        };
        let budget = &reference.budget;
        let since = |phase| reference.entered_at(phase).unwrap_or(Instant::MAX);
        let mut wanted: Vec<Instant> = Vec::new();
        match moment.after.phase {
            Phase::LameDuck => wanted.push(stop.lame_until),
            Phase::Draining => {
                if let Some(by) = stop.drain_by {
                    wanted.push(by);
                    let lead = u64::try_from(budget.cancel_lead().as_nanos()).unwrap_or(u64::MAX);
                    let at = Instant::from_nanos(by.as_nanos().saturating_sub(lead));
                    if lead > 0 && !reference.cancelled {
                        wanted.push(at);
                    }
                }
                if reference.work.start_alive
                    && !stop.forced
                    && stop.manner != crate::reference::Manner::FailedStart
                    && !reference.start_dropped
                {
                    wanted.extend(reference.start_grace_ends());
                }
            }
            Phase::ForceClosing if reference.aborted_since.is_some() => {
                wanted.extend(reference.aborted_since);
            }
            Phase::ForceClosing => {
                let entered = since(Phase::ForceClosing);
                wanted.push(entered + budget.margin() / 4);
                wanted.extend(stop.abandoned_at.map(|at| at.max(entered)));
            }
            Phase::RunningHooks => {
                let window = since(Phase::RunningHooks) + budget.hooks_timeout();
                wanted.extend((!reference.hooks.window_over).then_some(window));
                wanted.extend(reference.hooks.deadlines());
                wanted.extend(reference.linger.ends);
            }
            Phase::Disposing => {
                let entered = since(Phase::Disposing);
                if let Some(telling_since) = reference.telling_since {
                    wanted.push(telling_since);
                } else if let Some(asked_since) = reference.asked_since {
                    wanted.push(asked_since);
                } else {
                    wanted.push(entered + budget.margin() / 2);
                    wanted.extend(stop.abandoned_at.map(|at| at.max(entered)));
                }
            }
            _ => {}
        }
        let wanted = wanted.into_iter().min();
        let due = moment.after.due;
        holds!(due == wanted, "due {due:?} instead of {wanted:?}");
        Ok(())
    }
}

impl StepsInTime {
    fn check_start(&self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        if moment.after.phase != Phase::Starting {
            return Ok(());
        }
        let wanted = reference.start_due();
        let due = moment.after.due;
        holds!(due == wanted, "due {due:?} instead of {wanted:?}");
        Ok(())
    }
}
