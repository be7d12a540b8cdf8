//! Laws 15 and 16, which no single run can show: a run is held against the run of a case that differs
//! from its own in one thing.
//!
//! * One signal more makes no step later, and, as long as there are fewer than three, skips no hook.
//! * What fails or panics instead of ending well changes its own outcome, and nothing else.
//!
//! **Invariant:** only what is free of the rest is changed: where a change takes something away that
//! would have hurried the stop, such as a handler that calls `force()`, nothing follows.

mod failure;

use std::time::Duration;

use lamplighter::{OnDeadline, Phase, ServerEventKind, Signal, SignalTaken};

use super::Violation;
use crate::scenario::{
    Act, ActDoes, Call, CallbackDoes, Client, ClientDoes, HandlerDoes, HookDoes, Link, Moment,
    Origin, Red, Request, RequestId, Scenario, ScenarioError, WorkerDoes,
};
use crate::world::{Run, World};

/// The law of one signal more.
pub const EXTRA_SIGNAL: &str = "an extra signal makes nothing later";

/// The law of failures.
pub const FAILURE: &str = "a failure changes only its own outcome";

/// What differs between the two cases of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This hook fails, panics or hangs instead of returning.
    Hook {
        /// Its place.
        place: usize,
        /// What it does instead.
        does: HookDoes,
    },
    /// This worker fails or panics instead of returning.
    Worker {
        /// Its place.
        place: usize,
        /// What it does instead.
        does: WorkerDoes,
    },
    /// This callback panics instead of returning.
    Callback {
        /// Its place.
        place: usize,
    },
    /// This check panics where it failed.
    Check {
        /// Its place.
        place: usize,
    },
    /// The handler of this request panics instead of answering.
    Handler {
        /// Which request.
        request: RequestId,
    },
    /// The process gets one SIGTERM more.
    Signal {
        /// Before which act, by its place.
        before: usize,
        /// How long after the act before that one.
        gap_ms: u32,
    },
}

impl Change {
    /// Every change that a case has a law for.
    #[must_use]
    pub fn all(scenario: &Scenario) -> Vec<Self> {
        let mut all = Vec::new();
        if !hears_errors(scenario) {
            failures(scenario, &mut all);
        }
        if is_free_of_signals(scenario) {
            signals(scenario, &mut all);
        }
        all
    }

    /// The case that differs in this.
    #[must_use]
    pub fn of(self, scenario: &Scenario) -> Scenario {
        let mut changed = scenario.clone();
        match self {
            Self::Hook { place, does } => {
                if let Some(hook) = changed.hooks.get_mut(place) {
                    hook.does = does;
                }
            }
            Self::Worker { place, does } => {
                if let Some(worker) = changed.workers.get_mut(place) {
                    worker.does = does;
                }
            }
            Self::Callback { place } => {
                if let Some(callback) = changed.callbacks.get_mut(place) {
                    callback.does = CallbackDoes::Panic;
                }
            }
            Self::Check { place } => {
                if let Some(check) = changed.start.checks.get_mut(place) {
                    check.red = Red::Panic;
                }
            }
            Self::Handler { request } => {
                let client = changed.clients.get_mut(usize::from(request.client));
                let requests = client.map(|client| requests_of(&mut client.does));
                let place = usize::from(request.request);
                if let Some(request) = requests.and_then(|all| all.get_mut(place)) {
                    request.does = HandlerDoes::Panic;
                }
            }
            Self::Signal { before, gap_ms } => {
                // What comes after it comes when it did.
                if let Some(next) = changed.acts.get_mut(before) {
                    next.gap_ms = next.gap_ms.saturating_sub(gap_ms);
                }
                let does = ActDoes::Signal(Signal::Sigterm);
                let place = before.min(changed.acts.len());
                changed.acts.insert(place, Act { gap_ms, does });
            }
        }
        changed
    }

    /// The law of this change.
    #[must_use]
    pub const fn law(self) -> &'static str {
        match self {
            Self::Signal { .. } => EXTRA_SIGNAL,
            Self::Hook { .. }
            | Self::Worker { .. }
            | Self::Callback { .. }
            | Self::Check { .. }
            | Self::Handler { .. } => FAILURE,
        }
    }

    /// Runs both cases and holds them against each other.
    ///
    /// # Errors
    ///
    /// What the case says and cannot mean, or this world cannot do.
    pub fn judge(
        self,
        world: &dyn World,
        scenario: &Scenario,
    ) -> Result<Result<(), Violation>, ScenarioError> {
        let base = world.run(scenario, &mut ())?;
        self.judge_against(&base, world, scenario)
    }

    /// As [`judge`](Self::judge), with the run of the case itself at hand.
    ///
    /// # Errors
    ///
    /// What the changed case says and cannot mean, or this world cannot do.
    pub fn judge_against(
        self,
        base: &Run,
        world: &dyn World,
        scenario: &Scenario,
    ) -> Result<Result<(), Violation>, ScenarioError> {
        let changed = world.run(&self.of(scenario), &mut ())?;
        let held = if let Self::Signal { .. } = self {
            no_later(base, &changed)
        } else {
            self.nothing_else(base, &changed)
        };
        Ok(held.map_err(|what| Violation {
            law: self.law().to_owned(),
            what: format!("{self:?}: {what}"),
            at: None,
        }))
    }
}

/// Whether a failure makes somebody do something.
fn hears_errors(scenario: &Scenario) -> bool {
    scenario.callbacks.iter().any(|callback| {
        let idle = matches!(callback.does, CallbackDoes::Ok | CallbackDoes::Panic);
        callback.on == Moment::Error && !idle
    })
}

fn failures(scenario: &Scenario, all: &mut Vec<Change>) {
    for (place, hook) in scenario.hooks.iter().enumerate() {
        if hook.does == HookDoes::Ok {
            let instead = [HookDoes::Fail, HookDoes::Panic, HookDoes::Hang];
            all.extend(instead.map(|does| Change::Hook { place, does }));
        }
    }
    for (place, worker) in scenario.workers.iter().enumerate() {
        if worker.does == WorkerDoes::Ok {
            let instead = [WorkerDoes::Fail, WorkerDoes::Panic];
            all.extend(instead.map(|does| Change::Worker { place, does }));
        }
    }
    for (place, callback) in scenario.callbacks.iter().enumerate() {
        if callback.does == CallbackDoes::Ok {
            all.push(Change::Callback { place });
        }
    }
    for (place, check) in scenario.start.checks.iter().enumerate() {
        if check.red == Red::Fail {
            all.push(Change::Check { place });
        }
    }
    if scenario.link.window_bytes < Link::default().window_bytes {
        // An answer of another length takes another time.
        return;
    }
    for (client, Client { does, .. }) in (0..).zip(&scenario.clients) {
        let mut does = does.clone();
        for (request, asked) in (0..).zip(requests_of(&mut does).iter()) {
            if asked.does == HandlerDoes::Answer && asked.receive_bytes == 0 {
                let request = RequestId { client, request };
                all.push(Change::Handler { request });
            }
        }
    }
}

/// Whether one signal more can take nothing away that would have hurried the stop, and comes while
/// the server lives.
fn is_free_of_signals(scenario: &Scenario) -> bool {
    let calls = |request: &Request| {
        matches!(
            request.does,
            HandlerDoes::Stop | HandlerDoes::Force | HandlerDoes::Drain
        )
    };
    let handlers = scenario
        .clients
        .iter()
        .any(|client| requests_of(&mut client.does.clone()).iter().any(calls));
    let callbacks = scenario
        .callbacks
        .iter()
        .any(|callback| !matches!(callback.does, CallbackDoes::Ok | CallbackDoes::Panic));
    // A hook that is registered, or an accept that fails, is another one where the stop begins earlier.
    let timely = scenario.acts.iter().any(|act| {
        matches!(
            act.does,
            ActDoes::RegisterHook | ActDoes::AcceptErrors { .. }
        )
    });
    // An answer that says that it is the last one is longer, and takes longer where little fits.
    let narrow = scenario.link.window_bytes < Link::default().window_bytes
        || scenario
            .clients
            .iter()
            .any(|client| client.does.window_bytes().is_some());
    // A connection that is not past its limit when a drain begins has the time of the drain: its work is
    // not cut by the limit any more, and where the drain spreads its goodbyes it hears of it later.
    let limited =
        scenario.defences.max_age_ms.is_some() || scenario.defences.max_requests.is_some();
    let patient = scenario.defences.max_age_grace_ms.is_some() || scenario.plan.drain_spread_ms > 0;
    let retires = limited && patient;
    // There a signal that begins the stop gives it no deadline, and the next one would have.
    let keeps = scenario.plan.on_deadline == OnDeadline::KeepWaiting;
    scenario.from == Origin::Ready
        && !keeps
        && !(narrow || retires)
        && matches!(scenario.start.call, Call::Start | Call::Run)
        && !scenario.disturbs()
        && !(handlers || callbacks || timely)
}

fn signals(scenario: &Scenario, all: &mut Vec<Change>) {
    for (before, act) in scenario.acts.iter().enumerate() {
        let gap_ms = act.gap_ms / 2;
        all.push(Change::Signal { before, gap_ms });
    }
    // At once, and where it is another one than the last.
    let before = scenario.acts.len();
    all.extend([0, 301].map(|gap_ms| Change::Signal { before, gap_ms }));
}

fn requests_of(does: &mut ClientDoes) -> &mut [Request] {
    match does {
        ClientDoes::Http1 { requests }
        | ClientDoes::Http2 { requests }
        | ClientDoes::Idle { requests } => requests,
        ClientDoes::Grpc { calls } => calls,
        _ => &mut [],
    }
}

/// Steps up to the force close come no later, and hooks are all started.
///
/// What is cut takes time of its own, which a stop that waited for it did not need: so the steps after
/// that are bounded by the plan, and not by the other run.
fn no_later(base: &Run, changed: &Run) -> Result<(), String> {
    for phase in [Phase::LameDuck, Phase::Draining, Phase::ForceClosing] {
        if let (Some(before), Some(after)) = (entered(base, phase), entered(changed, phase))
            && after > before
        {
            return Err(format!("{phase} at {before:?} became {after:?}"));
        }
    }
    let counted = changed.trace.iter().any(|entry| {
        let third = SignalTaken::Third;
        matches!(entry.server(), Some(ServerEventKind::Signal { taken, .. }) if *taken == third)
    });
    let (before, after) = (started(base), started(changed));
    if !counted && let Some(hook) = before.iter().find(|hook| !after.contains(hook)) {
        return Err(format!("hook {hook} is not started any more"));
    }
    Ok(())
}

fn entered(run: &Run, phase: Phase) -> Option<Duration> {
    let phase = ServerEventKind::Phase(phase);
    let entry = run
        .trace
        .iter()
        .find(|entry| entry.server() == Some(&phase));
    entry.map(|entry| entry.at)
}

fn started(run: &Run) -> Vec<&str> {
    run.trace
        .iter()
        .filter_map(|entry| match entry.server() {
            Some(ServerEventKind::HookStarted(name)) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}
