//! How much of an HTTP/1 request's body is still to come, as far as its bytes show (floor 2).
//!
//! hyper ends a connection after an answer whose request it cannot read to its end at once, and announces
//! that only if it knows before it writes the answer's head (RFC 9112, 9.6, wants it announced). So
//! whoever answers has to know whether there is anything to wait for: lengths are counted down as the
//! bytes come. Where a head ends in the middle of what came is looked up, not parsed. Of a chunked body
//! nothing is counted: it may always have a rest.
//!
//! **Invariant:** a body with bytes still to come is never taken for complete; one that is complete may be
//! taken for one with a rest, and then costs a second look at it.
//! **Invariant:** one task writes and reads it; nothing is ordered by it.
//! **Invariant:** what comes as a head, and nothing behind it, is not searched.

use std::sync::atomic::{AtomicU64, Ordering};

/// A body of which nobody knows how long it is.
const UNKNOWN: u64 = u64::MAX;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// The body of the request that began last.
#[derive(Debug, Default)]
pub(super) struct Upload {
    /// How much of it is to come: at least as much as is.
    left: AtomicU64,
    /// How much came with the end of the next request's head, behind it: no more than did.
    behind: AtomicU64,
}

impl Upload {
    /// Whether some of the body may still be to come.
    #[inline]
    pub(super) fn has_rest(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    /// A request has begun, with a body of this length, or of one that nobody knows.
    #[inline]
    pub(super) fn begins(&self, len: Option<u64>) {
        let behind = self.behind.load(Ordering::Relaxed);
        if behind > 0 {
            self.behind.store(0, Ordering::Relaxed);
        }
        let left = len.map_or(UNKNOWN, |len| len.saturating_sub(behind));
        if left != self.left.load(Ordering::Relaxed) {
            self.left.store(left, Ordering::Relaxed);
        }
    }

    /// Bytes came: within a request the next ones of its body, between two of them whatever is left of
    /// the body before, and then a head.
    #[inline]
    pub(super) fn read(&self, bytes: &[u8], between: bool) {
        if self.has_rest() || (between && !bytes.ends_with(END_OF_HEAD)) {
            self.count(bytes, between);
        }
    }

    fn count(&self, bytes: &[u8], between: bool) {
        let left = self.left.load(Ordering::Relaxed);
        if left == UNKNOWN {
            // Nobody sees where it ends and the next head begins.
            return;
        }
        let body = left.min(bytes.len() as u64);
        self.left.store(left - body, Ordering::Relaxed);
        if !between {
            return;
        }
        let body = usize::try_from(body).unwrap_or(usize::MAX);
        let head = bytes.get(body..).unwrap_or_default();
        // Empty lines before a request are none of it (RFC 9112, 2.2).
        let head = head.trim_ascii_start();
        let behind = memchr::memmem::find(head, END_OF_HEAD)
            .map_or(0, |at| head.len() - at - END_OF_HEAD.len());
        self.behind.store(behind as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message: its head, its body, and the length that its head tells.
    type Message = (&'static [u8], &'static [u8], Option<u64>);

    const MESSAGES: [Message; 7] = [
        (b"POST /1 HTTP/1.1\r\n\r\n", b"12345", Some(5)),
        (b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n", b"", Some(0)),
        (
            b"\r\nPOST /3 HTTP/1.1\r\n\r\n",
            b"a\r\n\r\nb\r\n\r\n",
            Some(10),
        ),
        (
            b"POST /4 HTTP/1.1\r\nte: x\r\n\r\n",
            b"4\r\n\r\n\r\n\r\n0\r\n\r\n",
            None,
        ),
        (b"POST /5 HTTP/1.1\r\n\r\n", b"\r\n\r\n\r\n\r\n", Some(8)),
        (b"POST /6 HTTP/1.1\n\n", b"12\r\n\r\n", Some(6)),
        (b"POST /7 HTTP/1.1\r\n\r\n", b"1234567890", Some(10)),
    ];

    /// When a request is answered, as far as the connection knows.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Answered {
        AtOnce,
        BehindItsBody,
    }

    /// Reads all messages in pieces, each request as soon as its head is there; what is known of each
    /// body once all of it has come.
    fn in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>, answered: Answered) -> Vec<bool> {
        let upload = Upload::default();
        let mut known = Vec::new();
        let mut messages = MESSAGES.iter().peekable();
        // Of the message before, what of its body is to come; of this one, what of its head is.
        let (mut body, mut begun, mut in_flight) = (0, false, false);
        let mut head = messages.peek().unwrap().0.len();
        for piece in pieces {
            upload.read(piece, !in_flight);
            let mut rest = piece.len();
            loop {
                let taken = rest.min(body);
                (body, rest) = (body - taken, rest - taken);
                if begun && body > 0 {
                    assert!(upload.has_rest(), "{body} to come of {}", known.len());
                }
                if begun && body == 0 {
                    known.push(!upload.has_rest());
                    (begun, in_flight) = (false, false);
                }
                let taken = rest.min(head);
                (head, rest) = (head - taken, rest - taken);
                if head > 0 {
                    break;
                }
                let Some((_, content, len)) = messages.next() else {
                    break;
                };
                upload.begins(*len);
                (body, begun) = (content.len(), true);
                in_flight = answered == Answered::BehindItsBody;
                head = messages.peek().map_or(0, |next| next.0.len());
            }
        }
        assert_eq!(known.len(), MESSAGES.len());
        known
    }

    fn all() -> Vec<u8> {
        let messages = MESSAGES.iter();
        messages
            .flat_map(|(head, body, _)| [*head, *body].concat())
            .collect()
    }

    #[test]
    fn no_body_is_taken_for_complete_that_is_not_in_pieces_of_any_size() {
        let bytes = all();
        for size in 1..=bytes.len() {
            for answered in [Answered::AtOnce, Answered::BehindItsBody] {
                in_pieces(bytes.chunks(size), answered);
            }
        }
    }

    #[test]
    fn a_length_that_came_with_its_head_or_after_it_is_known_to_be_complete() {
        let whole: Vec<Vec<u8>> = MESSAGES
            .iter()
            .map(|(head, body, _)| [*head, *body].concat())
            .collect();
        let known = in_pieces(whole.iter().map(Vec::as_slice), Answered::BehindItsBody);
        // One ends as a head does, and is not searched; of one nobody knows where it ends, nor what the
        // bytes after it are; one has other line breaks.
        assert_eq!(known, [true, true, false, false, false, false, true]);
        let halves = MESSAGES.iter().flat_map(|(head, body, _)| [*head, *body]);
        let known = in_pieces(
            halves.filter(|half| !half.is_empty()),
            Answered::BehindItsBody,
        );
        assert_eq!(known, [true, true, true, false, true, true, true]);
    }
}
