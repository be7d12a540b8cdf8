//! The reference driver: a machine, and everything it said after each call (tests of floor 0).
//!
//! **Invariant:** it decides nothing; each call is followed by polling until nothing is left.

use lamplighter_lifecycle::{
    Effect, Event, HookError, HookId, HookSpec, Input, Instant, Machine, Phase, Plan, Report,
    Timeline, WorkerId,
};
use std::time::Duration;

/// One call of a machine.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Handle(Input),
    /// What `handle` does before it takes its input in: everything that was due before.
    Overdue,
    Timeout,
    RegisterHook(HookSpec, Result<HookId, HookError>),
    RegisterWorker(Result<WorkerId, HookError>),
    SetPlan(Plan),
    Observe(bool),
}

/// What a machine says of itself between two calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) now: Instant,
    pub(crate) phase: Phase,
    pub(crate) due: Option<Instant>,
    pub(crate) ends_by: Option<Instant>,
    pub(crate) stalled: Duration,
}

impl Seen {
    pub(crate) fn of(machine: &Machine) -> Self {
        Self {
            now: machine.now(),
            phase: machine.phase(),
            due: machine.poll_timeout(),
            ends_by: machine.ends_by(),
            stalled: machine.stalled(),
        }
    }

    /// Whether a timer waits to be handled this very instant.
    pub(crate) fn is_overdue(&self) -> bool {
        self.is_due(self.now)
    }

    /// Whether a timer is to be handled at `now`.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

/// One call, and all that came of it.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) call: Call,
    /// The instant that the caller gave, before any clamping.
    pub(crate) at: Instant,
    pub(crate) before: Seen,
    pub(crate) after: Seen,
    pub(crate) effects: Vec<Effect>,
    pub(crate) events: Vec<(Instant, Event)>,
}

impl Moment {
    /// Whether this call is one that fires a timer that is armed for `at`.
    pub(crate) fn fires(&self, at: Instant) -> bool {
        match self.call {
            Call::Timeout => at <= self.after.now,
            Call::Overdue => at < self.after.now,
            _ => false,
        }
    }

    /// Whether this call fires any timer.
    pub(crate) fn fires_any(&self) -> bool {
        self.before.due.is_some_and(|due| self.fires(due))
    }

    pub(crate) fn input(&self) -> Option<&Input> {
        match &self.call {
            Call::Handle(input) => Some(input),
            Call::Timeout
            | Call::Overdue
            | Call::RegisterHook(..)
            | Call::RegisterWorker(_)
            | Call::SetPlan(_)
            | Call::Observe(_) => None,
        }
    }
}

/// A machine that is driven, and what it said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) machine: Machine,
    pub(crate) timeline: Timeline,
}

impl Model {
    /// Hands in one input. If something was due before, that makes a moment of its own, which comes
    /// with the model as it was then.
    pub(crate) fn handle(&mut self, at: Instant, input: Input) -> (Option<(Self, Moment)>, Moment) {
        let before = Seen::of(&self.machine);
        let still_runs = |hook: &HookId| {
            let report = self.report();
            let hook = report.hooks.get(hook.index());
            hook.is_some_and(|hook| hook.still_running)
        };
        // Answers to what was asked, and ends of what was told to end.
        let answers = matches!(input, Input::Announced { .. } | Input::Undisposed(_))
            || matches!(before.phase, Phase::ForceClosing | Phase::Disposing)
            || matches!(&input, Input::HookEnded { hook, .. } if still_runs(hook));
        let is_overdue = before.due.is_some_and(|due| due < at.max(before.now));
        let overdue = (is_overdue && !answers).then(|| {
            // This input does nothing in a stop, so what is seen is what came before it.
            let nothing = Input::ChecksRed("nothing".into());
            let mut model = self.clone();
            model.machine.handle(at, nothing);
            let moment = model.moment(Call::Overdue, at, before);
            (model, moment)
        });
        self.machine.handle(at, input.clone());
        let mut moment = self.moment(Call::Handle(input), at, before);
        if let Some((_, fired)) = &overdue {
            assert!(
                moment.effects.starts_with(&fired.effects)
                    && moment.events.starts_with(&fired.events),
                "what was due comes first: {fired:#?}, then {moment:#?}"
            );
            moment.effects.drain(..fired.effects.len());
            moment.events.drain(..fired.events.len());
            moment.before = fired.after;
        }
        (overdue, moment)
    }

    pub(crate) fn timeout(&mut self, at: Instant) -> Moment {
        let before = Seen::of(&self.machine);
        self.machine.handle_timeout(at);
        self.moment(Call::Timeout, at, before)
    }

    pub(crate) fn register_hook(&mut self, spec: HookSpec) -> Moment {
        let before = Seen::of(&self.machine);
        let answer = self.machine.register_hook(spec.clone());
        self.moment(Call::RegisterHook(spec, answer), before.now, before)
    }

    pub(crate) fn register_worker(&mut self, name: &str) -> Moment {
        let before = Seen::of(&self.machine);
        let answer = self.machine.register_worker(name.into());
        self.moment(Call::RegisterWorker(answer), before.now, before)
    }

    pub(crate) fn set_plan(&mut self, plan: Plan) -> Moment {
        let before = Seen::of(&self.machine);
        self.machine.set_plan(plan.clone());
        self.moment(Call::SetPlan(plan), before.now, before)
    }

    pub(crate) fn observe(&mut self, observed: bool) -> Moment {
        let before = Seen::of(&self.machine);
        self.machine.observe_connections(observed);
        self.moment(Call::Observe(observed), before.now, before)
    }

    pub(crate) fn report(&self) -> Report {
        self.machine.report(&self.timeline)
    }

    fn moment(&mut self, call: Call, at: Instant, before: Seen) -> Moment {
        let mut effects = Vec::new();
        while let Some(effect) = self.machine.poll_effect() {
            effects.push(effect);
        }
        let mut events = Vec::new();
        while let Some((at, event)) = self.machine.poll_event() {
            self.timeline.record(at, &event);
            events.push((at, event));
        }
        assert!(!self.machine.has_output(), "polled until nothing is left");
        Moment {
            call,
            at,
            before,
            after: Seen::of(&self.machine),
            effects,
            events,
        }
    }
}
