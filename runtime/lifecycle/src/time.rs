//! Points in time as the lifecycle sees them: nanoseconds since the server was made (floor 0).
//!
//! **Invariant:** nothing here reads a clock. **Invariant:** no operation overflows; all saturate.

use core::ops::Add;
use core::time::Duration;

/// A point in time, in nanoseconds since the server was made.
///
/// The core never reads a clock: whoever drives it passes `now` in. 64 bits of nanoseconds last
/// for 584 years, after which time stands still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment at which the server was made.
    pub const ZERO: Self = Self(0);

    /// The last representable moment.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant that lies `nanos` nanoseconds after the server was made.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the server was made.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::MAX`].
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_saturates_instead_of_overflowing() {
        assert_eq!(Instant::MAX + Duration::from_nanos(1), Instant::MAX);
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::MAX);
        assert_eq!(
            Instant::from_nanos(3) + Duration::from_nanos(4),
            Instant::from_nanos(7)
        );
    }

    #[test]
    fn time_since_a_later_instant_is_zero() {
        let (early, late) = (Instant::from_nanos(5), Instant::from_nanos(9));
        assert_eq!(late.since(early), Duration::from_nanos(4));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
