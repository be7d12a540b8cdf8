//! Laws 1 and 2: forward only, and one last event (tests of floor 0).

use lamplighter_lifecycle::{
    Announcement, Effect, Event, Failure, Input, Instant, Phase, ServerState,
};

use super::{Law, Scene, holds};
use crate::model::Call;
use crate::reference::Manner;

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(ForwardOnly::default()),
        Box::new(OneLastEvent::default()),
        Box::new(SignalsAreCounted),
        Box::new(TimeIsTheCallers),
    ]
}

/// State and phase only move forward, along the table; each phase of a stop is told once.
#[derive(Default)]
struct ForwardOnly {
    told: Vec<Phase>,
    last: Option<Event>,
}

/// Whether a life may go from one phase to the next in one step.
fn is_step(from: Phase, to: Phase) -> bool {
    use Phase::*;
    matches!(
        (from, to),
        (Created, Starting | LameDuck)
            | (Starting, Running | LameDuck)
            | (Running, LameDuck)
            | (LameDuck, Draining)
            | (Draining, ForceClosing)
            | (ForceClosing, RunningHooks)
            | (RunningHooks, Disposing)
            | (Disposing, Stopped)
    )
}

fn state_of(phase: Phase) -> ServerState {
    match phase {
        Phase::Created => ServerState::Created,
        Phase::Starting => ServerState::Starting,
        Phase::Running => ServerState::Running,
        Phase::Stopped => ServerState::Stopped,
        _ => ServerState::Stopping,
    }
}

impl Law for ForwardOnly {
    fn name(&self) -> &'static str {
        "law 1: state and phase only move forward, each phase stands once"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene { moment, report, .. } = scene;
        let (before, after) = (moment.before.phase, moment.after.phase);
        holds!(before <= after, "{before} -> {after}");
        holds!(
            after.state() == state_of(after),
            "{after} is in {:?}",
            after.state()
        );
        let mut phase = before;
        for (_, event) in &moment.events {
            if let Event::Phase(next) = event {
                holds!(is_step(phase, *next), "{phase} -> {next}");
                holds!(!self.told.contains(next), "{next} was told twice");
                let stopping = matches!(self.last, Some(Event::Stopping(_)));
                holds!(
                    *next != Phase::LameDuck
                        || stopping
                        || scene.reference.manner() == Some(Manner::FailedStart),
                    "{next} before the stop was told of"
                );
                self.told.push(*next);
                phase = *next;
            }
            self.last = Some(event.clone());
        }
        if after == Phase::Stopped && before != Phase::Stopped {
            holds!(is_step(phase, Phase::Stopped), "{phase} -> stopped");
            holds!(
                Phase::STOPPING
                    .iter()
                    .all(|phase| self.told.contains(phase)),
                "a phase was not passed: {:?}",
                self.told
            );
        } else {
            holds!(phase == after, "told {phase}, but is in {after}");
        }
        if before != after {
            self.check_trigger(scene)?;
        }
        let entered = &scene.reference.entered;
        let reported: Vec<(Phase, Instant)> = report
            .phases
            .iter()
            .map(|phase| (phase.phase, phase.began))
            .collect();
        holds!(*entered == reported, "{reported:?} instead of {entered:?}");
        Ok(())
    }
}

impl ForwardOnly {
    /// Nothing but its own trigger makes a step.
    fn check_trigger(&self, scene: Scene<'_>) -> Result<(), String> {
        let Scene { moment, .. } = scene;
        let (before, after) = (moment.before.phase, moment.after.phase);
        let input = moment.input();
        let right = match (before, after) {
            (Phase::Created, Phase::Starting) => matches!(input, Some(Input::Start)),
            (Phase::Created, _) => matches!(input, Some(Input::Start | Input::Discard)),
            (Phase::Starting, Phase::Running) => matches!(input, Some(Input::Ready)),
            (Phase::Starting, _) => match &moment.call {
                Call::Timeout | Call::Overdue => true,
                Call::Handle(input) => matches!(
                    input,
                    Input::StartFailed(_)
                        | Input::StartEnded
                        | Input::Stop(_)
                        | Input::Drain
                        | Input::Force
                        | Input::Signal(_)
                        | Input::ListenerFailed { .. }
                ),
                _ => false,
            },
            (Phase::Running, _) => matches!(
                input,
                Some(
                    Input::Stop(_)
                        | Input::Drain
                        | Input::Force
                        | Input::Signal(_)
                        | Input::ListenerFailed { .. }
                )
            ),
            (Phase::LameDuck, _) => matches!(
                (&moment.call, input),
                (Call::Timeout | Call::Overdue, _) | (_, Some(Input::Force | Input::Signal(_)))
            ),
            _ => matches!(moment.call, Call::Timeout | Call::Overdue | Call::Handle(_)),
        };
        holds!(right, "{before} -> {after} by {:?}", moment.call);
        Ok(())
    }
}

/// Exactly one last event: `Stop`, or the `Error` of a failed start. Callbacks are told in order.
#[derive(Default)]
struct OneLastEvent {
    ended: bool,
    told: Vec<Event>,
    errors: Vec<Failure>,
    errors_of_stop: usize,
}

fn announcement(event: &Event) -> Option<Announcement> {
    match event {
        Event::Start => Some(Announcement::Start),
        Event::Ready => Some(Announcement::Ready),
        Event::Stopping(_) => Some(Announcement::Stopping),
        Event::Error(failures) => Some(Announcement::Error(failures.clone())),
        Event::Stop => Some(Announcement::Stop),
        _ => None,
    }
}

impl Law for OneLastEvent {
    fn name(&self) -> &'static str {
        "law 2: exactly one last event, nothing after it"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment,
            reference,
            report,
            ..
        } = scene;
        let failed_start = reference.manner() == Some(Manner::FailedStart);
        let mut announced = Vec::new();
        for (_, event) in &moment.events {
            holds!(!self.ended, "{event} after the last event");
            if let Some(announcement) = announcement(event) {
                announced.push(announcement);
                self.check_place(event, failed_start)?;
                self.told.push(event.clone());
            }
            if let Event::Error(failures) = event {
                holds!(!failures.is_empty(), "an error without a failure");
                self.errors.extend(failures.iter().cloned());
                if reference.stop.is_some() && reference.disposed {
                    self.errors_of_stop += 1;
                    self.ended = failed_start;
                } else {
                    holds!(
                        moment.before.phase < Phase::LameDuck,
                        "an error in the middle of a stop"
                    );
                }
            }
            self.ended |= matches!(event, Event::Stop);
        }
        holds!(self.errors_of_stop <= 1, "two errors in one stop");
        let asked: Vec<Announcement> = moment
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Announce(announcement) => Some(announcement.clone()),
                _ => None,
            })
            .collect();
        if reference.is_discarded() {
            holds!(asked.is_empty(), "a discarded server tells callbacks");
        } else {
            holds!(asked == announced, "asked {asked:?}, told {announced:?}");
        }
        let stopped = moment.after.phase == Phase::Stopped;
        holds!(!stopped || self.ended, "stopped without a last event");
        if self.ended && !failed_start {
            holds!(stopped, "not stopped after the last event");
        }
        if stopped {
            self.check_failures(scene)?;
        }
        holds!(report.complete == stopped, "complete: {}", report.complete);
        Ok(())
    }
}

impl OneLastEvent {
    fn check_place(&self, event: &Event, failed_start: bool) -> Result<(), String> {
        let has = |kind: fn(&Event) -> bool| self.told.iter().any(kind);
        let start = has(|event| matches!(event, Event::Start));
        let ready = has(|event| matches!(event, Event::Ready));
        let stopping = has(|event| matches!(event, Event::Stopping(_)));
        let right = match event {
            Event::Start => self.told.is_empty(),
            Event::Ready => start && !ready && !stopping,
            Event::Stopping(_) => !stopping && !failed_start,
            Event::Stop => stopping,
            _ => start || stopping || failed_start,
        };
        holds!(right, "{event} after {:?}", self.told);
        Ok(())
    }

    /// Everything that went wrong was told, once, in order.
    fn check_failures(&self, scene: Scene<'_>) -> Result<(), String> {
        if scene.reference.is_discarded() {
            return Ok(()); // Nobody was told of anything.
        }
        let expected = &scene.reference.failures;
        let told = &expected.told;
        let matches = told.len() == self.errors.len()
            && told.iter().zip(&self.errors).all(|pair| match pair {
                (Some(expected), told) => expected == told,
                (None, told) => matches!(told, Failure::Start(_)),
            });
        holds!(matches, "told {:?} instead of {told:?}", self.errors);
        let mut report: Vec<Failure> = scene.report.failures.clone();
        for untold in expected
            .untold
            .iter()
            .chain(&expected.late)
            .chain(&self.errors)
        {
            let Some(place) = report.iter().position(|failure| failure == untold) else {
                return Err(format!("{untold} is not in the report"));
            };
            report.remove(place);
        }
        holds!(report.is_empty(), "the report has {report:?} as well");
        Ok(())
    }
}

/// Only signals are counted, and what wrappers send twice counts once.
struct SignalsAreCounted;

impl Law for SignalsAreCounted {
    fn name(&self) -> &'static str {
        "signals: counted up to three, repeated within 300 ms are the same"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let told: Vec<_> = scene
            .moment
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Signal { taken, .. } => Some(*taken),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = scene
            .reference
            .taken
            .filter(|_| !scene.reference.has_said_last_word(scene.moment))
            .into_iter()
            .collect();
        holds!(told == expected, "{told:?} instead of {expected:?}");
        Ok(())
    }
}

/// Law 19: time is the latest that the caller ever said, and every event bears it.
struct TimeIsTheCallers;

impl Law for TimeIsTheCallers {
    fn name(&self) -> &'static str {
        "law 19: time is the latest the caller said"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let now = moment.after.now;
        holds!(
            now == moment.before.now.max(moment.at) && now == reference.now,
            "{now:?}"
        );
        for (at, event) in &moment.events {
            holds!(*at == now, "{event} at {at:?} instead of {now:?}");
        }
        holds!(
            moment.after.stalled == reference.lateness,
            "stalled {:?}, but the caller was late by {:?}",
            moment.after.stalled,
            reference.lateness
        );
        Ok(())
    }
}
