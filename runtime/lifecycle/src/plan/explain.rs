//! A plan as text for a person: its timeline, and what has to stand around it (floor 0).
//!
//! **Invariant:** every number printed is one of the budget's, or is computed from these alone.

mod surroundings;
mod timeline;

use core::fmt;

use super::Plan;

/// Prints a plan that holds, or the reason why it does not.
pub(super) struct Explanation<'a>(pub(super) &'a Plan);

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.budget() {
            Ok(budget) => {
                timeline::write(f, &budget)?;
                surroundings::write(f, &budget)
            }
            Err(error) => error.fmt(f),
        }
    }
}
