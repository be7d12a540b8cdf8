//! The world of turmoil by itself: what its network does, and a server that knows nothing of it.

mod faults;
mod network;
mod server;
mod stage;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clock::StepClock;
use super::hosts::{Hosts, Setting};
use crate::scenario::Bind;

const LATENCY: Duration = Duration::from_millis(2);
const WINDOW: usize = 16 * 1024;

/// A simulation with a shared host, and client 1 on a host of its own; and its clock.
fn hosts() -> (Hosts, StepClock) {
    let clock = StepClock::default();
    let setting = Setting {
        others: 0,
        seed: 7,
        latency: LATENCY,
        window: WINDOW,
        clients: 64,
        bind: Bind::Ok,
        alone: vec![1],
    };
    (Hosts::new(&setting, clock.clone(), None), clock)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What the processes of one simulation tell, with the simulation's time.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn tell(&self, hosts_now: Duration, line: impl std::fmt::Display) {
        let line = format!("{:>4} {line}", hosts_now.as_millis());
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Runs on until `done`, for ten seconds at most.
fn step_until(hosts: &mut Hosts, done: impl Fn() -> bool) {
    while !done() {
        assert!(hosts.now() < millis(10_000), "not done after ten seconds");
        step_for(hosts, 1);
    }
}

/// Runs on for so long.
fn step_for(hosts: &mut Hosts, ticks: u64) {
    for _ in 0..ticks {
        hosts.step().unwrap();
        hosts.tick();
    }
}
