//! The last frames of answers, as they pass to the kernel (floor 2).
//!
//! An HTTP/2 answer has reached the kernel when its last frame has, whatever waits behind that frame. Only
//! the frames show it: h2 says neither when a stream's last one is written nor that it is stuck, and a
//! flush that takes all does not come where the peer takes no more. What ends an answer is END_STREAM, on
//! a frame that is out to its last byte; a header block ends with its last CONTINUATION (RFC 9113, 6.2).
//!
//! **Invariant:** no memory is taken, and a frame costs a handful of instructions: this looks at all of
//! them, since nobody knows beforehand behind which one the peer stops to read.

use bytes::Buf;

use super::head::PartialHead;
use super::{CONTINUATION, DATA, END_STREAM, HEAD, HEADERS, NONE_YET};

const END_HEADERS: u8 = 4;

/// Where in which frame the bytes are that went out last.
#[derive(Debug, Default)]
pub(in crate::transport) struct Ends {
    /// How much of the frame is still to come.
    left: usize,
    /// The stream whose answer ends with it, or 0.
    ends: u32,
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

    /// Takes in what was sent; tells of each stream whose answer `ended` with it.
    #[inline]
    pub(in crate::transport) fn sent(&mut self, mut bytes: &[u8], mut ended: impl FnMut(u32)) {
        loop {
            let taken = self.left.min(bytes.len());
            bytes.advance(taken);
            self.left -= taken;
            if self.ends > 0 && self.left == 0 {
                ended(self.ends);
                self.ends = 0;
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
        let ends = match kind {
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
        self.ends = if ends {
            u32::from_be_bytes(stream) & NONE_YET
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::frame;
    use super::*;

    const PRIORITY: u8 = 2;

    /// Frames, and after which of their bytes the answer of which stream has ended.
    fn frames() -> (Vec<u8>, Vec<(usize, u32)>) {
        let frames = [
            (frame(4, 1, 0, b""), 0),
            (frame(HEADERS, END_HEADERS, 1, b"head"), 0),
            (frame(DATA, 0, 1, &[END_STREAM; 300]), 0),
            (frame(DATA, END_STREAM, 1, b""), 1),
            (frame(HEADERS, END_HEADERS | END_STREAM, 3, b"all"), 3),
            (frame(HEADERS, END_HEADERS, 5, b"head"), 0),
            (frame(DATA, END_STREAM, 5, b"body"), 5),
            (frame(HEADERS, END_STREAM, 7, b"trailers"), 0),
            (frame(CONTINUATION, 0, 7, b"more"), 0),
            (frame(CONTINUATION, END_HEADERS, 7, b"the last"), 7),
            (frame(HEADERS, 0, 9, b"head"), 0),
            (frame(CONTINUATION, END_HEADERS, 9, b"more"), 0),
            (frame(PRIORITY, END_STREAM, 9, &[0; 5]), 0),
            (frame(DATA, END_STREAM, 9, &[0; 20_000]), 9),
        ];
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (frame, ended) in frames {
            bytes.extend(frame);
            if ended > 0 {
                ends.push((bytes.len(), ended));
            }
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
                ends.sent(piece, |stream| seen.push(stream));
                let due = expected.iter().take_while(|(end, _)| *end <= sent);
                let due: Vec<u32> = due.map(|(_, stream)| *stream).collect();
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
            ends.sent(&[], |stream| panic!("{stream} has ended"));
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
