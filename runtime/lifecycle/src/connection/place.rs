//! The place of each connection where many are to do the same, but not at once (floor 0).
//!
//! **Invariant:** a place depends on nothing but the connection's number, so that the same life has
//! the same places.

use core::time::Duration;

use crate::ConnectionId;

/// A fixed place between the first and the last, spread evenly over many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u32);

impl Place {
    pub(super) fn of(id: ConnectionId) -> Self {
        // The finalizer of SplitMix64; the upper half is the better one.
        let mut z = id.number().wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(u32::MAX))
    }

    /// Where this place lies within `whole`.
    pub(super) fn within(self, whole: Duration) -> Duration {
        let nanos = whole.as_nanos() * u128::from(self.0) / u128::from(u32::MAX);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
