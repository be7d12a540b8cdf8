//! The deadline that a client of gRPC names with its call (floor 2).
//!
//! A call whose answer has not begun when the time that its client gave it is over is dropped where it is,
//! and answered with DEADLINE_EXCEEDED (gRPC over HTTP/2, "Timeout"; gRPC status codes). The time counts from
//! when the head of the call has come, and ends with the head of the answer, as that of tonic's own server
//! does: a stream that has begun goes on, and its client, who knows the time as well, ends it. A value that
//! is none by gRPC's rules is no deadline.
//!
//! **Invariant:** what is no call of gRPC pays for no look at its headers, and a call without a deadline for
//! no timer.

use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;

use crate::os::clock::{self, Alarm};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What rings when the time of a call is over; `None` if it has no end, or says it wrongly.
pub(super) fn of(headers: &HeaderMap) -> Option<Alarm> {
    parse(headers.get(GRPC_TIMEOUT)?.as_bytes()).map(clock::alarm)
}

/// At most eight digits and a unit.
fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number: u64, digit| {
        number * 10 + u64::from(digit - b'0')
    });
    match unit {
        b'H' => Some(Duration::from_secs(number * 3600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit_and_anything_else_is_none() {
        for (value, expected) in [
            ("3H", Some(Duration::from_secs(3 * 3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("42S", Some(Duration::from_secs(42))),
            ("13m", Some(Duration::from_millis(13))),
            ("2u", Some(Duration::from_micros(2))),
            ("82n", Some(Duration::from_nanos(82))),
            ("0S", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("123456789n", None),
            ("82f", None),
            ("S", None),
            ("5", None),
            ("", None),
            ("-1S", None),
            ("+1S", None),
            ("1 S", None),
            ("1.5S", None),
            ("oneS", None),
        ] {
            assert_eq!(parse(value.as_bytes()), expected, "{value:?}");
        }
        assert_eq!(parse(b"1\xff"), None);
    }
}
