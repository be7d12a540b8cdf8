//! How much of an HTTP/1 request's body is still to come, as far as its bytes show (floor 2).
//!
//! hyper ends a connection after an answer whose request it cannot read to its end at once, and announces
//! that only if it knows before it writes the answer's head (RFC 9112, 9.6, wants it announced). So
//! whoever answers has to know whether there is anything to wait for: lengths are counted down as the
//! bytes come. Where a head ends in the middle of what came is looked up, not parsed. A chunked body may
//! always have a rest, as far as an answer is concerned; how far it has come is told apart ([`Come`]), for
//! the question whose fault it is that an answer breaks off.
//!
//! **Invariant:** a body with bytes still to come is never taken for complete; one that is complete may be
//! taken for one with a rest, and then costs a second look at it.
//! **Invariant:** one task writes and reads it; nothing is ordered by it.
//! **Invariant:** what comes as the head of a GET, and nothing behind it, is not searched.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::chunks::Chunks;
use super::account::lock;

mod chunks;

/// A body of which nobody knows how long it is.
const UNKNOWN: u64 = u64::MAX;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// How requests with a body begin.
const WITH_A_BODY: [&[u8]; 3] = [b"POST ", b"PUT ", b"PATCH "];

/// What of a request's body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Come {
    /// All of it, or there is none.
    Whole,
    /// Not all of it.
    Part,
    /// What is none.
    Malformed,
    /// Nobody knows.
    Doubtful,
}

/// The body of the request that began last.
#[derive(Debug, Default)]
pub(super) struct Upload {
    /// How much of it is to come: at least as much as is.
    left: AtomicU64,
    /// How much came with the end of the next request's head, behind it: no more than did.
    behind: AtomicU64,
    /// How far the next request's body is, should it be chunked, is known.
    looked_up: AtomicBool,
    chunked: Mutex<Chunked>,
}

/// How far chunked bodies have come.
#[derive(Debug, Default)]
struct Chunked {
    /// That of the request that began last.
    now: Body,
    /// That of the next one.
    next: Body,
}

#[derive(Clone, Copy, Debug)]
struct Body {
    at: Chunks,
    /// How much of it are extensions.
    extension: u32,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            at: Chunks::Start,
            extension: 0,
        }
    }
}

impl Body {
    const DOUBTFUL: Self = Self {
        at: Chunks::Doubtful,
        extension: 0,
    };

    fn come(&mut self, bytes: &[u8]) {
        self.at = self.at.behind(bytes, &mut self.extension);
    }
}

impl Upload {
    /// Whether some of the body may still be to come.
    #[inline]
    pub(super) fn has_rest(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    /// How far the body has come.
    pub(super) fn come(&self) -> Come {
        match self.left.load(Ordering::Relaxed) {
            0 => Come::Whole,
            UNKNOWN => lock(&self.chunked).now.at.come(),
            _ => Come::Part,
        }
    }

    /// A request has begun, with a body of this length, or of one that nobody knows.
    #[inline]
    pub(super) fn begins(&self, len: Option<u64>) {
        let behind = self.behind.load(Ordering::Relaxed);
        if behind > 0 {
            self.behind.store(0, Ordering::Relaxed);
        }
        let looked_up = self.looked_up.load(Ordering::Relaxed);
        if len.is_none() {
            self.begins_chunked(looked_up);
        }
        if looked_up {
            // Of what is behind this one, too, some may have come by now.
            self.looked_up.store(false, Ordering::Relaxed);
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
        // A body, and what looks like the end of its head, may come with the head itself.
        let is_head =
            || bytes.ends_with(END_OF_HEAD) && !matches!(bytes.first(), Some(b'P' | b'\r' | b'\n'));
        if self.has_rest() || (between && !is_head()) {
            self.count(bytes, between);
        }
    }

    #[cold]
    fn begins_chunked(&self, looked_up: bool) {
        let mut chunked = lock(&self.chunked);
        chunked.now = if looked_up {
            chunked.next
        } else {
            Body::DOUBTFUL
        };
    }

    fn count(&self, bytes: &[u8], between: bool) {
        let left = self.left.load(Ordering::Relaxed);
        if left == UNKNOWN {
            let mut chunked = lock(&self.chunked);
            if !between {
                chunked.now.come(bytes);
                return;
            }
            if chunked.now.at != Chunks::Ended {
                // Nobody looks where it ends and the next head begins.
                self.looked_up.store(false, Ordering::Relaxed);
                return;
            }
            drop(chunked);
            self.look_up(bytes);
            return;
        }
        let body = left.min(bytes.len() as u64);
        self.left.store(left - body, Ordering::Relaxed);
        if !between {
            return;
        }
        let body = usize::try_from(body).unwrap_or(usize::MAX);
        self.look_up(bytes.get(body..).unwrap_or_default());
    }

    /// Looks for the end of a head in these bytes, of which nothing is the body before.
    fn look_up(&self, bytes: &[u8]) {
        // Empty lines before a request are none of it (RFC 9112, 2.2).
        let head = bytes.trim_ascii_start();
        let end = memchr::memmem::find(head, END_OF_HEAD).map(|at| at + END_OF_HEAD.len());
        let behind = end.and_then(|end| head.get(end..));
        let len = behind.map_or(0, <[u8]>::len);
        self.behind.store(len as u64, Ordering::Relaxed);
        let mut chunked = lock(&self.chunked);
        chunked.next = Body::default();
        // In the middle of a head it might end elsewhere than where it seems to; or it has other line breaks.
        let begins = WITH_A_BODY.iter().any(|method| head.starts_with(method));
        match behind {
            Some(behind) if begins => chunked.next.come(behind),
            Some(_) | None => chunked.next = Body::DOUBTFUL,
        }
        self.looked_up.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message: its head, its body, and the length that its head tells.
    type Message = (&'static [u8], &'static [u8], Option<u64>);

    const MESSAGES: [Message; 9] = [
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
        (b"POST /8 HTTP/1.1\r\n\r\n", b"2\r\n\r\n\r\n0\r\n\r\n", None),
        (b"POST /9 HTTP/1.1\r\n\r\n", b"3\r\n123\r\n0\r\n\r\n", None),
    ];

    /// When a request is answered, as far as the connection knows.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Answered {
        AtOnce,
        BehindItsBody,
    }

    /// Reads all messages in pieces, each request as soon as its head is there; what is known of each
    /// body once all of it has come: whether it may have a rest, and how far it has come.
    fn in_pieces<'a>(
        pieces: impl Iterator<Item = &'a [u8]>,
        answered: Answered,
    ) -> (Vec<bool>, Vec<Come>) {
        let upload = Upload::default();
        let (mut known, mut come) = (Vec::new(), Vec::new());
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
                    let so_far = upload.come();
                    assert!(matches!(so_far, Come::Part | Come::Doubtful), "{so_far:?}");
                }
                if begun && body == 0 {
                    known.push(!upload.has_rest());
                    come.push(upload.come());
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
        (known, come)
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
    fn no_body_is_taken_for_malformed_that_is_not_in_pieces_of_any_size() {
        let bytes = all();
        for size in 1..=bytes.len() {
            for answered in [Answered::AtOnce, Answered::BehindItsBody] {
                let (_, come) = in_pieces(bytes.chunks(size), answered);
                assert!(!come.contains(&Come::Malformed), "in pieces of {size}");
            }
        }
    }

    #[test]
    fn how_far_a_chunked_body_has_come_is_known_with_its_head_or_after_it() {
        let ends = |come: Vec<Come>| [come[3], come[7], come[8]];
        let whole = MESSAGES.map(|(head, body, _)| [head, body].concat());
        let (_, come) = in_pieces(whole.iter().map(Vec::as_slice), Answered::BehindItsBody);
        assert_eq!(ends(come), [Come::Whole; 3]);
        let halves = MESSAGES.iter().flat_map(|(head, body, _)| [*head, *body]);
        let halves = halves.filter(|half| !half.is_empty());
        let (_, come) = in_pieces(halves, Answered::BehindItsBody);
        assert_eq!(ends(come), [Come::Whole; 3]);
        let upload = Upload::default();
        upload.read(b"POST / HTTP/1.1\r\n\r\n4\r\nhalf\r\n", true);
        upload.begins(None);
        assert_eq!(upload.come(), Come::Part);
        upload.read(b"no length", false);
        assert_eq!(upload.come(), Come::Malformed);
    }

    #[test]
    fn a_length_that_came_with_its_head_or_after_it_is_known_to_be_complete() {
        let whole: Vec<Vec<u8>> = MESSAGES
            .iter()
            .map(|(head, body, _)| [*head, *body].concat())
            .collect();
        let (known, _) = in_pieces(whole.iter().map(Vec::as_slice), Answered::BehindItsBody);
        // Of chunked bodies nobody says so; one has other line breaks.
        assert_eq!(
            known,
            [true, true, true, false, true, false, true, false, false]
        );
        let halves = MESSAGES.iter().flat_map(|(head, body, _)| [*head, *body]);
        let (known, _) = in_pieces(
            halves.filter(|half| !half.is_empty()),
            Answered::BehindItsBody,
        );
        assert_eq!(
            known,
            [true, true, true, false, true, true, true, false, false]
        );
    }
}
