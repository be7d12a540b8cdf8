//! The last frames of answers, as they pass to the kernel (floor 2).
//!
//! An HTTP/2 answer has reached the kernel when its last frame has, whatever waits behind that frame. Only
//! the frames show it: h2 says neither when a stream's last one is written nor that it is stuck, and a
//! flush that takes all does not come where the peer takes no more. What ends an answer is END_STREAM, on
//! a frame that is out to its last byte; a header block ends with its last CONTINUATION (RFC 9113, 6.2).
//! What ends a stream without an answer is RST_STREAM.
//!
//! **Invariant:** no memory is taken, and a frame costs a handful of instructions: this looks at all of
//! them, since nobody knows beforehand behind which one the peer stops to read.

use bytes::Buf;

use super::head::PartialHead;
use super::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEAD, HEADERS, NONE_YET, RST_STREAM};

/// What has ended with the last byte of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum End {
    /// The answer of this stream.
    Answer(u32),
    /// This stream, by our reset.
    Stream(u32),
}

/// Where in which frame the bytes are that went out last.
#[derive(Debug, Default)]
pub(in crate::transport) struct Ends {
    /// How much of the frame is still to come.
    left: usize,
    /// What ends with it.
    end: Option<End>,
    /// An answer ends with this header block, which goes on in frames of its own.
    goes_on: bool,
    /// A head that went out in part.
    head: PartialHead,
}

impl Ends {
    /// Whether the next byte is the first of a frame.
    #[inline]
    pub(in crate::transport) const fn is_between(&self) -> bool {
        self.left == 0 && self.head.is_empty()
    }

    /// Takes in what was sent; tells of all that has `ended` with it.
    #[inline]
    pub(in crate::transport) fn sent(&mut self, mut bytes: &[u8], mut ended: impl FnMut(End)) {
        loop {
            let taken = self.left.min(bytes.len());
            bytes.advance(taken);
            self.left -= taken;
            if self.left == 0
                && let Some(end) = self.end.take()
            {
                ended(end);
            }
            if bytes.is_empty() {
                return;
            }
            match bytes.split_first_chunk() {
                Some((head, rest)) if self.head.is_empty() => {
                    bytes = rest;
                    self.begins(head);
                }
                _ => {
                    if let Some(head) = self.head.complete(&mut bytes) {
                        self.begins(&head);
                    }
                }
            }
        }
    }

    #[inline]
    const fn begins(&mut self, head: &[u8; HEAD]) {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes(stream) & NONE_YET;
        let answered = match kind {
            DATA => flags & END_STREAM != 0,
            HEADERS => {
                self.goes_on = flags & (END_STREAM | END_HEADERS) == END_STREAM;
                flags & (END_STREAM | END_HEADERS) == END_STREAM | END_HEADERS
            }
            CONTINUATION => {
                let last = self.goes_on && flags & END_HEADERS != 0;
                self.goes_on &= !last;
                last
            }
            _ => false,
        };
        self.end = match kind {
            _ if answered => Some(End::Answer(stream)),
            RST_STREAM => Some(End::Stream(stream)),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::frame;
    use super::*;

    const PRIORITY: u8 = 2;

    /// Frames, and after which of their bytes what has ended.
    fn frames() -> (Vec<u8>, Vec<(usize, End)>) {
        let frames = [
            (frame(4, 1, 0, b""), None),
            (frame(HEADERS, END_HEADERS, 1, b"head"), None),
            (frame(DATA, 0, 1, &[END_STREAM; 300]), None),
            (frame(DATA, END_STREAM, 1, b""), Some(End::Answer(1))),
            (
                frame(HEADERS, END_HEADERS | END_STREAM, 3, b"all"),
                Some(End::Answer(3)),
            ),
            (frame(HEADERS, END_HEADERS, 5, b"head"), None),
            (frame(DATA, END_STREAM, 5, b"body"), Some(End::Answer(5))),
            (frame(HEADERS, END_STREAM, 7, b"trailers"), None),
            (frame(CONTINUATION, 0, 7, b"more"), None),
            (
                frame(CONTINUATION, END_HEADERS, 7, b"the last"),
                Some(End::Answer(7)),
            ),
            (frame(HEADERS, 0, 9, b"head"), None),
            (frame(CONTINUATION, END_HEADERS, 9, b"more"), None),
            (
                frame(RST_STREAM, END_STREAM, 11, &[0; 4]),
                Some(End::Stream(11)),
            ),
            (frame(PRIORITY, END_STREAM, 9, &[0; 5]), None),
            (
                frame(DATA, END_STREAM, 9, &[0; 20_000]),
                Some(End::Answer(9)),
            ),
        ];
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (frame, ended) in frames {
            bytes.extend(frame);
            ends.extend(ended.map(|end| (bytes.len(), end)));
        }
        (bytes, ends)
    }

    #[test]
    fn an_answer_ends_with_the_last_byte_of_its_last_frame_in_pieces_of_any_size() {
        let (bytes, expected) = frames();
        for size in (1..64).chain([usize::MAX]) {
            let mut ends = Ends::default();
            let (mut sent, mut seen) = (0, Vec::new());
            for piece in bytes.chunks(size) {
                sent += piece.len();
                ends.sent(piece, |end| seen.push(end));
                let due = expected.iter().take_while(|(end, _)| *end <= sent);
                let due: Vec<End> = due.map(|(_, end)| *end).collect();
                assert_eq!(seen, due, "{sent} in pieces of {size}");
            }
            assert!(ends.is_between());
        }
    }

    #[test]
    fn only_behind_the_last_byte_of_a_frame_the_next_one_begins() {
        let bytes = frame(DATA, 0, 1, b"body");
        let mut ends = Ends::default();
        for byte in &bytes {
            ends.sent(&[], |end| panic!("{end:?}"));
            ends.sent(std::slice::from_ref(byte), |_| {});
        }
        assert!(ends.is_between());
        for part in 1..bytes.len() {
            let mut ends = Ends::default();
            ends.sent(&bytes[..part], |_| {});
            assert!(!ends.is_between(), "{part} bytes of a frame");
        }
    }
}
