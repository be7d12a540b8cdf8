//! Lives of servers of two kinds, in turns, and what is said of them.
//!
//! **Invariant:** neither kind is always the one that comes second.

use std::time::{Duration, Instant};

/// How long one life took, in microseconds: all of it, its start, its request, its stop.
pub(crate) struct Life([f64; 4]);

impl Life {
    /// From when it began, when it was ready, when its request was answered, when it was over.
    pub(crate) fn of([begun, ready, answered, over]: [Instant; 4]) -> Self {
        let parts = [
            over - begun,
            ready - begun,
            answered - ready,
            over - answered,
        ];
        Self(parts.map(|part: Duration| part.as_secs_f64() * 1e6))
    }
}

/// The names of the parts.
const PARTS: [&str; 4] = ["life", "start", "request", "stop"];

/// The value below which this share of them is.
fn share(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// The median and the 90th percentile.
fn shares(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [0.5, 0.9].map(|at| share(&values, at))
}

/// Has servers of two kinds live in turns, so many pairs of them, and prints a line for each part of
/// their lives; the ratio is that of two which lived right after one another.
pub(crate) async fn compare(
    what: &str,
    one: impl AsyncFn() -> Life,
    other: impl AsyncFn() -> Life,
    pairs: usize,
) {
    let mut lives = Vec::with_capacity(pairs);
    for pair in 0..pairs + pairs / 10 {
        let life = if pair % 2 == 0 {
            let one = one().await;
            (one, other().await)
        } else {
            let other = other().await;
            (one().await, other)
        };
        // The first tenth warms up.
        if pair >= pairs / 10 {
            lives.push(life);
        }
    }
    for (part, name) in PARTS.into_iter().enumerate() {
        let pairs = lives.iter().map(|(Life(one), Life(other))| {
            let part = |life: &[f64; 4]| life.get(part).copied().unwrap_or(f64::NAN);
            (part(one), part(other))
        });
        let [one, one_90] = shares(pairs.clone().map(|(one, _)| one));
        let [other, other_90] = shares(pairs.clone().map(|(_, other)| other));
        let [ratio, ratio_90] = shares(pairs.map(|(one, other)| one / other));
        #[expect(clippy::print_stdout, reason = "what a benchmark is for")]
        {
            println!(
                "{what:32} {name:7} {one:5.0} us (p90 {one_90:5.0}) : {other:5.0} us (p90 {other_90:5.0}), \
                 ratio {ratio:.2} (p90 {ratio_90:.2})"
            );
        }
    }
}
