//! Durations as a person reads them: `25.25 s`, `100 ms`, `30 days` (floor 0).
//!
//! **Invariant:** nothing is rounded; two different durations never read the same.

use core::fmt;
use core::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// A duration in the largest unit that keeps its first digit before the point.
pub(super) struct Amount(pub(super) Duration);

/// The duration behind a reference, which is what error messages have in hand.
pub(super) fn amount(duration: &Duration) -> Amount {
    Amount(*duration)
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        match (seconds, nanos) {
            (DAY, 0) => f.write_str("1 day"),
            (1.., 0) if seconds.is_multiple_of(DAY) => write!(f, "{} days", seconds / DAY),
            (1.., _) => decimal(f, seconds, nanos, 9, "s"),
            (0, 1_000_000..) => decimal(f, (nanos / 1_000_000).into(), nanos % 1_000_000, 6, "ms"),
            (0, 1_000..) => decimal(f, (nanos / 1_000).into(), nanos % 1_000, 3, "µs"),
            (0, 1..) => write!(f, "{nanos} ns"),
            (0, 0) => f.write_str("0 s"),
        }
    }
}

/// Writes `whole` and, without trailing zeros, the `fraction` that has `digits` digits.
fn decimal(
    f: &mut fmt::Formatter<'_>,
    whole: u64,
    mut fraction: u32,
    mut digits: usize,
    unit: &str,
) -> fmt::Result {
    write!(f, "{whole}")?;
    if fraction > 0 {
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        write!(f, ".{fraction:0digits$}")?;
    }
    write!(f, " {unit}")
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn amounts_read_in_the_largest_fitting_unit() {
        for (duration, read) in [
            (Duration::ZERO, "0 s"),
            (Duration::from_nanos(1), "1 ns"),
            (Duration::from_nanos(999), "999 ns"),
            (Duration::from_nanos(1_000), "1 µs"),
            (Duration::from_nanos(1_050), "1.05 µs"),
            (Duration::from_millis(1), "1 ms"),
            (Duration::from_micros(100_250), "100.25 ms"),
            (Duration::from_secs(1), "1 s"),
            (Duration::from_millis(25_250), "25.25 s"),
            (Duration::new(3, 7), "3.000000007 s"),
            (Duration::from_secs(DAY - 1), "86399 s"),
            (Duration::from_secs(DAY), "1 day"),
            (Duration::new(DAY, 1), "86400.000000001 s"),
            (Duration::from_secs(30 * DAY), "30 days"),
            (Duration::MAX, "18446744073709551615.999999999 s"),
        ] {
            assert_eq!(Amount(duration).to_string(), read);
        }
    }
}
