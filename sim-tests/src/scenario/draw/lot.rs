//! Lots: numbers, times, picks and lists, and what a seed leaves out.
//!
//! **Invariant:** the same seed draws the same lots, on every machine.

/// Draws lots: SplitMix64, whose numbers need no care about the seed.
pub(super) struct Lot {
    pub(super) seed: u64,
    state: u64,
    /// What may happen at all: a bit each.
    swarm: u64,
    /// The longest that something ordinary takes.
    pub(super) scale_ms: u32,
}

/// What a seed may leave out as a whole.
#[derive(Clone, Copy)]
pub(super) enum Swarm {
    Http2,
    Grpc,
    Streams,
    BadClients,
    Probes,
    HookFaults,
    Workers,
    Callbacks,
    HandlerFaults,
    HandlerCalls,
    Network,
    Accept,
    Signals,
    Calls,
    Freeze,
    StartFaults,
    LameDuck,
    Spread,
    Waits,
}

impl Lot {
    pub(super) fn new(seed: u64) -> Self {
        let mut lot = Self {
            seed,
            state: seed,
            swarm: 0,
            scale_ms: 0,
        };
        // Half of everything; and of two words, for a quarter now and then.
        lot.swarm = lot.next();
        if lot.one_in(3) {
            lot.swarm &= lot.next();
        }
        lot.scale_ms = lot.pick(&[20, 300, 4_000]).unwrap_or(300);
        lot
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let drawn = (self.next() >> 32) * u64::from(bound);
        u32::try_from(drawn >> 32).unwrap_or_default()
    }

    pub(super) fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    pub(super) fn may(&self, what: Swarm) -> bool {
        self.swarm & (1 << what as u32) != 0
    }

    /// A time: nothing, a moment, or anything up to the scale.
    pub(super) fn time(&mut self) -> u32 {
        match self.below(4) {
            0 => 0,
            1 => self.below(4),
            _ => self.below(self.scale_ms + 1),
        }
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let many = u32::try_from(of.len()).unwrap_or(u32::MAX);
        of.get(self.below(many.max(1)) as usize).copied()
    }

    pub(super) fn list<T>(&mut self, most: u32, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        // Short lists are the likely ones.
        let many = self.below(most + 1).min(self.below(most + 2));
        (0..many).map(|_| draw(self)).collect()
    }
}
