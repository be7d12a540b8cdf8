//! Faults of the network and of the clock, under the eyes of every law.

use std::ops::ControlFlow;
use std::time::Duration;

use lamplighter::{ServerEventKind, Signal};
use lamplighter_sim::campaign::WorldName;
use lamplighter_sim::trace::{WhatHappened, WorldDid};
use lamplighter_sim::{
    Act, ActDoes, Budget, Client, ClientDoes, Entry, HandlerDoes, Home, Hook, HookDoes, Link,
    Memory, Observer, Oracle, Request, Run, RunEnd, Scenario, ScenarioError, Turmoil, World,
};

use super::run;

fn asks(does: HandlerDoes, takes_ms: u32) -> Client {
    Client {
        gap_ms: 1,
        home: Home::Own,
        does: ClientDoes::Http1 {
            requests: vec![Request {
                takes_ms,
                does,
                ..Request::default()
            }],
        },
    }
}

fn act(gap_ms: u32, does: ActDoes) -> Act {
    Act { gap_ms, does }
}

const SIGTERM: ActDoes = ActDoes::Signal(Signal::Sigterm);

/// Drains for a second at most.
fn plan() -> Budget {
    Budget {
        drain_ms: 1_000,
        ..Budget::default()
    }
}

/// When the first line that ends so was seen, in milliseconds.
fn at(run: &Run, end: &str) -> u64 {
    let text = run.text();
    let line = text.lines().find(|line| line.ends_with(end));
    let line = line.unwrap_or_else(|| panic!("nobody saw `{end}`:\n{text}"));
    line.trim_start()
        .split_once('.')
        .unwrap()
        .0
        .parse()
        .unwrap()
}

#[test]
fn a_jump_of_the_servers_clock_brings_its_deadline_and_nobody_elses() {
    let run = run(&Scenario {
        plan: plan(),
        clients: vec![
            asks(HandlerDoes::Hang, 0),
            Client {
                gap_ms: 0,
                does: ClientDoes::Idle {
                    requests: vec![Request {
                        gap_ms: 2_000,
                        ..Request::default()
                    }],
                },
                ..Client::default()
            },
        ],
        acts: vec![act(100, SIGTERM), act(300, ActDoes::Jump { ms: 700 })],
        ..Scenario::default()
    });
    // Of the drain's second 300 ms passed for everybody, and 700 for the server.
    let cut = at(&run, "http/1 cut, 1 cut");
    assert_eq!(cut, 401, "{}", run.text());
    assert_eq!(at(&run, "client#0      lost 0: reset, 0 bytes"), cut + 1);
}

#[test]
fn a_jump_far_beyond_every_deadline_passes_every_phase() {
    let run = run(&Scenario {
        plan: plan(),
        hooks: vec![Hook {
            does: HookDoes::Hang,
            ..Hook::default()
        }],
        clients: vec![asks(HandlerDoes::Hang, 0)],
        acts: vec![act(100, SIGTERM), act(100, ActDoes::Jump { ms: 3_600_000 })],
        ..Scenario::default()
    });
    for line in [
        "cancelled",
        "phase         force-closing",
        "phase         running-hooks",
        "hook          h0 timed out",
        "phase         disposing",
    ] {
        at(&run, line);
    }
}

/// The law that this run breaks first, if its jump had been one of so many milliseconds, and all from the
/// end on later by so much.
fn broken(run: &Run, scenario: &Scenario, jump: u32, later: Duration) -> Option<String> {
    let mut run = run.clone();
    let mut ends = false;
    for entry in &mut run.trace {
        if let WhatHappened::World(WorldDid::Act(ActDoes::Jump { ms })) = &mut entry.what {
            *ms = jump;
        }
        ends |= entry.server() == Some(&ServerEventKind::Stop);
        if ends {
            entry.at += later;
        }
    }
    let mut oracle = Oracle::new(scenario);
    for entry in &run.trace {
        if oracle.sees(entry).is_break() {
            break;
        }
    }
    oracle.judge(&run).err().map(|violation| violation.law)
}

#[test]
fn a_jump_takes_from_a_lame_duck_and_from_a_hook_what_it_jumps_and_no_more() {
    let lame_duck = Scenario {
        plan: Budget {
            lame_duck_ms: 100,
            ..plan()
        },
        acts: vec![act(10, SIGTERM), act(20, ActDoes::Jump { ms: 60 })],
        ..Scenario::default()
    };
    let hook = Scenario {
        hooks: vec![Hook {
            does: HookDoes::Hang,
            timeout_ms: Some(100),
            ..Hook::default()
        }],
        acts: lame_duck.acts.clone(),
        ..Scenario::default()
    };
    for (scenario, law) in [
        (lame_duck, "readiness off, then accepting"),
        (hook, "no hook given up before its time"),
    ] {
        let run = run(&scenario);
        let ends = at(&run, "phase         disposing");
        assert!((50..=52).contains(&ends), "{}", run.text());
        let broken = |jump, later| broken(&run, &scenario, jump, Duration::from_millis(later));
        assert_eq!(broken(60, 0), None);
        assert_eq!(broken(50, 0).as_deref(), Some(law));
        // It gives nobody time.
        assert_eq!(broken(3_600_000, 0), None);
        let late = broken(3_600_000, 10_000);
        let bounds = ["each phase within its share", "within the budget"];
        assert!(late.is_some_and(|law| bounds.contains(&&*law)));
    }
}

#[test]
fn what_was_due_in_a_freeze_is_done_after_it_as_in_memory() {
    let scenario = Scenario {
        plan: plan(),
        clients: vec![asks(HandlerDoes::Answer, 250), asks(HandlerDoes::Hang, 0)],
        acts: vec![act(100, SIGTERM), act(50, ActDoes::Freeze { ms: 500 })],
        ..Scenario::default()
    };
    let turmoil = run(&scenario);
    let memory = Memory::default().run(&scenario, &mut ()).unwrap();
    assert_eq!(memory.lifecycle(), turmoil.lifecycle());
    assert_eq!(at(&turmoil, "handler#0/0   answered"), 650);
    assert_eq!(at(&turmoil, "phase         force-closing"), 1_100);
}

#[test]
fn a_client_whose_line_is_held_is_late_and_holds_the_stop_up_no_longer_than_its_time() {
    let scenario = |release_ms| Scenario {
        plan: plan(),
        clients: vec![
            asks(HandlerDoes::Answer, 100),
            asks(HandlerDoes::Answer, 20),
        ],
        acts: vec![
            act(50, ActDoes::Hold { client: 0 }),
            act(10, SIGTERM),
            act(release_ms, ActDoes::Release { client: 0 }),
        ],
        ..Scenario::default()
    };
    let run = run(&scenario(2_000));
    // The answer left the server in its time; its last bytes were waited for, for a second.
    assert!(run.report.clone().unwrap().is_clean(), "{}", run.text());
    assert_eq!(at(&run, "client#0      answered 0: 200, 0 bytes"), 2_060);
}

#[test]
fn a_client_that_is_parted_is_never_answered_and_the_server_ends() {
    let run = run(&Scenario {
        plan: plan(),
        clients: vec![
            asks(HandlerDoes::Answer, 100),
            Client {
                home: Home::Own,
                ..Client::default()
            },
        ],
        acts: vec![act(50, ActDoes::Partition { client: 0 }), act(10, SIGTERM)],
        ..Scenario::default()
    });
    assert_eq!(run.end, RunEnd::ClientsLeft(1), "{}", run.text());
    assert!(run.report.unwrap().is_complete());
}

/// Seed 2955: both were over in the time of the longer one, or began in one tick and were taken for one.
#[test]
fn two_freezes_of_one_instant_come_one_after_the_other() {
    let run = run(&Scenario {
        plan: Budget {
            lame_duck_ms: 20,
            ..Budget::default()
        },
        acts: vec![
            act(10, ActDoes::Freeze { ms: 7 }),
            act(0, SIGTERM),
            act(0, ActDoes::Freeze { ms: 5 }),
        ],
        ..Scenario::default()
    });
    // The stop begins within the instant, and its lame duck lasts its time.
    assert_eq!(at(&run, "phase         draining"), 30, "{}", run.text());
}

/// Ends the run at the first entry that a client makes.
struct UntilAClient;

impl Observer for UntilAClient {
    fn sees(&mut self, entry: &Entry) -> ControlFlow<()> {
        if entry.to_string().contains("client#0") {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn an_observer_ends_a_run_where_it_likes() {
    let scenario = Scenario {
        clients: vec![asks(HandlerDoes::Answer, 0)],
        acts: vec![act(100, SIGTERM)],
        ..Scenario::default()
    };
    let run = Turmoil::default()
        .run(&scenario, &mut UntilAClient)
        .unwrap();
    assert_eq!(run.end, RunEnd::Broken);
    assert!(
        run.text().ends_with("client#0      dialled\n"),
        "{}",
        run.text()
    );
}

#[test]
fn a_line_without_latency_is_refused() {
    let scenario = Scenario {
        link: Link {
            latency_ms: 0,
            ..Link::default()
        },
        ..Scenario::default()
    };
    let refused = Turmoil::default().run(&scenario, &mut ());
    assert_eq!(
        refused.unwrap_err(),
        ScenarioError::Unsupported {
            what: "a line without latency",
            world: "turmoil"
        }
    );
}

#[test]
fn every_other_case_drawn_for_turmoil_has_jumps_where_others_have_freezes() {
    let drawn = |seed| WorldName::Turmoil.case(seed).scenario.acts;
    let has = |seed, is: fn(&ActDoes) -> bool| drawn(seed).iter().any(|act| is(&act.does));
    let jumps = |seed| has(seed, |does| matches!(does, ActDoes::Jump { .. }));
    let freezes = |seed| has(seed, |does| matches!(does, ActDoes::Freeze { .. }));
    let seeds = 0..200;
    assert!(seeds.clone().filter(|seed| jumps(*seed)).count() > 5);
    assert!(seeds.clone().filter(|seed| freezes(*seed)).count() > 5);
    for seed in seeds {
        assert!(if seed % 2 == 1 {
            !freezes(seed)
        } else {
            !jumps(seed)
        });
    }
}

#[test]
fn every_law_holds_for_scenarios_drawn_by_lot() {
    for seed in 0..16 {
        run(&WorldName::Turmoil.case(seed).scenario);
    }
}
