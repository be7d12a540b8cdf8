//! What is counted, where, and what is said of it.

use super::*;
use crate::scenario::{Act, ActDoes, Client, Hook, Link};
use crate::world::{Memory, World};

fn covered(scenario: &Scenario) -> Coverage {
    let run = Memory::default().run(scenario, &mut ()).unwrap();
    let mut coverage = Coverage::new();
    coverage.count(7, scenario, &run.trace);
    coverage
}

fn stopped_with_a_hook() -> Scenario {
    Scenario {
        hooks: vec![Hook {
            does: HookDoes::Fail,
            ..Hook::default()
        }],
        clients: vec![Client::default()],
        acts: vec![
            Act {
                gap_ms: 10,
                does: ActDoes::Stop,
            },
            Act {
                gap_ms: 100,
                does: ActDoes::Force,
            },
        ],
        ..Scenario::default()
    }
}

#[test]
fn everything_is_counted_in_the_phase_in_which_it_happens() {
    let coverage = covered(&stopped_with_a_hook());
    for (row, phase) in [
        (Row::Start, Phase::Starting),
        (Row::Ready, Phase::Running),
        (Row::Http1, Phase::Running),
        (Row::Answers, Phase::Running),
        (Row::ActStop, Phase::Running),
        (Row::StoppingByRequest, Phase::Running),
        (Row::ToDraining, Phase::LameDuck),
        (Row::HookDoesFail, Phase::RunningHooks),
        (Row::HookFailed, Phase::RunningHooks),
        (Row::ErrorOfHook, Phase::Disposing),
        (Row::Stop, Phase::Disposing),
        (Row::ActForce, Phase::Stopped),
    ] {
        let hits = coverage.hits(Cell { row, phase });
        assert_eq!((hits.times, hits.seed), (1, Some(7)), "{row:?} in {phase}");
        let elsewhere = Phase::ALL.into_iter().filter(|other| *other != phase);
        for phase in elsewhere {
            assert_eq!(
                coverage.hits(Cell { row, phase }).times,
                0,
                "{row:?} in {phase}"
            );
        }
    }
}

/// Seeds 207355 and 531175: it was the task's word that came when hooks ran, and no handler's.
#[test]
fn a_task_that_waited_for_a_websocket_counts_as_no_handler_that_was_dropped() {
    // The answer does not fit into the line, and is not through when what a force leaves is over.
    let mut scenario = Scenario {
        link: Link {
            latency_ms: 80,
            window_bytes: 64,
        },
        clients: vec![Client {
            does: ClientDoes::Websocket {
                messages: 1,
                every_ms: 1,
            },
            ..Client::default()
        }],
        ..Scenario::default()
    };
    let saw = |scenario: &Scenario, saw| {
        let run = Memory::default().run(scenario, &mut ()).unwrap();
        let mut entries = run.trace.into_iter();
        entries.find(|entry| entry.what == WhatHappened::Handler(saw))
    };
    let begun = saw(&scenario, HandlerSaw::Begun).unwrap().at;
    scenario.acts = vec![Act {
        gap_ms: u32::try_from(begun.as_millis()).unwrap() + 1,
        does: ActDoes::Force,
    }];
    assert!(saw(&scenario, HandlerSaw::Dropped).is_some());
    let coverage = covered(&scenario);
    for phase in Phase::ALL {
        let row = Row::HandlerDropped;
        assert_eq!(coverage.hits(Cell { row, phase }).times, 0, "in {phase}");
    }
}

#[test]
fn what_two_have_counted_adds_up_and_the_smaller_seed_is_kept() {
    let scenario = stopped_with_a_hook();
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    let mut both = Coverage::new();
    let mut other = Coverage::new();
    both.count(9, &scenario, &run.trace);
    other.count(3, &scenario, &run.trace);
    both.merge(&other);
    let ready = both.hits(Cell {
        row: Row::Ready,
        phase: Phase::Running,
    });
    assert_eq!((both.runs(), ready.times, ready.seed), (2, 2, Some(3)));
    let runs = both.table().to_string().lines().count();
    assert_eq!(runs, 1 + Row::ALL.len());
}

#[test]
fn a_cell_is_missed_impossible_or_hit() {
    let coverage = covered(&stopped_with_a_hook());
    let hit = cells().filter(|cell| coverage.hits(*cell).times > 0);
    let beyond = cells().filter(|cell| out_of_reach(*cell).is_some());
    assert_eq!(coverage.impossible(), []);
    assert_eq!(
        hit.count() + beyond.count() + coverage.missed().len(),
        Row::ALL.len() * Phase::ALL.len()
    );
    // A trace of another scenario: what is told there cannot be.
    let mut wrong = Coverage::new();
    wrong.hit(Row::Ready, 0, 5);
    let cell = Cell {
        row: Row::Ready,
        phase: Phase::Created,
    };
    assert_eq!(wrong.impossible(), [(cell, out_of_reach(cell).unwrap())]);
    assert_eq!(cell.to_string(), "event ready in created");
}
