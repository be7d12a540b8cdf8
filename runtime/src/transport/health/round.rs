//! Rounds of readiness checks, as a start runs them until one is all green (floor 2).
//!
//! **Invariant:** a round asks every check, however fresh its last answer is.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;

use super::{Check, Health};
use crate::os::clock::Clock;

impl Health {
    /// Runs every check once, side by side; whether all were green. `red` is told what is not green
    /// whenever that changes. A check that has not answered yet counts as what it said in the round
    /// before, which `answers` brings along.
    pub(crate) async fn round(
        &self,
        clock: &Clock,
        answers: &mut Answers,
        red: impl Fn(Arc<str>),
    ) -> bool {
        let checks = self.checks();
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
    Red(Arc<str>),
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
