//! The health of one server: its lifecycle's gate, and the checks of its components (floor 2).
//!
//! **Invariant:** nothing global: two servers of one process know nothing of each other.
//! **Invariant:** readiness is set by the lifecycle alone.

mod check;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use lamplighter_lifecycle::Readiness;

pub use check::Check;

use crate::os::clock::Clock;
use crate::os::tasks::let_go;

/// The health of one server. A clone is the same health.
#[derive(Clone, Debug, Default)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ready: AtomicBool,
    checks: Mutex<Vec<Arc<Check>>>,
}

impl Health {
    /// Adds a readiness check. The server becomes ready only after one round in which every check
    /// was green; one that is added after that has no part in it.
    pub fn check(&self, check: Check) {
        self.lock().push(Arc::new(check));
    }

    /// Whether the server should get traffic: it became ready, and no stop has begun.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.ready.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, readiness: Readiness) {
        let ready = readiness == Readiness::Ready;
        self.inner.ready.store(ready, Ordering::Release);
    }

    /// Runs every check once, side by side; whether all were green. `red` is told what is not green
    /// whenever that changes. A check that has not answered yet counts as what it said in the round
    /// before, which `answers` brings along.
    pub(crate) async fn round(
        &self,
        clock: &Clock,
        answers: &mut Answers,
        red: impl Fn(Arc<str>),
    ) -> bool {
        let checks = self.lock().clone();
        answers.0.resize(checks.len(), Answer::None);
        let answers = Mutex::new(answers);
        let known = || answers.lock().unwrap_or_else(PoisonError::into_inner);
        let tell = || {
            let text = not_green(&checks, &known().0);
            if let Some(text) = text {
                red(text);
            }
        };
        tell();
        let all = checks.iter().enumerate().map(async |(place, check)| {
            let answer = check.run(clock).await;
            let green = answer.is_ok();
            if let Some(slot) = known().0.get_mut(place) {
                *slot = answer.map_or_else(Answer::Red, |()| Answer::Green);
            }
            tell();
            green
        });
        join_all(all).await.into_iter().all(|green| green)
    }

    /// Lets go of the checks, and of what they captured.
    pub(crate) fn clear(&self) {
        let checks = std::mem::take(&mut *self.lock());
        checks.into_iter().for_each(let_go);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Check>>> {
        let checks = self.inner.checks.lock();
        checks.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the checks have said, from round to round.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<Answer>);

/// What a check has said last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing so far.
    None,
    Green,
    Red(String),
}

/// The checks that are not green, in order of registration; `None` if all are.
fn not_green(checks: &[Arc<Check>], answers: &[Answer]) -> Option<Arc<str>> {
    let lines: Vec<String> = checks
        .iter()
        .zip(answers)
        .filter_map(|(check, answer)| match answer {
            Answer::Green => None,
            Answer::None => Some(format!("check {} has not answered", check.name())),
            Answer::Red(error) => Some(format!("check {} is red: {error}", check.name())),
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("; ").into())
}
