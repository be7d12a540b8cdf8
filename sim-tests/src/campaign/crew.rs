//! The threads of a campaign, and what they tell while they work.
//!
//! **Invariant:** what is found does not depend on how many threads there are, only its order in time.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::Arguments;
use super::failure::Failure;
use super::judge::Judge;
use super::rate::now;
use super::summary::Summary;
use crate::coverage::Coverage;

/// How many cases a thread takes at once.
const TAKEN: usize = 32;

/// One case in so many is run twice, to see whether its trace is the same.
const TWICE: u64 = 32;

/// How many failures of one law are shrunk: the first ones show what is wrong, the rest that it is
/// frequent.
const SHRUNK: u32 = 3;

/// How often a campaign that nobody watches says where it is.
const SAYS: Duration = Duration::from_secs(10);

/// Runs all cases that the arguments name.
pub(super) fn work(judge: &Judge, arguments: &Arguments) -> Summary {
    let began = now();
    let desk = Desk::new(judge, arguments);
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.get() {
            scope.spawn(|| desk.work());
        }
    });
    desk.close(began.elapsed())
}

/// Where the threads take their cases from and bring what they found.
struct Desk<'a> {
    judge: &'a Judge,
    seeds: Mutex<Box<dyn Iterator<Item = u64> + Send>>,
    failed: AtomicU64,
    /// How many failures of each law were shrunk.
    shrunk: Mutex<BTreeMap<String, u32>>,
    found: Mutex<(Vec<Failure>, Coverage)>,
    bar: ProgressBar,
    says: Mutex<std::time::Instant>,
}

impl<'a> Desk<'a> {
    fn new(judge: &'a Judge, arguments: &Arguments) -> Self {
        let many = arguments.seeds().count() as u64;
        Self {
            judge,
            seeds: Mutex::new(Box::new(arguments.seeds())),
            failed: AtomicU64::new(0),
            shrunk: Mutex::default(),
            found: Mutex::default(),
            bar: bar(many),
            says: Mutex::new(now()),
        }
    }

    /// Works until there are no cases left.
    fn work(&self) {
        let mut failures = Vec::new();
        let mut coverage = Coverage::new();
        loop {
            let seeds: Vec<u64> = lock(&self.seeds).by_ref().take(TAKEN).collect();
            if seeds.is_empty() {
                break;
            }
            for seed in &seeds {
                let case = self.judge.world().case(*seed);
                let verdict = if case.swarm.bits().is_multiple_of(TWICE) {
                    self.judge.judge_twice(&case.scenario)
                } else {
                    self.judge.judge(&case.scenario)
                };
                coverage.count(*seed, &case.scenario, &verdict.trace);
                if let Some(violation) = verdict.violation {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    let failure = Failure::new(self.judge, case, violation);
                    let shrinks = self.may_shrink(&failure.violation.law);
                    failures.push(if shrinks {
                        failure.shrunk(self.judge)
                    } else {
                        failure
                    });
                }
            }
            self.tell(seeds.len() as u64);
        }
        let mut found = lock(&self.found);
        found.0.append(&mut failures);
        found.1.merge(&coverage);
    }

    fn may_shrink(&self, law: &str) -> bool {
        let mut shrunk = lock(&self.shrunk);
        let many = shrunk.entry(law.to_owned()).or_default();
        *many += 1;
        *many <= SHRUNK
    }

    fn tell(&self, more: u64) {
        self.bar.inc(more);
        let failed = self.failed.load(Ordering::Relaxed);
        self.bar.set_message(format!("{failed} failed"));
        if !self.bar.is_hidden() {
            return;
        }
        let mut says = lock(&self.says);
        if says.elapsed() >= SAYS {
            *says = now();
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
            let rate = self.bar.per_sec();
            // For a log that nobody watches: a closed one is no reason to stop.
            drop(std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("{done} of {all} cases, {rate:.0} a second, {failed} failed\n").as_bytes(),
            ));
        }
    }

    fn close(self, took: Duration) -> Summary {
        self.bar.finish_and_clear();
        let (mut failures, coverage) = self
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        failures.sort_by_key(|failure| failure.case.seed);
        Summary {
            cases: coverage.runs(),
            took,
            failures,
            coverage,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Cases are run outside of it, so that what it holds is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bar(many: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(many), ProgressDrawTarget::stderr_with_hz(4));
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = "{bar:40} {human_pos}/{human_len} cases, {per_sec}, {eta} left, {msg}";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
