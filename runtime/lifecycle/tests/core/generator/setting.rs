//! The setting of a life: its plan, hooks and workers (tests of floor 0).
//!
//! **Invariant:** plans that do not hold and hooks that do not fit are part of it.

use lamplighter_lifecycle::{
    HookKind, HookSpec, LameDuckReadiness, OnDeadline, OnListenerError, Plan,
};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use std::time::Duration;

/// What is there before the first input.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) plan: Plan,
    pub(crate) hooks: Vec<HookSpec>,
    pub(crate) workers: usize,
    pub(crate) observed: bool,
    /// Whether callbacks run, and are reported, before anything else.
    pub(crate) prompt: bool,
    /// Whether what is due is handled before anything else, as often as it takes.
    pub(crate) sensible: bool,
    /// When the first input comes, in nanoseconds.
    pub(crate) begins: u64,
}

pub(crate) fn settings() -> impl Strategy<Value = Setting> {
    let begins = prop_oneof![
        40 => 0..10_000_000_000_u64,
        1 => u64::MAX - 40_000_000_000..=u64::MAX,
    ];
    (
        plans(),
        hooks(),
        0..3_usize,
        any::<bool>(),
        proptest::bool::weighted(0.8),
        proptest::bool::weighted(0.6),
        begins,
    )
        .prop_map(
            |(plan, hooks, workers, observed, prompt, sensible, begins)| Setting {
                plan,
                hooks,
                workers,
                observed,
                prompt,
                sensible,
                begins,
            },
        )
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(1)),
        Just(Duration::from_millis(1)),
        Just(Duration::from_millis(400)),
        Just(Duration::from_secs(1)),
        Just(Duration::from_secs(5)),
        Just(Duration::from_secs(30)),
        Just(Plan::MAX),
        (0..10_000_000_000_u64).prop_map(Duration::from_nanos),
    ]
}

fn plans() -> impl Strategy<Value = Plan> {
    let some = |weight| weighted(weight, durations());
    let stop = (
        some(0.03),
        some(0.6),
        some(0.6),
        some(0.4),
        some(0.4),
        some(0.5),
    );
    let start = (some(0.1), some(0.1));
    let waits = proptest::bool::weighted(0.2);
    let goes_on = any::<bool>();
    let holds = proptest::bool::weighted(0.3);
    (stop, start, waits, goes_on, holds).prop_map(|(stop, start, waits, goes_on, holds)| {
        let (grace, lame_duck, drain, lead, hooks, margin) = stop;
        let mut plan = grace.map_or_else(Plan::new, Plan::within);
        let set =
            |plan: Plan, value: Option<Duration>, with: fn(Plan, Duration) -> Plan| match value {
                Some(value) => with(plan, value),
                None => plan,
            };
        plan = set(plan, lame_duck, Plan::lame_duck);
        plan = set(plan, drain, Plan::drain_timeout);
        plan = set(plan, lead, Plan::cancel_lead);
        plan = set(plan, hooks, Plan::hooks_timeout);
        plan = set(plan, margin, Plan::margin);
        plan = set(plan, start.0, Plan::start_timeout);
        plan = set(plan, start.1, Plan::ready_timeout);
        if waits {
            plan = plan.on_deadline(OnDeadline::KeepWaiting);
        }
        if goes_on {
            plan = plan.on_listener_error(OnListenerError::Continue);
        }
        if holds {
            plan = plan.lame_duck_readiness(LameDuckReadiness::Held);
        }
        plan
    })
}

/// Hooks that fit each other, most of the time: else hardly any start would go well.
fn hooks() -> impl Strategy<Value = Vec<HookSpec>> {
    let one = (0..64_u64, 0..64_u64, 0..32_u64, any::<bool>());
    let one = one.prop_map(|(name, after, timeout, blocking)| {
        let kind = if blocking {
            HookKind::Blocking
        } else {
            HookKind::Async
        };
        hook(name, after, timeout, kind)
    });
    let fitting = proptest::bool::weighted(0.9);
    (vec(one, 0..6), fitting).prop_map(|(mut hooks, fitting)| {
        if fitting {
            let known: Vec<_> = hooks.iter().filter_map(|hook| hook.name.clone()).collect();
            for hook in &mut hooks {
                hook.after.retain(|after| known.contains(after));
            }
        }
        hooks
    })
}

const NAMES: [&str; 4] = ["database", "cache", "queue", "telemetry"];

/// A hook of a few names, so that names are shared, waited for, and sometimes not there.
pub(super) fn hook(name: u64, after: u64, timeout: u64, kind: HookKind) -> HookSpec {
    let number = usize::try_from(name % 6).unwrap_or(0);
    let mut spec = match NAMES.get(number) {
        Some(name) => HookSpec::named(*name),
        None => HookSpec::anonymous(),
    };
    // Most wait only for names before their own: else nearly every graph would be a cycle.
    let names: Vec<&str> = NAMES
        .iter()
        .enumerate()
        .filter(|(other, _)| after & (1 << other) != 0 && (*other < number || after >= 56))
        .map(|(_, name)| *name)
        .collect();
    spec = spec.after(names);
    let timeout = match timeout {
        0 => Some(Duration::ZERO),
        1 => Some(Duration::from_nanos(1)),
        2 => Some(Duration::from_millis(300)),
        3 => Some(Duration::from_secs(2)),
        4 => Some(Duration::from_secs(4)),
        _ => None,
    };
    if let Some(timeout) = timeout {
        spec = spec.timeout(timeout);
    }
    spec.kind(kind)
}
