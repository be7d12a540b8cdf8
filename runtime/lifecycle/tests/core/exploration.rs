//! Every life there can be in a small world, one after the other (tests of floor 0).
//!
//! The world: two connections, three hooks of which one is after another, three signals, one
//! `stop()`, one `force()`, one `drain()`, one callback that may panic, and worlds with some of it.
//! Everything that is asked of the driver is answered in every way, sooner, later or never; time
//! goes on only to the next timer, or past the time within which a signal counts as repeated.
//!
//! A breadth-first search over fingerprints in a hundred lines, and no model checker: what is
//! wanted is the set of reachable states and a shortest way to a bad one, and a state costs little
//! more than its clone and its hash. It keeps no state but those of the frontier.
//!
//! **Invariant:** a search that compares its count goes on until nothing new is found.

mod answers;

use lamplighter_lifecycle::{
    HookSpec, Input, Instant, Machine, OnDeadline, OnListenerError, Phase, Plan, ServerState,
    Timeline,
};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use self::answers::{Act, Driver, World};
use crate::snapshot::compare;

/// A machine, and what its driver owes it and may still do to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    machine: Machine,
    driver: Driver,
}

impl State {
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// What follows from one act; the laws of a step are held against both ends.
    fn after(&self, act: &Act) -> Result<Self, String> {
        let mut next = self.clone();
        next.driver.act(&mut next.machine, act);
        next.driver.carry_out_all(&mut next.machine)?;
        let (before, after) = (self.machine.phase(), next.machine.phase());
        if after < before || after.state() < before.state() {
            return Err(format!("{before} -> {after}"));
        }
        if let Some(ends_by) = self.machine.ends_by()
            && next.machine.ends_by().is_none_or(|by| by > ends_by)
        {
            return Err(format!(
                "ends by {:?} after {ends_by:?}",
                next.machine.ends_by()
            ));
        }
        if before == Phase::Stopped && self.machine != next.machine {
            return Err("something happens after the end".into());
        }
        Ok(next)
    }

    /// The laws of a state.
    fn check(&self) -> Result<(), String> {
        let machine = &self.machine;
        let phase = machine.phase();
        let due = machine.poll_timeout();
        if machine.has_output() {
            return Err("something is left to be polled".into());
        }
        if phase >= Phase::RunningHooks && machine.open_connections() > 0 {
            return Err(format!("connections in {phase}"));
        }
        match phase.state() {
            ServerState::Stopping => {}
            ServerState::Stopped => return self.check_end(),
            _ => return Ok(()),
        }
        let waits = machine.ends_by().is_none();
        match (due, machine.ends_by()) {
            (Some(due), Some(ends_by)) if due > ends_by => {
                return Err(format!("a timer at {due:?}, to end by {ends_by:?}"));
            }
            (None, _) if !waits || phase > Phase::Draining => {
                return Err(format!("no timer in {phase}"));
            }
            (None, _) => return Ok(()),
            _ => {}
        }
        self.check_alone(waits)
    }

    /// Left alone with its timers, a stop comes to its end, in time, through every phase.
    fn check_alone(&self, waits: bool) -> Result<(), String> {
        let mut alone = self.machine.clone();
        let ends_by = alone.ends_by();
        for _ in 0..40 {
            let Some(due) = alone.poll_timeout() else {
                break;
            };
            alone.handle_timeout(due.max(alone.now()));
        }
        let ended = alone.phase() == Phase::Stopped;
        if waits && alone.phase() <= Phase::Draining {
            return Ok(());
        }
        if !ended {
            return Err(format!("left alone it stays in {}", alone.phase()));
        }
        if !alone.stalled().is_zero() || ends_by.is_some_and(|by| alone.now() > by) {
            return Err(format!(
                "left alone it ends at {:?}, not by {ends_by:?}",
                alone.now()
            ));
        }
        Ok(())
    }

    fn check_end(&self) -> Result<(), String> {
        let report = self.machine.report(&Timeline::default());
        if !self.driver.finished || self.machine.poll_timeout().is_some() {
            return Err("stopped, and it goes on".into());
        }
        if report.hooks.iter().any(|hook| hook.outcome.is_none()) {
            return Err("a hook is not settled".into());
        }
        let ended: u64 = report.connections.ends.iter().sum();
        if report.connections.accepted != ended || report.connections.open != 0 {
            return Err("connections do not add up".into());
        }
        let sum: Duration = report.phases.iter().map(|phase| phase.took).sum();
        if report.phases.len() != Phase::STOPPING.len() || sum != report.total {
            return Err("times do not add up".into());
        }
        if report
            .budget
            .is_some_and(|budget| !self.driver.drained && report.total > budget)
        {
            return Err(format!("took {:?}", report.total));
        }
        Ok(())
    }
}

/// What a search has found.
#[derive(Default)]
struct Found {
    states: BTreeMap<Phase, u64>,
    transitions: u64,
    depth: usize,
    ends: BTreeMap<u8, u64>,
}

/// In what order states are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Breadth first, so that the way to a bad state is a shortest one.
    Breadth,
    /// By fingerprint, which is as good as drawn: where not all can be looked at, deep states are
    /// among those that are.
    Drawn,
}

/// Searches until nothing new is found, or `most` states are known.
fn explore(begins: State, most: usize, order: Order) -> Found {
    let mut found = Found::default();
    let mut known: BTreeMap<u64, (u64, Act)> = BTreeMap::new();
    let mut frontier: BTreeMap<(usize, u64), State> = BTreeMap::new();
    let first = begins.fingerprint();
    known.insert(first, (0, Act::Timer));
    frontier.insert((0, first), begins);
    while let Some(((depth, from), state)) = frontier.pop_first() {
        found.count(&state);
        for act in state.driver.acts(&state.machine) {
            found.transitions += 1;
            let after = state.after(&act);
            let checked = after.and_then(|after| after.check().map(|()| after));
            let after = match checked {
                Ok(after) => after,
                Err(wrong) => panic!("{wrong}\nby {act:?}, after {:#?}", way(&known, from)),
            };
            let fingerprint = after.fingerprint();
            if known.len() >= most || known.contains_key(&fingerprint) {
                continue;
            }
            known.insert(fingerprint, (from, act));
            let depth = match order {
                Order::Breadth => depth + 1,
                Order::Drawn => 0,
            };
            frontier.insert((depth, fingerprint), after);
            found.depth = found.depth.max(depth);
        }
    }
    found
}

impl Found {
    fn count(&mut self, state: &State) {
        let phase = state.machine.phase();
        *self.states.entry(phase).or_default() += 1;
        if phase == Phase::Stopped {
            let report = state.machine.report(&Timeline::default());
            *self.ends.entry(report.outcome.exit_code()).or_default() += 1;
        }
    }
}

/// A shortest way from the beginning to a state.
fn way(known: &BTreeMap<u64, (u64, Act)>, to: u64) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut at = to;
    while let Some((from, act)) = known.get(&at) {
        acts.push(act.clone());
        at = *from;
    }
    acts.reverse();
    acts
}

fn begins(world: World, on_deadline: OnDeadline) -> State {
    let mut machine = Machine::new();
    machine.set_plan(
        Plan::new()
            .lame_duck(Duration::from_millis(400))
            .drain_timeout(Duration::from_millis(800))
            .hooks_timeout(Duration::from_millis(800))
            .margin(Duration::from_millis(400))
            .ready_timeout(Duration::from_millis(100) * (world.pulses + 1))
            .on_deadline(on_deadline)
            .on_listener_error(OnListenerError::Continue),
    );
    let hooks = [
        HookSpec::named("database"),
        HookSpec::named("cache").after(["database"]),
        HookSpec::anonymous(),
    ];
    for hook in hooks.into_iter().take(world.hooks) {
        machine.register_hook(hook).unwrap();
    }
    machine.handle_timeout(Instant::from_nanos(1_000_000_000));
    State {
        machine,
        driver: Driver::new(world),
    }
}

/// What was found, if the search came to its end.
fn text(found: &Found) -> String {
    let mut text = format!(
        "{} states, {} transitions, at most {} steps\n\n",
        found.states.values().sum::<u64>(),
        found.transitions,
        found.depth,
    );
    for (phase, states) in &found.states {
        text += &format!("{phase:<14}{states:>8}\n");
    }
    text.push('\n');
    for (code, ends) in &found.ends {
        text += &format!("exit code {code:<4}{ends:>8}\n");
    }
    text
}

/// Searches a world to its end, and compares what was found. Where fewer sequences are asked for,
/// a part has to do.
fn explore_all(name: &str, world: World, on_deadline: OnDeadline) {
    let begins = begins(world, on_deadline);
    if crate::hostile::is_shortened() {
        explore(begins, 3_000, Order::Drawn);
    } else {
        let found = explore(begins, usize::MAX, Order::Breadth);
        compare(name, &text(&found));
    }
}

#[test]
fn every_state_with_two_connections_keeps_the_laws() {
    let world = World {
        connections: 2,
        hooks: 0,
        signals: 3,
        calls: 1,
        panics: 0,
        breaks: 0,
        lingers: false,
        pulses: 0,
    };
    explore_all(
        "machine__explored_connections",
        world,
        OnDeadline::ForceClose,
    );
}

#[test]
fn every_state_of_a_wait_without_end_keeps_the_laws() {
    let world = World {
        connections: 1,
        hooks: 0,
        signals: 3,
        calls: 1,
        panics: 1,
        breaks: 0,
        lingers: false,
        pulses: 0,
    };
    explore_all("machine__explored_waiting", world, OnDeadline::KeepWaiting);
}

#[test]
fn every_state_of_a_server_that_goes_on_without_a_listener_keeps_the_laws() {
    let world = World {
        connections: 1,
        hooks: 0,
        signals: 2,
        calls: 1,
        panics: 0,
        breaks: 2,
        lingers: false,
        pulses: 0,
    };
    explore_all("machine__explored_listeners", world, OnDeadline::ForceClose);
}

#[test]
fn every_state_with_three_hooks_keeps_the_laws() {
    let world = World {
        connections: 0,
        hooks: 3,
        signals: 1,
        calls: 0,
        panics: 0,
        breaks: 0,
        lingers: false,
        pulses: 0,
    };
    explore_all("machine__explored_hooks", world, OnDeadline::ForceClose);
}

#[test]
fn every_state_with_a_callback_that_may_panic_keeps_the_laws() {
    let world = World {
        connections: 1,
        hooks: 1,
        signals: 3,
        calls: 0,
        panics: 1,
        breaks: 0,
        lingers: false,
        pulses: 0,
    };
    explore_all("machine__explored_callbacks", world, OnDeadline::ForceClose);
}

#[test]
fn every_state_with_a_connection_that_lingers_keeps_the_laws() {
    for (name, hooks) in [
        ("machine__explored_linger", 0),
        ("machine__explored_linger_beside_a_hook", 1),
    ] {
        let world = World {
            connections: 1,
            hooks,
            signals: 3,
            calls: 0,
            panics: 0,
            breaks: 0,
            lingers: true,
            pulses: 0,
        };
        explore_all(name, world, OnDeadline::ForceClose);
    }
}

#[test]
fn every_state_of_a_start_that_waits_for_its_checks_keeps_the_laws() {
    let world = World {
        connections: 0,
        hooks: 1,
        signals: 2,
        calls: 0,
        panics: 0,
        breaks: 0,
        lingers: false,
        pulses: 2,
    };
    explore_all("machine__explored_start", world, OnDeadline::ForceClose);
}

// All of it at once has far more states than can be looked at in a test.
#[test]
fn a_hundred_thousand_states_with_everything_at_once_keep_the_laws() {
    let world = World {
        connections: 2,
        hooks: 3,
        signals: 3,
        calls: 1,
        panics: 1,
        breaks: 0,
        lingers: true,
        pulses: 0,
    };
    let most = if crate::hostile::is_shortened() {
        3_000
    } else {
        100_000
    };
    // From a server that runs: the ways there are searched to their end elsewhere.
    let mut running = begins(world, OnDeadline::ForceClose);
    let callbacks = Act::Callbacks { panic: false };
    for act in [
        Act::Input(Input::Start),
        callbacks.clone(),
        Act::Input(Input::Bound),
        Act::Input(Input::Ready),
        callbacks,
        answers::opened(1),
        answers::opened(2),
    ] {
        running = running.after(&act).unwrap();
    }
    let found = explore(running, most, Order::Drawn);
    assert_eq!(found.states.values().sum::<u64>(), most as u64);
    let reached: Vec<Phase> = found.states.into_keys().collect();
    assert_eq!(reached, Phase::ALL[2..]);
}
