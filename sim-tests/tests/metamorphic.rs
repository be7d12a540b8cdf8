//! Pairs of runs: one signal more makes nothing later, and what fails changes only its own outcome.

use std::time::Duration;

use lamplighter::{ServerEventKind, Signal, SignalTaken};
use lamplighter_sim::oracle::paired::{Change, EXTRA_SIGNAL, FAILURE};
use lamplighter_sim::strategy::Case;
use lamplighter_sim::trace::{WhatHappened, WorldDid};
use lamplighter_sim::{
    AcceptFault, Act, ActDoes, Budget, Callback, CallbackDoes, Client, ClientDoes, Defences, Entry,
    HandlerDoes, Hook, HookDoes, Link, Memory, Moment, Observer, Request, Run, Scenario,
    ScenarioError, Worker, WorkerDoes, World,
};

/// How many cases are drawn; each has some changes to be tried.
const SEEDS: u64 = 150;

#[test]
fn cases_drawn_by_lot_keep_the_laws_of_pairs() {
    for seed in 0..SEEDS {
        let Case { scenario, .. } = Case::new(seed);
        for change in Change::all(&scenario) {
            let held = change.judge(&Memory::default(), &scenario).unwrap();
            assert_eq!(held, Ok(()), "seed {seed}: {scenario:#?}");
        }
    }
}

#[test]
fn every_kind_of_change_is_drawn() {
    let mut kinds = [0; 6];
    for seed in 0..SEEDS {
        for change in Change::all(&Case::new(seed).scenario) {
            kinds[match change {
                Change::Hook { .. } => 0,
                Change::Worker { .. } => 1,
                Change::Callback { .. } => 2,
                Change::Check { .. } => 3,
                Change::Handler { .. } => 4,
                Change::Signal { .. } => 5,
            }] += 1;
        }
    }
    assert!(kinds.iter().all(|times| *times > 0), "{kinds:?}");
}

/// Two hooks, a worker, a callback and a client, stopped by a signal.
fn ordinary() -> Scenario {
    let hook = Hook {
        takes_ms: 20,
        ..Hook::default()
    };
    Scenario {
        hooks: vec![hook, Hook { after: 1, ..hook }],
        workers: vec![Worker {
            takes_ms: 5,
            does: WorkerDoes::Ok,
        }],
        callbacks: vec![Callback::default()],
        clients: vec![Client::default()],
        acts: vec![Act {
            gap_ms: 50,
            does: ActDoes::Signal(Signal::Sigterm),
        }],
        ..Scenario::default()
    }
}

/// A world in which everything from this event on comes later, where the scenario is like that.
struct Late {
    since: fn(&ServerEventKind) -> bool,
    of: fn(&Scenario) -> bool,
}

impl World for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn run(&self, scenario: &Scenario, observer: &mut dyn Observer) -> Result<Run, ScenarioError> {
        let mut run = Memory::default().run(scenario, observer)?;
        if (self.of)(scenario) {
            let since = |event: &&ServerEventKind| (self.since)(event);
            let from = run
                .trace
                .iter()
                .position(|entry| entry.server().filter(since).is_some());
            let late = run.trace.iter_mut().skip(from.unwrap_or(usize::MAX));
            late.for_each(|entry| entry.at += Duration::from_millis(1));
        }
        Ok(run)
    }
}

#[test]
fn a_failure_that_makes_another_hook_late_is_found() {
    let world = Late {
        since: |event| matches!(event, ServerEventKind::HookStarted(hook) if hook.as_str() == "h1"),
        of: |scenario| scenario.hooks[0].does == HookDoes::Fail,
    };
    let change = Change::Hook {
        place: 0,
        does: HookDoes::Fail,
    };
    let violation = change.judge(&world, &ordinary()).unwrap().unwrap_err();
    assert_eq!(violation.law, FAILURE);
    // Without it nothing is late.
    let change = Change::Hook {
        place: 0,
        does: HookDoes::Panic,
    };
    assert_eq!(change.judge(&world, &ordinary()).unwrap(), Ok(()));
}

/// A world whose owner is told of the end before the last act befalls where a callback panics, and after
/// it where none does.
struct Prompt;

impl World for Prompt {
    fn name(&self) -> &'static str {
        "prompt"
    }

    fn run(&self, scenario: &Scenario, observer: &mut dyn Observer) -> Result<Run, ScenarioError> {
        let mut run = Memory::default().run(scenario, observer)?;
        let last = |entry: &Entry| matches!(entry.what, WhatHappened::World(WorldDid::Act(_)));
        let panics = |callback: &Callback| callback.does == CallbackDoes::Panic;
        if scenario.callbacks.iter().any(panics)
            && let Some(act) = run.trace.iter().rposition(last)
        {
            let act = run.trace.remove(act);
            run.trace.push(act);
        }
        Ok(run)
    }
}

#[test]
fn whether_the_owner_returns_before_or_after_an_act_of_the_same_instant_is_nothing_to_anybody() {
    let mut scenario = ordinary();
    scenario.clients.clear();
    let last = |gap_ms| Act {
        gap_ms,
        does: ActDoes::Signal(Signal::Sigterm),
    };
    // It ends when both hooks have, in the instant of the second signal.
    scenario.acts.push(last(40));
    let change = Change::Callback { place: 0 };
    let base = Memory::default().run(&scenario, &mut ()).unwrap();
    let prompt = Prompt.run(&change.of(&scenario), &mut ()).unwrap();
    let returned = |run: &Run| {
        let returned = |entry: &Entry| entry.what == WorldDid::Returned.into();
        run.trace.iter().position(returned).unwrap() + 1
    };
    assert_eq!(returned(&base), base.trace.len(), "{}", base.text());
    assert!(returned(&prompt) < prompt.trace.len(), "{}", prompt.text());
    assert_eq!(change.judge(&Prompt, &scenario).unwrap(), Ok(()));
}

#[test]
fn an_owner_who_returns_later_is_found() {
    let world = Late {
        since: |event| *event == ServerEventKind::Stop,
        of: |scenario| scenario.callbacks[0].does == CallbackDoes::Panic,
    };
    let change = Change::Callback { place: 0 };
    let violation = change.judge(&world, &ordinary()).unwrap().unwrap_err();
    assert_eq!(violation.law, FAILURE);
    assert!(violation.what.contains("returned"), "{violation}");
}

/// Seed 7640: the life ends in the instant in which a signal comes that is nothing to it. Where a callback
/// has panicked the end takes a turn more, and the signal comes before it.
#[test]
fn a_turn_more_before_an_act_of_the_same_instant_is_no_consequence_and_a_later_one_is() {
    let scenario = Scenario {
        link: Link {
            latency_ms: 0,
            ..Link::default()
        },
        plan: Budget {
            margin_ms: 0,
            ..Budget::default()
        },
        callbacks: vec![Callback {
            on: Moment::Stopping,
            ..Callback::default()
        }],
        clients: vec![Client {
            gap_ms: 11,
            does: ClientDoes::Http1 {
                requests: vec![Request {
                    gap_ms: 64,
                    ..Request::default()
                }],
            },
            ..Client::default()
        }],
        acts: vec![
            Act {
                gap_ms: 24,
                ..Act::default()
            },
            Act {
                gap_ms: 51,
                does: ActDoes::Freeze { ms: 0 },
            },
            Act::default(),
        ],
        ..Scenario::default()
    };
    let change = Change::Callback { place: 0 };
    let counts = |scenario: &Scenario| {
        let run = Memory::default().run(scenario, &mut ()).unwrap();
        run.trace.iter().any(|entry| {
            let repeated = SignalTaken::Repeated;
            matches!(entry.server(), Some(ServerEventKind::Signal { taken, .. }) if *taken == repeated)
        })
    };
    assert!(!counts(&scenario));
    assert!(counts(&change.of(&scenario)));
    assert_eq!(change.judge(&Memory::default(), &scenario).unwrap(), Ok(()));
    // Nobody but the server makes its end later.
    let world = Late {
        since: |event| *event == ServerEventKind::Stop,
        of: |scenario| scenario.callbacks[0].does == CallbackDoes::Panic,
    };
    let mut alone = scenario;
    alone.acts.truncate(1);
    let violation = change.judge(&world, &alone).unwrap().unwrap_err();
    assert_eq!(violation.law, FAILURE);
}

#[test]
fn a_signal_that_makes_a_step_later_is_found() {
    let world = Late {
        since: |event| matches!(event, ServerEventKind::Stopping(_)),
        of: |scenario| scenario.acts.len() > 1,
    };
    let change = Change::Signal {
        before: 1,
        gap_ms: 0,
    };
    let violation = change.judge(&world, &ordinary()).unwrap().unwrap_err();
    assert_eq!(violation.law, EXTRA_SIGNAL);
}

#[test]
fn a_signal_more_keeps_the_times_of_the_acts_after_it() {
    let scenario = ordinary();
    let change = Change::Signal {
        before: 0,
        gap_ms: 20,
    };
    let gaps: Vec<u32> = change
        .of(&scenario)
        .acts
        .iter()
        .map(|act| act.gap_ms)
        .collect();
    assert_eq!(gaps, [20, 30]);
}

/// Seed 10008292: the signal comes before the request whose connection has no time for it.
#[test]
fn a_signal_before_a_limit_cuts_has_no_law_since_a_drain_gives_its_work_time() {
    let scenario = |max_age_grace_ms| Scenario {
        link: Link {
            latency_ms: 0,
            ..Link::default()
        },
        defences: Defences {
            max_requests: Some(1),
            max_age_grace_ms,
            ..Defences::default()
        },
        clients: vec![Client {
            does: ClientDoes::Http1 {
                requests: vec![Request {
                    does: HandlerDoes::Hang,
                    ..Request::default()
                }],
            },
            ..Client::default()
        }],
        acts: vec![Act {
            gap_ms: 1,
            ..Act::default()
        }],
        ..Scenario::default()
    };
    let first = Change::Signal {
        before: 0,
        gap_ms: 0,
    };
    let world = Memory::default();
    let held = first.judge(&world, &scenario(Some(0))).unwrap();
    assert_eq!(held.unwrap_err().law, EXTRA_SIGNAL);
    assert!(!Change::all(&scenario(Some(0))).contains(&first));
    // Without such a limit the law holds.
    assert!(Change::all(&scenario(None)).contains(&first));
    assert_eq!(first.judge(&world, &scenario(None)).unwrap(), Ok(()));
}

/// Seed 50004948: told by its age a connection would have had its goodbye a millisecond earlier.
#[test]
fn a_signal_before_a_limit_tells_has_no_law_where_goodbyes_are_spread() {
    let scenario = |drain_spread_ms| Scenario {
        plan: Budget {
            drain_spread_ms,
            ..Budget::default()
        },
        defences: Defences {
            max_age_ms: Some(30),
            ..Defences::default()
        },
        clients: vec![Client {
            does: ClientDoes::NoPong,
            ..Client::default()
        }],
        acts: vec![Act {
            gap_ms: 66,
            ..Act::default()
        }],
        ..Scenario::default()
    };
    let earlier = Change::Signal {
        before: 0,
        gap_ms: 33,
    };
    let world = Memory::default();
    let held = earlier.judge(&world, &scenario(2)).unwrap();
    assert_eq!(held.unwrap_err().law, EXTRA_SIGNAL);
    assert!(!Change::all(&scenario(2)).contains(&earlier));
    assert!(Change::all(&scenario(0)).contains(&earlier));
    assert_eq!(earlier.judge(&world, &scenario(0)).unwrap(), Ok(()));
}

#[test]
fn a_signal_before_an_accept_that_fails_has_no_law_since_another_one_would_fail() {
    let mut scenario = ordinary();
    let signals = |scenario: &Scenario| {
        let changes = Change::all(scenario).into_iter();
        changes
            .filter(|change| change.law() == EXTRA_SIGNAL)
            .count()
    };
    assert_ne!(signals(&scenario), 0);
    let does = ActDoes::AcceptErrors {
        times: 1,
        error: AcceptFault::TooManyFiles,
    };
    scenario.acts.insert(0, Act { gap_ms: 1, does });
    assert_eq!(signals(&scenario), 0);
}
