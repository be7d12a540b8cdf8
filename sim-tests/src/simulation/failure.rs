//! What is told of a case in which a law was broken.
//!
//! **Invariant:** the text is enough to work on it: what is wrong, the smallest case, what happened.

use std::error::Error;
use std::fmt;

use crate::oracle::Violation;
use crate::scenario::Scenario;
use crate::trace::{Entry, Text};

/// A law was broken. Prints as a person wants to read it, by `{}` and by `{:?}` alike.
pub struct Failure {
    /// The number that the case was drawn from; `None` if it was written by hand.
    pub seed: Option<u64>,
    /// What is wrong.
    pub violation: Violation,
    /// The case: the smallest one that breaks the same law, where it was looked for.
    pub scenario: Scenario,
    /// What happened in it.
    pub trace: Vec<Entry>,
    /// How many cases were run to make it small.
    pub runs: u32,
    /// The test that has run it.
    pub(super) test: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seed) = self.seed {
            writeln!(f, "seed {seed}: {}", self.violation)?;
            // Whatever else the tests of a crate simulate would take the number for its own.
            let test = self.test.as_deref().map(|test| format!(" {test}"));
            let test = test.unwrap_or_default();
            writeln!(
                f,
                "replay: {}={seed} cargo test{test}",
                super::campaign::SEED
            )?;
            writeln!(f, "\nthe smallest case, after {} runs:", self.runs)?;
        } else {
            writeln!(f, "{}\n\nthe case:", self.violation)?;
        }
        write!(f, "\n{:#?}\n\n{}", self.scenario, Text::new(&self.trace))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failure {}
