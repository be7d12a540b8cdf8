//! How many cases a second.
//!
//! **Invariant:** measured on one thread, generation and judgement included, as in a campaign; told by
//! the time that the thread was busy, which others on the machine do not change, and by the clock.

use std::io::{self, Write};
use std::time::Duration;

use super::Ended;
use super::judge::Judge;
use super::worlds::WorldName;
use crate::strategy::Case;

/// How many rounds there are; the median of them counts.
const ROUNDS: u64 = 15;

/// A shape of a case, and how many of it are run in a round.
struct Shape {
    name: &'static str,
    case: fn(u64) -> Case,
    cases: u64,
}

const SHAPES: [Shape; 2] = [
    Shape {
        name: "small",
        case: Case::small,
        cases: 2_000,
    },
    Shape {
        name: "typical",
        case: Case::typical,
        cases: 200,
    },
];

/// What a round took, and what was seen in it.
struct Round {
    /// Cases a second of the time that this thread was busy.
    busy: u64,
    /// Cases a second of real time.
    clock: u64,
    /// Lines of the server.
    server: usize,
    /// Lines of everybody.
    all: usize,
}

/// Measures it and tells.
pub(super) fn tell(out: &mut dyn Write) -> io::Result<Ended> {
    for shape in SHAPES {
        // A round that does not count: until then nothing is where it will be.
        shape.round(ROUNDS);
        let rounds: Vec<Round> = (0..ROUNDS).map(|round| shape.round(round)).collect();
        let many = usize::try_from(ROUNDS * shape.cases).unwrap_or(usize::MAX);
        let lines = |of: fn(&Round) -> usize| rounds.iter().map(of).sum::<usize>() / many;
        writeln!(
            out,
            "{}: {} cases a second of a core's time, {} of the clock's \
             (medians of {ROUNDS} rounds of {}); a case has {} lines of the server, {} of all",
            shape.name,
            Spread::of(&rounds, |round| round.busy),
            Spread::of(&rounds, |round| round.clock),
            shape.cases,
            lines(|round| round.server),
            lines(|round| round.all),
        )?;
    }
    Ok(Ended::Passed)
}

impl Shape {
    fn round(&self, round: u64) -> Round {
        let judge = Judge::new(WorldName::Memory);
        let (mut server, mut all) = (0, 0);
        let (busy_before, began) = (busy(), now());
        for place in 0..self.cases {
            let case = (self.case)(round * self.cases + place);
            let trace = judge.judge(&case.scenario).trace;
            server += trace.iter().filter(|it| it.server().is_some()).count();
            all += trace.len();
        }
        let (busy_after, took) = (busy(), began.elapsed());
        let busy = busy_after.saturating_sub(busy_before);
        Round {
            busy: per_second(self.cases, busy),
            clock: per_second(self.cases, took),
            server,
            all,
        }
    }
}

/// A median, and what it lies between.
struct Spread {
    least: u64,
    median: u64,
    most: u64,
}

impl Spread {
    fn of(rounds: &[Round], what: impl Fn(&Round) -> u64) -> Self {
        let mut all: Vec<u64> = rounds.iter().map(what).collect();
        all.sort_unstable();
        let at = |place: usize| all.get(place).copied().unwrap_or_default();
        Self {
            least: at(0),
            median: at(all.len() / 2),
            most: at(all.len().saturating_sub(1)),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            least,
            median,
            most,
        } = self;
        write!(f, "{median} ({least} to {most})")
    }
}

/// How long this thread has been running on a core.
#[cfg(unix)]
fn busy() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The real time, where a thread's own is not to be had.
#[cfg(not(unix))]
fn busy() -> Duration {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(now).elapsed()
}

/// The real time: what a simulation costs is not simulated.
#[expect(
    clippy::disallowed_methods,
    reason = "the speed of the simulator is the one thing here that real time is about"
)]
pub(super) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// How many of so many a second.
pub(super) fn per_second(many: u64, took: Duration) -> u64 {
    let micros = took.as_micros().max(1);
    u64::try_from(u128::from(many) * 1_000_000 / micros).unwrap_or(u64::MAX)
}
