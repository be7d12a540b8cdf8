//! A chunked body as it comes: whether it has ended, and whether it is one at all (floor 2).
//!
//! RFC 9112, 7.1, as strictly as hyper reads it, which is who decides; trailers are hyper's alone. Nothing
//! is decoded here, and nothing depends on this but who is to blame for an answer that breaks off.
//!
//! **Invariant:** what is in doubt is said to be.

use bytes::Buf;

use super::Come;

/// Extensions of a body's chunks are no longer than that all together, for hyper.
const MOST_EXTENSION: u32 = 16 * 1024;

/// How far a chunked body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// The first digit of a length is due.
    Start,
    /// More digits of it.
    Length(u64),
    /// Space behind it.
    Space(u64),
    /// What may stand between it and the end of its line.
    Extension(u64),
    /// The line feed at the end of its line.
    LengthEnd(u64),
    /// So many bytes.
    Data(u64),
    /// The line break behind them.
    DataEnd,
    /// Its line feed.
    DataEndFeed,
    /// The empty line behind the last chunk, or trailers.
    Last,
    /// Its line feed.
    LastFeed,
    /// It has ended.
    Ended,
    /// It is none.
    Malformed,
    /// Nobody knows.
    Doubtful,
}

impl Chunks {
    /// Where `self` is behind these bytes; `extension` is how much has come of extensions.
    pub(super) fn behind(self, mut bytes: &[u8], extension: &mut u32) -> Self {
        let mut at = self;
        while !bytes.is_empty() && !at.is_over() {
            if let Self::Data(left) = at {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes.advance(taken);
                at = match left - taken as u64 {
                    0 => Self::DataEnd,
                    left => Self::Data(left),
                };
            } else {
                at = at.next(bytes.get_u8(), extension);
            }
        }
        at
    }

    /// The same in fewer words.
    pub(super) fn come(self) -> Come {
        match self {
            Self::Ended => Come::Whole,
            Self::Malformed => Come::Malformed,
            Self::Doubtful => Come::Doubtful,
            Self::Start
            | Self::Length(_)
            | Self::Space(_)
            | Self::Extension(_)
            | Self::LengthEnd(_)
            | Self::Data(_)
            | Self::DataEnd
            | Self::DataEndFeed
            | Self::Last
            | Self::LastFeed => Come::Part,
        }
    }

    const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Malformed | Self::Doubtful)
    }

    fn next(self, byte: u8, extension: &mut u32) -> Self {
        match (self, byte) {
            (Self::Start, _) => Self::digit(0, byte),
            (Self::Length(len) | Self::Space(len), b' ' | b'\t') => Self::Space(len),
            (Self::Length(len) | Self::Space(len), b';') => Self::Extension(len),
            (Self::Length(len) | Self::Space(len) | Self::Extension(len), b'\r') => {
                Self::LengthEnd(len)
            }
            (Self::Length(len), _) => Self::digit(len, byte),
            (Self::Extension(len), _) => {
                *extension += 1;
                if byte == b'\n' || *extension >= MOST_EXTENSION {
                    Self::Malformed
                } else {
                    Self::Extension(len)
                }
            }
            (Self::LengthEnd(0), b'\n') => Self::Last,
            (Self::LengthEnd(len), b'\n') => Self::Data(len),
            (Self::DataEnd, b'\r') => Self::DataEndFeed,
            (Self::DataEndFeed, b'\n') => Self::Start,
            (Self::Last, b'\r') => Self::LastFeed,
            // The first byte of a trailer.
            (Self::Last, _) => Self::Doubtful,
            (Self::LastFeed, b'\n') => Self::Ended,
            _ => Self::Malformed,
        }
    }

    fn digit(len: u64, byte: u8) -> Self {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        let longer = digit.and_then(|digit| len.checked_mul(16)?.checked_add(digit));
        longer.map_or(Self::Malformed, Self::Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a body is that came in pieces of this size.
    fn behind(body: &[u8], size: usize) -> Chunks {
        let mut extension = 0;
        body.chunks(size)
            .fold(Chunks::Start, |at, piece| at.behind(piece, &mut extension))
    }

    #[test]
    fn a_body_is_known_to_have_ended_in_pieces_of_any_size() {
        let bodies = [
            &b"0\r\n\r\n"[..],
            b"4\r\nhalf\r\n0\r\n\r\n",
            b"1A;name=value\r\nabcdefghijklmnopqrstuvwxyz\r\n4 \t;x\r\nhalf\r\n00 \r\n\r\n",
        ];
        for body in bodies {
            for size in 1..=body.len() {
                assert_eq!(behind(body, size), Chunks::Ended, "{body:?} by {size}");
            }
            for len in 0..body.len() {
                let at = behind(&body[..len], body.len());
                assert!(!at.is_over(), "{at:?} behind {len} of {body:?}");
            }
        }
    }

    #[test]
    fn what_hyper_refuses_is_malformed_and_what_trailers_bring_is_in_doubt() {
        let long = format!("1;{}\r\n", "x".repeat(MOST_EXTENSION as usize));
        let malformed = [
            &b"\r\n"[..],
            b"no length\r\n",
            b"4 4\r\n",
            b"4\n",
            b"4;a\nb",
            b"4\rhalf",
            b"4\r\nhalf0\r\n",
            b"4\r\nhalf\r0",
            b"0\r\n\r\r",
            b"10000000000000000\r\n",
            long.as_bytes(),
        ];
        for body in malformed {
            assert_eq!(behind(body, 3), Chunks::Malformed, "{body:?}");
        }
        assert_eq!(behind(b"0\r\nname: value\r\n\r\n", 3), Chunks::Doubtful);
    }
}
