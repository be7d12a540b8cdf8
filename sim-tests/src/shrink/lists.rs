//! The steps of lists: things are taken out, many at once first, then what is left gets simpler.
//!
//! **Invariant:** no step makes a list longer.

use std::ops::Range;

use super::amounts::Simplify;

/// Which of many ways comes next: consumed way by way.
pub(super) struct Place(pub(super) u32);

impl Place {
    /// The step within the next `many` ways, if it is one of them.
    pub(super) const fn within(&mut self, many: u32) -> Option<u32> {
        if self.0 < many {
            return Some(self.0);
        }
        self.0 -= many;
        None
    }
}

/// How many ways there are to take neighbours out of a list of this length: all, then each half, each
/// quarter, and so on down to each one.
pub(super) fn removals(len: usize) -> u32 {
    let ways = sizes(len).map(|size| len.div_ceil(size)).sum::<usize>();
    u32::try_from(ways).unwrap_or(u32::MAX)
}

/// What one of these ways takes out.
pub(super) fn removal(len: usize, step: u32) -> Range<usize> {
    let mut place = Place(step);
    for size in sizes(len) {
        let pieces = u32::try_from(len.div_ceil(size)).unwrap_or(u32::MAX);
        if let Some(piece) = place.within(pieces) {
            let from = piece as usize * size;
            return from..(from + size).min(len);
        }
    }
    len..len
}

fn sizes(len: usize) -> impl Iterator<Item = usize> {
    std::iter::successors((len > 0).then_some(len), |size| {
        (*size > 1).then(|| size.div_ceil(2))
    })
}

/// How many steps the things in a list have together.
pub(super) fn steps_within<T: Simplify + Default>(list: &[T]) -> u32 {
    let simplest = T::default();
    list.iter().map(|thing| thing.steps(&simplest)).sum()
}

/// Takes one of these steps.
pub(super) fn step_within<T: Simplify + Default>(list: &mut [T], step: u32) {
    let simplest = T::default();
    let mut place = Place(step);
    for thing in list {
        if let Some(step) = place.within(thing.steps(&simplest)) {
            return thing.step(&simplest, step);
        }
    }
}

impl<T: Simplify + Default> Simplify for Vec<T> {
    fn steps(&self, _: &Self) -> u32 {
        removals(self.len()) + steps_within(self)
    }

    fn step(&mut self, _: &Self, step: u32) {
        let mut place = Place(step);
        if let Some(step) = place.within(removals(self.len())) {
            self.drain(removal(self.len(), step));
        } else {
            step_within(self, place.0);
        }
    }
}
