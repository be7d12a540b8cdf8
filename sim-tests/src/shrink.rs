//! Makes a failing case smaller, until nothing simpler fails.
//!
//! It works on plain data and knows nothing of how a case was drawn: each part of a scenario knows the
//! [steps](Simplify) that lead from it to something simpler, and a [`Shrinking`] takes them one by one,
//! keeping those after which the case still fails. Times are gaps, so what is left keeps its shape
//! when a thing before it is taken out. What taking out does not find, putting one thing in the place of
//! several may.
//!
//! **Invariant:** every step leads down, so shrinking ends: things get fewer, kinds simpler, and a
//! number becomes what it is by default or comes nearer to zero.

mod amounts;
mod lists;
mod one;
mod parts;
mod whole;

pub use amounts::Simplify;

use crate::scenario::Scenario;

/// A failing case on its way to a smaller one.
///
/// Ask for a [`candidate`](Self::candidate), run it, and [`accept`](Self::accept) it if it fails too.
/// When there is none any more, [`smallest`](Self::smallest) is one from which no single step leads
/// to a case that fails.
#[derive(Clone, Debug)]
pub struct Shrinking {
    smallest: Scenario,
    candidate: Option<Scenario>,
    /// The step that is next, of those of the smallest.
    step: u32,
    /// How many steps of the smallest have been tried in vain.
    in_vain: u32,
}

impl Shrinking {
    /// From this case, which fails.
    #[must_use]
    pub const fn new(failing: Scenario) -> Self {
        Self {
            smallest: failing,
            candidate: None,
            step: 0,
            in_vain: 0,
        }
    }

    /// The next case to try; `None` when every step from the smallest has been tried. Cases that
    /// cannot be carried out are left out.
    pub fn candidate(&mut self) -> Option<&Scenario> {
        let simplest = Scenario::default();
        let steps = self.smallest.steps(&simplest);
        self.candidate = None;
        while self.candidate.is_none() && self.in_vain < steps {
            let mut candidate = self.smallest.clone();
            // It goes on where it was, which is where a list has just lost something, most likely.
            candidate.step(&simplest, self.step % steps);
            self.step = (self.step + 1) % steps;
            self.in_vain += 1;
            let changed = candidate != self.smallest;
            self.candidate = (changed && candidate.check().is_ok()).then_some(candidate);
        }
        self.candidate.as_ref()
    }

    /// The last candidate fails as well: it is the smallest from now on.
    pub fn accept(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            self.smallest = candidate;
            self.in_vain = 0;
            self.step = self.step.saturating_sub(1);
        }
    }

    /// The smallest case so far that fails.
    #[must_use]
    pub const fn smallest(&self) -> &Scenario {
        &self.smallest
    }
}

/// What shrinking a case came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest case that fails.
    pub smallest: Scenario,
    /// How many cases were run for it.
    pub runs: u32,
    /// Whether no single step leads to a smaller one that fails; false if it ran out of runs before.
    pub minimal: bool,
}

/// Shrinks `failing` with at most `most` runs: `fails` says if a case fails in the same way.
pub fn shrink(failing: &Scenario, most: u32, mut fails: impl FnMut(&Scenario) -> bool) -> Shrunk {
    let mut shrinking = Shrinking::new(failing.clone());
    let mut runs = 0;
    let minimal = loop {
        if runs == most {
            break false;
        }
        let Some(candidate) = shrinking.candidate() else {
            break true;
        };
        runs += 1;
        if fails(candidate) {
            shrinking.accept();
        }
    };
    Shrunk {
        smallest: shrinking.smallest,
        runs,
        minimal,
    }
}

/// What a part of a scenario consists of, as it prints itself: its fields, or its kinds.
#[cfg(test)]
pub(crate) trait Named {
    const NAMES: &'static [&'static str];
}

#[cfg(test)]
mod tests;
