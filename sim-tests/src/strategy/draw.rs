//! Drawing by lot, within what a swarm allows.
//!
//! **Invariant:** what is drawn is a function of the seed and of the features alone.

use super::swarm::{Swarm, Switch};

/// What a case is drawn with.
pub(super) struct Draw {
    lot: fastrand::Rng,
    pub(super) swarm: Swarm,
    scale: u32,
    /// Spans that matter in this case: times near to them are drawn more often.
    marks: Vec<u32>,
}

/// How long the longest usual gap of a case is, in milliseconds: ticks in which everything meets,
/// what people call at once, and what they call a while.
pub(super) const SCALES: [u32; 3] = [4, 300, 20_000];

impl Draw {
    /// Draws everything from `seed`, the features and the scale of its times first.
    pub(super) fn new(seed: u64) -> Self {
        let mut lot = fastrand::Rng::with_seed(seed);
        let swarm = Swarm::from_bits(lot.u64(..));
        Self::within(lot, swarm)
    }

    /// Draws from `seed` what `swarm` allows.
    pub(super) fn with(seed: u64, swarm: Swarm) -> Self {
        let mut lot = fastrand::Rng::with_seed(seed);
        // What would have been the features, so that the rest is drawn alike.
        lot.u64(..);
        Self::within(lot, swarm)
    }

    fn within(mut lot: fastrand::Rng, swarm: Swarm) -> Self {
        let scale = lot.choice(SCALES).unwrap_or_default();
        Self {
            lot,
            swarm,
            scale,
            marks: Vec::new(),
        }
    }

    pub(super) const fn has(&self, switch: Switch) -> bool {
        self.swarm.has(switch)
    }

    /// Once in `n` times, where the swarm has the feature.
    pub(super) fn sometimes(&mut self, switch: Switch, n: u32) -> bool {
        self.has(switch) && self.one_in(n)
    }

    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.lot.u32(..n) == 0
    }

    /// At least `least`, at most `most`.
    pub(super) fn between(&mut self, least: u32, most: u32) -> u32 {
        self.lot.u32(least..=most)
    }

    /// Up to `most`, small numbers more often.
    pub(super) fn few(&mut self, most: u32) -> u32 {
        let limit = self.lot.u32(..=most);
        self.lot.u32(..=limit)
    }

    pub(super) fn bits(&mut self) -> u16 {
        // Two draws, so that a bit is set once in four times: an order with few edges.
        self.lot.u16(..) & self.lot.u16(..)
    }

    /// One of these; `None` if there is none.
    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let place = self.lot.usize(..choices.len().max(1));
        choices.get(place).copied()
    }

    /// One of those whose feature the swarm has, and those without a feature.
    pub(super) fn allowed<T: Copy>(&mut self, choices: &[(Option<Switch>, T)]) -> Option<T> {
        let allowed = |(switch, _): &&(Option<Switch>, T)| switch.is_none_or(|it| self.has(it));
        let many = choices.iter().filter(allowed).count();
        let place = self.lot.usize(..many.max(1));
        let swarm = self.swarm;
        let allowed = |(switch, _): &&(Option<Switch>, T)| switch.is_none_or(|it| swarm.has(it));
        choices.iter().filter(allowed).nth(place).map(|it| it.1)
    }

    /// Remembers a span: later times are drawn near to it now and then.
    pub(super) fn mark(&mut self, ms: u32) {
        self.marks.push(ms);
    }

    /// A time that is not none, and that later times are drawn near to.
    pub(super) fn marked_ms(&mut self) -> u32 {
        let ms = self.some_ms();
        self.mark(ms);
        ms
    }

    /// A time: often none at all, now and then one tick beside a span that matters, else anything in
    /// the scale of the case.
    pub(super) fn ms(&mut self) -> u32 {
        match self.lot.u32(..8) {
            0 | 1 => 0,
            2 => 1,
            3 => {
                let mark = self.lot.usize(..self.marks.len().max(1));
                let mark = self.marks.get(mark).copied().unwrap_or_default();
                (mark + self.lot.u32(..3)).saturating_sub(1)
            }
            _ => self.lot.u32(..=self.scale),
        }
    }

    /// A time that is not none.
    pub(super) fn some_ms(&mut self) -> u32 {
        self.ms().max(1)
    }

    /// From piece to piece of something that goes on for at most `lasts` milliseconds: so far apart
    /// that it is some dozens of pieces at most.
    pub(super) fn every_ms(&mut self, lasts: u32) -> u32 {
        let pieces = self.lot.u32(2..=24);
        (lasts / pieces).max(1)
    }
}
