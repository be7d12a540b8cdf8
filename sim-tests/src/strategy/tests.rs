//! What cases drawn by lot are.

use std::collections::BTreeSet;

use lamplighter::{LameDuckReadiness, OnDeadline, OnListenerError, Signal, WhileDraining};
use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::draw::SCALES;
use super::*;
use crate::scenario::*;
use crate::shrink::Named;

#[test]
fn one_number_stands_for_one_case() {
    for seed in 0..500 {
        assert_eq!(Case::new(seed), Case::new(seed));
        assert_ne!(Case::new(seed).scenario, Case::new(seed + 1).scenario);
        assert_eq!(Case::new(seed).scenario.check(), Ok(()));
    }
}

/// Pins the lot: a seed that was noted down stands for the same case on every machine.
#[test]
fn a_seed_that_was_noted_down_still_stands_for_its_features() {
    assert_eq!(Case::new(0).swarm.bits(), 163_762_947_839_619_286);
    assert_eq!(Case::new(u64::MAX).swarm.bits(), 52_377_598_137_947_294);
}

#[test]
fn cases_reach_every_kind_and_every_field() {
    let texts: Vec<String> = (0..6_000)
        .map(|seed| format!("{:?}", Case::new(seed).scenario))
        .collect();
    let all = texts.concat();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    macro_rules! named {
        ($($type:ty)*) => { $(names.extend(<$type as Named>::NAMES);)* };
    }
    named! {
        Link Budget Defences Start Check Hook Worker Callback Request Act
        Bind HandlerDoes ActDoes ClientDoes Origin Home Call Red Moment CallbackDoes HookDoes WorkerDoes
        Hears ProbeOf AcceptFault Signal OnDeadline OnListenerError WhileDraining LameDuckReadiness
    }
    // What a field is by default is not printed, and a jump is for worlds with a clock per host.
    for by_default in [
        "Origin::Ready",
        "Home::Shared",
        "Call::Start",
        "Bind::Ok",
        "Red::Fail",
        "Moment::Start",
        "CallbackDoes::Ok",
        "HookDoes::Ok",
        "WorkerDoes::HearDraining",
        "HandlerDoes::Answer",
        "OnDeadline::ForceClose",
        "OnListenerError::Stop",
        "WhileDraining::Serve",
        "LameDuckReadiness::Off",
        "ActDoes::Jump",
        "Signal::Sigterm",
        // Simulations of services of somebody's own have visitors.
        "ClientDoes::Own",
    ] {
        assert!(names.remove(by_default), "{by_default}");
    }
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !all.contains(name))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn a_feature_that_a_swarm_has_not_is_in_none_of_its_cases() {
    let mut met = 0;
    for seed in 0..2_000 {
        let case = Case::new(seed);
        if case.swarm.has(Switch::Aimed) {
            continue; // An aim brings what it needs.
        }
        let text = format!("{:?}", case.scenario);
        for (switch, words) in [
            (Switch::Http1, "ClientDoes::Http1"),
            (Switch::Watch, "ClientDoes::Watch"),
            (Switch::HookPanics, "HookDoes::Panic"),
            (Switch::KeepWaiting, "KeepWaiting"),
            (Switch::Freezes, "Freeze"),
            (Switch::FromCall, "Origin::Call"),
            (Switch::Limits, "defences"),
            (Switch::LameDuck, "lame_duck_ms"),
        ] {
            if text.contains(words) {
                assert!(case.swarm.has(switch), "{seed}: {words}");
                met += 1;
            }
        }
    }
    assert!(met > 250, "{met}");
}

#[test]
fn every_case_is_stopped_from_outside() {
    for seed in 0..2_000 {
        let acts = Case::new(seed).scenario.acts;
        let stops = acts.iter().any(|act| {
            matches!(
                act.does,
                ActDoes::Signal(_) | ActDoes::Stop | ActDoes::Force | ActDoes::DropOwner
            )
        });
        assert!(stops, "{seed}: {acts:?}");
    }
}

#[test]
fn all_three_scales_of_time_are_drawn() {
    let longest = |seed| {
        let hooks = Case::new(seed).scenario.hooks;
        hooks
            .iter()
            .map(|hook| hook.takes_ms)
            .max()
            .unwrap_or_default()
    };
    for within in [
        0..=SCALES[0],
        SCALES[0] + 1..=SCALES[1],
        SCALES[1] + 1..=SCALES[2],
    ] {
        assert!(
            (0..500).any(|seed| within.contains(&longest(seed))),
            "{within:?}"
        );
    }
}

#[test]
fn a_mask_prints_with_the_names_of_its_features() {
    let swarm = Swarm::of([Switch::Http1, Switch::Grpc]);
    assert_eq!(swarm.to_string(), "0x5 http1 grpc");
    assert_eq!(Swarm::from_bits(5), swarm);
    assert_eq!(swarm.without(Switch::Http1).with(Switch::Http2).bits(), 6);
    assert_eq!(Swarm::from_bits(u64::MAX), Swarm::ALL);
}

#[test]
fn a_property_gets_cases_and_shrinks_them_to_the_smallest() {
    let mut runner = TestRunner::deterministic();
    let fails = |case: &Scenario| case.hooks.iter().any(|hook| hook.takes_ms > 5);
    let mut tree = loop {
        let tree = cases().new_tree(&mut runner).unwrap();
        if fails(&tree.current()) {
            break tree;
        }
    };
    // As proptest does it.
    let mut more = tree.simplify();
    while more {
        more = if fails(&tree.current()) {
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    let expected = Scenario {
        hooks: vec![Hook {
            takes_ms: 6,
            ..Hook::default()
        }],
        ..Scenario::default()
    };
    assert_eq!(tree.current(), expected);

    let none = Swarm::of([]);
    for _ in 0..100 {
        let case = cases().with(none).new_tree(&mut runner).unwrap().current();
        assert_eq!(
            (case.hooks.len(), case.clients.len(), case.acts.len()),
            (0, 0, 1)
        );
    }
}
