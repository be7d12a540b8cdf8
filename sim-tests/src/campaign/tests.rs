//! Campaigns with a law that some cases break.

use std::fs;

use super::*;
use crate::oracle::{Invariant, Oracle};
use crate::scenario::{Hook, HookDoes, Scenario};
use crate::strategy::Case;
use crate::trace::{Entry, HookSaw, WhatHappened, Who};
use crate::world::{Memory, World};

/// Made up: no hook that hangs may be called once another one was.
struct NoHangSecond {
    hangs: Vec<bool>,
    called: usize,
}

impl Invariant for NoHangSecond {
    fn name(&self) -> &str {
        "no hook hangs second"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        let (Who::Hook(hook), WhatHappened::Hook(HookSaw::Begun)) = (entry.who, &entry.what) else {
            return Ok(());
        };
        self.called += 1;
        if self.called > 1 && self.hangs[usize::from(hook)] {
            return Err(format!("h{hook} is the {}. that is called", self.called));
        }
        Ok(())
    }
}

fn no_hang_second(oracle: Oracle, scenario: &Scenario) -> Oracle {
    let hangs = scenario
        .hooks
        .iter()
        .map(|hook| hook.does == HookDoes::Hang);
    oracle.and(NoHangSecond {
        hangs: hangs.collect(),
        called: 0,
    })
}

fn planted() -> Judge {
    Judge::new(WorldName::Memory).with(no_hang_second)
}

fn arguments(out: &str) -> Arguments {
    let out = format!("lamplighter-campaign-{out}-{}", std::process::id());
    let out = std::env::temp_dir().join(out);
    Arguments {
        seeds: 200,
        jobs: 2.try_into().unwrap(),
        out,
        ..Arguments::default()
    }
}

/// The cases that break the planted law, of those of a campaign.
fn planted_in(summary: &Summary) -> Vec<&Failure> {
    let planted = |failure: &&Failure| failure.violation.law == "no hook hangs second";
    summary.failures.iter().filter(planted).collect()
}

#[test]
fn a_campaign_finds_what_breaks_a_law_and_makes_it_small() {
    let arguments = arguments("small");
    let summary = crew::work(&planted(), &arguments);
    let failures = planted_in(&summary);
    assert!(failures.len() >= 3, "{}", failures.len());
    let shrunk: Vec<&Smallest> = failures
        .iter()
        .filter_map(|it| it.smallest.as_ref())
        .collect();
    assert_eq!(shrunk.len(), 3);
    for smallest in shrunk {
        assert!(smallest.minimal);
        let hooks = &smallest.scenario.hooks;
        let mut does: Vec<HookDoes> = hooks.iter().map(|hook| hook.does).collect();
        does.sort_by_key(|does| *does == HookDoes::Hang);
        assert_eq!(
            does,
            [HookDoes::Ok, HookDoes::Hang],
            "{:#?}",
            smallest.scenario
        );
        let left = Scenario {
            hooks: hooks.clone(),
            acts: smallest.scenario.acts.clone(),
            ..Scenario::default()
        };
        assert_eq!(smallest.scenario, left);
    }
    assert_eq!(summary.ended(0), Ended::Failed);
    assert_eq!(summary.cases, 200);
}

#[test]
fn what_a_campaign_finds_does_not_depend_on_its_jobs_and_shards() {
    let seeds = |arguments: &Arguments| -> Vec<u64> {
        let summary = crew::work(&planted(), arguments);
        planted_in(&summary).iter().map(|it| it.case.seed).collect()
    };
    let whole = Arguments {
        seeds: 100,
        ..arguments("jobs")
    };
    let alone = Arguments {
        jobs: 1.try_into().unwrap(),
        ..whole.clone()
    };
    let shard = |index| Arguments {
        shard: Shard { index, of: 3 },
        ..whole.clone()
    };
    let found = seeds(&whole);
    assert_eq!(found, seeds(&alone));
    let mut shards: Vec<u64> = (0..3).flat_map(|index| seeds(&shard(index))).collect();
    shards.sort_unstable();
    assert_eq!(found, shards);
}

#[test]
fn a_failure_says_how_to_see_it_again_and_has_its_case_to_paste() {
    let judge = planted();
    let (case, violation) = (0..)
        .map(Case::new)
        .filter_map(|case| Some((judge.judge(&case.scenario).violation?, case)))
        .find(|(violation, _)| violation.law == "no hook hangs second")
        .map(|(violation, case)| (case, violation))
        .unwrap();
    let seed = case.seed;
    let text = Failure::new(&judge, case, violation)
        .shrunk(&judge)
        .to_string();
    let replay =
        format!("replay: cargo run --release -p lamplighter-sim --bin campaign -- --seed {seed}\n");
    assert!(text.contains(&replay), "{text}");
    for part in [
        "\nScenario {\n",
        "    hooks: vec![",
        "hook          h",
        "no step leads to a smaller one",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_campaign_in_turmoil_leaves_no_case_out_and_says_where_it_was() {
    let arguments = Arguments {
        seeds: 8,
        world: WorldName::Turmoil,
        ..arguments("turmoil")
    };
    let judge = Judge::new(WorldName::Turmoil).with(no_hang_second);
    let summary = crew::work(&judge, &arguments);
    assert_eq!(summary.cases, 8);
    assert_eq!(summary.to_json(&arguments)["world"], "turmoil");
    // Among them are lines without latency, which turmoil has not.
    let latency = |seed| Case::new(seed).scenario.link.latency_ms;
    assert!((0..8).any(|seed| latency(seed) == 0));
    assert!((0..8).all(|seed| {
        let case = WorldName::Turmoil.case(seed);
        case.scenario.link.latency_ms == latency(seed).max(1)
    }));
    let violation = Judge::new(WorldName::Turmoil).judge(&Scenario {
        link: crate::scenario::Link {
            latency_ms: 0,
            ..crate::scenario::Link::default()
        },
        ..Scenario::default()
    });
    let violation = violation.violation.unwrap();
    assert_eq!(
        violation.to_string(),
        "every case can be run: a line without latency cannot happen in the turmoil world (at the end)"
    );
    let replay = Failure::new(&judge, WorldName::Turmoil.case(3), violation).replay();
    assert!(
        replay.ends_with("--bin campaign -- --seed 3 --world turmoil"),
        "{replay}"
    );
}

#[test]
fn the_folder_has_the_summary_and_only_what_fails_now() {
    let arguments = arguments("folder");
    fs::create_dir_all(&arguments.out).unwrap();
    fs::write(
        arguments.out.join("seed-1234567.txt"),
        "of another campaign",
    )
    .unwrap();
    fs::write(arguments.out.join("notes.txt"), "of a person").unwrap();
    let summary = crew::work(&planted(), &arguments);
    folder::write(&arguments, &summary).unwrap();
    let read = |name: &str| fs::read_to_string(arguments.out.join(name)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
    assert_eq!(json["cases"], 200);
    assert_eq!(
        json["failures"].as_array().unwrap().len(),
        summary.failures.len()
    );
    assert!(json["coverage"]["hits"]["event stop in disposing"]["times"].as_u64() > Some(100));
    for failure in &summary.failures {
        let text = read(&format!("seed-{}.txt", failure.case.seed));
        assert_eq!(text, failure.to_string());
    }
    assert!(!arguments.out.join("seed-1234567.txt").exists());
    assert_eq!(read("notes.txt"), "of a person");
    fs::remove_dir_all(&arguments.out).unwrap();
}

/// A law that panics instead of judging.
struct Panics;

impl Invariant for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let WhatHappened::Hook(HookSaw::Begun) = entry.what {
            std::panic::resume_unwind(Box::new("a hook was called"));
        }
        Ok(())
    }
}

#[test]
fn a_panic_in_a_run_is_a_verdict_about_it() {
    let judge = Judge::new(WorldName::Memory).with(|oracle, _| oracle.and(Panics));
    let scenario = Scenario {
        hooks: vec![Hook::default()],
        acts: vec![crate::scenario::Act::default()],
        ..Scenario::default()
    };
    let verdict = judge.judge(&scenario);
    let violation = verdict.violation.unwrap();
    assert_eq!(
        (&*violation.law, &*violation.what),
        ("no panic", "a hook was called")
    );
    assert!(verdict.trace.len() > 5);
    assert_eq!(
        judge
            .judge(&Scenario {
                hooks: Vec::new(),
                ..scenario
            })
            .violation,
        None
    );
}

#[test]
fn the_cases_that_are_measured_are_what_they_are_said_to_be() {
    let judge = Judge::new(WorldName::Memory);
    let lives = |case: fn(u64) -> Case, seeds| {
        (0..seeds).map(move |seed| {
            let scenario = case(seed).scenario;
            let run = Memory::default().run(&scenario, &mut ()).unwrap();
            (scenario, run)
        })
    };
    for (scenario, run) in lives(Case::small, 50) {
        assert_eq!(judge.judge_twice(&scenario).violation, None);
        let lines = run.trace.iter().filter(|it| it.server().is_some()).count();
        assert_eq!(lines, 19, "{}", run.text());
        let report = run.report.unwrap();
        assert!(report.is_clean());
        assert_eq!(report.connections().tally.answered, 2);
    }
    for (scenario, run) in lives(Case::typical, 10) {
        assert_eq!(judge.judge_twice(&scenario).violation, None);
        assert_eq!((scenario.clients.len(), scenario.hooks.len()), (8, 4));
        let report = run.report.as_ref().unwrap();
        // The slow reader, at the end of the drain.
        assert_eq!(report.connections().tally.cut, 1, "{}", run.text());
        let total = report.total().as_millis();
        assert!((5_150..=5_160).contains(&total), "{}", run.text());
        assert!(run.trace.len() >= 64, "{}", run.text());
    }
}

#[test]
fn the_words_of_a_sentence_are_joined() {
    assert_eq!(alternatives(&["a"]), "a");
    assert_eq!(alternatives(&["a", "b", "c"]), "a, b or c");
}
