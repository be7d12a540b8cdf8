//! Which requests are still to come in part, heads and bodies, by the frames that came (floor 2).
//!
//! The body of a request has ended with END_STREAM or RST_STREAM on its stream (RFC 9113, 8.1); h2 tells
//! that to whoever reads the body, and to nobody else. What is remembered is the streams' ids, which only
//! rise (RFC 9113, 5.1.1).
//!
//! **Invariant:** a request that came with its whole body in one read takes no memory behind that read.
//! **Invariant:** what is remembered is bounded, whatever the peer does.

use bytes::Buf;

use super::head::PartialHead;
use super::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEAD, HEADERS, Heads, MOST_STREAMS, NONE_YET,
    Position, RST_STREAM,
};

/// `PRI * HTTP/2.0` and so on, before the first frame (RFC 9113, 3.4).
const PREFACE: usize = 24;

/// The requests of a connection that have begun and not ended, as far as they came.
#[derive(Clone, Debug)]
pub(in crate::transport) struct Uploads {
    /// Their streams, in the order of their ids.
    open: Vec<u32>,
    /// No later stream has begun.
    newest: u32,
    /// The one before it, or itself where it cannot have been broken off in its head.
    before: u32,
    /// How much of the frame is still to come.
    left: usize,
    /// The stream whose request ends with the last byte of the frame, or 0.
    ends: u32,
    /// The head of a frame that came in part.
    head: PartialHead,
    /// Whether the last frame was of the newest stream's head.
    block: Block,
    /// What small frames of bodies have been held against the peer while their streams stayed.
    charged: u32,
}

/// The head of a request: a frame, and those that go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// The last frame was none of a head.
    None,
    /// It was the last of a head.
    Ends,
    /// Others of that head follow.
    GoesOn,
    /// Something else has followed, or the stream is no client's: nothing that comes is served any more (RFC
    /// 9113, 4.3 and 5.1.1).
    Broken,
}

impl Block {
    const fn with(flags: u8) -> Self {
        if flags & END_HEADERS == 0 {
            Self::GoesOn
        } else {
            Self::Ends
        }
    }
}

/// What its peer does to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum Change {
    /// Begins it.
    Begins(u32),
    /// Resets it, and its request was to come in part or not.
    Resets { stream: u32, open: bool },
}

/// A frame of a body that is shorter and not the last costs its peer what it lacks (h2), out of
/// 512 KiB of a connection, which ends where they are used up. Of a body that nobody reads that is never
/// given back.
const SMALL: u32 = 256;

/// What of that may go for streams that stay: a quarter.
const MOST_CHARGED: u32 = 128 * 1024;

impl Default for Uploads {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            newest: 0,
            before: 0,
            left: PREFACE,
            ends: 0,
            head: PartialHead::default(),
            block: Block::None,
            charged: 0,
        }
    }
}

impl Uploads {
    /// The first stream beyond this one, and the latest, whose requests are still to come in part; 0
    /// where there is none.
    #[inline]
    pub(in crate::transport) fn open_beyond(&self, stream: u32) -> (u32, u32) {
        let beyond = self.open.partition_point(|open| *open <= stream);
        let id = |open: Option<&u32>| open.copied().unwrap_or_default();
        (id(self.open.get(beyond)), id(self.open.last()))
    }

    /// The newest stream that has begun.
    pub(in crate::transport) const fn newest(&self) -> u32 {
        self.newest
    }

    /// Whether the head of the newest stream's request came in part, or is none.
    #[inline]
    pub(in crate::transport) fn is_in_head(&self) -> bool {
        match self.block {
            Block::None => false,
            Block::Ends => self.left > 0,
            Block::GoesOn | Block::Broken => true,
        }
    }

    /// The newest stream of which anybody can have looked at the head: it has come to its end.
    #[cold]
    pub(in crate::transport) fn last_whole(&self) -> u32 {
        if self.is_in_head() {
            self.before
        } else {
            self.newest
        }
    }

    /// Where what comes next begins.
    #[cold]
    pub(in crate::transport) fn position(&self) -> Position {
        Position {
            heads: Heads::at(self.head.known(), self.left),
            newest: self.newest,
        }
    }

    /// Whether streams that stay have cost their peer as much as they may.
    pub(in crate::transport) const fn is_charged(&self) -> bool {
        self.charged > MOST_CHARGED
    }

    /// Takes in what came, while streams stay or not; tells of each stream that its peer `changes`.
    #[inline]
    pub(in crate::transport) fn came(
        &mut self,
        mut bytes: &[u8],
        stays: bool,
        mut changes: impl FnMut(Change),
    ) {
        loop {
            let skipped = self.left.min(bytes.len());
            bytes.advance(skipped);
            self.left -= skipped;
            if self.ends > 0 && self.left == 0 {
                self.end();
            }
            if bytes.is_empty() {
                return;
            }
            match bytes.split_first_chunk() {
                Some((head, rest)) if self.head.is_empty() => {
                    bytes = rest;
                    self.begins(head, stays, &mut changes);
                }
                _ => {
                    if let Some(head) = self.head.complete(&mut bytes) {
                        self.begins(&head, stays, &mut changes);
                    }
                }
            }
        }
    }

    #[inline]
    fn begins(&mut self, head: &[u8; HEAD], stays: bool, changes: &mut impl FnMut(Change)) {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes(stream) & NONE_YET;
        let ends = flags & END_STREAM != 0;
        self.block = match self.block {
            Block::None | Block::Ends => Block::None,
            Block::GoesOn if kind == CONTINUATION && stream == self.newest => Block::with(flags),
            Block::GoesOn | Block::Broken => Block::Broken,
        };
        match kind {
            HEADERS if stream > self.newest && self.block == Block::None => {
                if stream.is_multiple_of(2) {
                    self.before = self.newest;
                    self.block = Block::Broken;
                    return;
                }
                self.before = self.newest;
                self.newest = stream;
                self.block = Block::with(flags);
                changes(Change::Begins(stream));
                if !ends {
                    self.opens(stream);
                }
            }
            HEADERS | DATA if ends => self.ends = stream,
            RST_STREAM => {
                self.ends = stream;
                let open = self.open.binary_search(&stream).is_ok();
                changes(Change::Resets { stream, open });
            }
            DATA if stays && !self.is_charged() => {
                let len = u32::from_be_bytes([0, a, b, c]);
                self.charged += SMALL.saturating_sub(len);
            }
            _ => {}
        }
    }

    fn opens(&mut self, stream: u32) {
        if self.open.len() == MOST_STREAMS {
            // One that we have reset, most likely, and its peer does not go on with.
            self.open.remove(0);
        }
        self.open.push(stream);
    }

    fn end(&mut self) {
        if let Ok(place) = self.open.binary_search(&self.ends) {
            self.open.remove(place);
        }
        self.ends = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::PING;
    use super::super::tests::frame;
    use super::*;

    /// Frames, and the latest stream that is to come in part behind each of them.
    fn frames() -> Vec<(Vec<u8>, u32)> {
        vec![
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 0),
            (frame(4, 0, 0, &[0; 6]), 0),
            (frame(HEADERS, END_HEADERS | END_STREAM, 1, b"all of it"), 0),
            (frame(HEADERS, END_HEADERS, 3, b"head"), 3),
            (frame(DATA, 0, 3, &[END_STREAM; 300]), 3),
            (frame(HEADERS, END_HEADERS, 5, b"head"), 5),
            (frame(DATA, END_STREAM, 3, b"the rest"), 5),
            (frame(HEADERS, END_HEADERS, 7, b"head"), 7),
            (frame(HEADERS, END_HEADERS | END_STREAM, 7, b"trailers"), 5),
            (frame(HEADERS, END_HEADERS | END_STREAM, 9, b"all of it"), 5),
            (frame(RST_STREAM, 0, 9, &[0; 4]), 5),
            (frame(4, ACK, 0, b""), 5),
            (frame(RST_STREAM, 0, 5, &[0; 4]), 0),
            (
                frame(HEADERS, END_HEADERS, 5, b"of a stream that is over"),
                0,
            ),
        ]
    }

    const ACK: u8 = 1;

    /// Takes in what came; the latest stream that is to come in part.
    fn came(uploads: &mut Uploads, bytes: &[u8]) -> u32 {
        uploads.came(bytes, false, |_| {});
        uploads.open_beyond(0).1
    }

    #[test]
    fn only_small_frames_that_come_while_streams_stay_are_charged() {
        let mut uploads = Uploads::default();
        came(&mut uploads, &[0; PREFACE]);
        let small = frame(DATA, 0, 1, b"x");
        for _ in 0..10_000 {
            uploads.came(&small, false, |_| {});
            uploads.came(&frame(DATA, 0, 1, &[0; 256]), true, |_| {});
            uploads.came(&frame(DATA, END_STREAM, 1, b"x"), true, |_| {});
        }
        assert!(!uploads.is_charged());
        for _ in 0..600 {
            uploads.came(&small, true, |_| {});
        }
        assert!(uploads.is_charged());
    }

    #[test]
    fn a_request_is_to_come_until_its_stream_ends_or_is_reset() {
        let mut uploads = Uploads::default();
        for (number, (frame, expected)) in frames().iter().enumerate() {
            assert_eq!(came(&mut uploads, frame), *expected, "frame {number}");
        }
    }

    #[test]
    fn a_stream_is_told_as_it_begins_and_a_reset_with_whether_its_request_was_to_come_in_part() {
        let (mut begun, mut reset) = (Vec::new(), Vec::new());
        let mut uploads = Uploads::default();
        for (frame, _) in frames() {
            uploads.came(&frame, false, |change| match change {
                Change::Begins(stream) => begun.push(stream),
                Change::Resets { stream, open } => reset.push((stream, open)),
            });
        }
        assert_eq!(begun, [1, 3, 5, 7, 9]);
        assert_eq!(reset, [(9, false), (5, true)]);
    }

    #[test]
    fn frames_are_found_in_pieces_of_any_size() {
        let frames = frames();
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (frame, expected) in frames {
            bytes.extend(frame);
            ends.push((bytes.len(), expected));
        }
        for size in 1..64 {
            let mut uploads = Uploads::default();
            let mut so_far = 0;
            for piece in bytes.chunks(size) {
                so_far += piece.len();
                let before = ends.iter().rev().find(|(end, _)| *end <= so_far);
                let expected = before.map_or(0, |(_, expected)| *expected);
                let told = came(&mut uploads, piece);
                // The head of a request tells that it begins, its last byte that it ends.
                let next = ends.iter().find(|(end, _)| *end > so_far);
                let next = next.map_or(0, |(_, expected)| *expected);
                assert!(
                    told == expected || (told == next && next > expected),
                    "{told} at {so_far} in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn the_head_of_a_request_has_come_in_part_up_to_the_last_byte_of_its_last_frame() {
        let frames = [
            (vec![0; PREFACE], None),
            (frame(HEADERS, 0, 1, b"the head"), Some(true)),
            (frame(CONTINUATION, 0, 1, b"goes on"), Some(true)),
            (
                frame(CONTINUATION, END_HEADERS, 1, b"and ends"),
                Some(false),
            ),
            (frame(DATA, 0, 1, b"body"), None),
            (
                frame(HEADERS, END_HEADERS | END_STREAM, 1, b"trailers"),
                None,
            ),
            (frame(HEADERS, END_HEADERS, 3, b"all of it"), Some(false)),
            (frame(CONTINUATION, 0, 3, b"of no head"), None),
            (frame(HEADERS, 0, 5, b""), Some(true)),
            // Which is none from here on.
            (frame(RST_STREAM, 0, 5, &[0; 4]), Some(true)),
            (frame(HEADERS, END_HEADERS, 7, b"all of it"), Some(true)),
        ];
        let mut uploads = Uploads::default();
        let mut goes_on = false;
        for (number, (frame, behind)) in frames.iter().enumerate() {
            for (at, byte) in frame.iter().enumerate() {
                let known = at + 1 >= HEAD;
                uploads.came(&[*byte], false, |_| {});
                let last = at + 1 == frame.len();
                let expected = match behind {
                    _ if !known => goes_on,
                    Some(goes_on) => *goes_on || !last,
                    None => false,
                };
                let in_head = uploads.is_in_head();
                assert_eq!(in_head, expected, "byte {at} of frame {number}");
            }
            goes_on = behind.unwrap_or_default();
        }
    }

    #[test]
    fn nothing_begins_behind_a_head_that_is_none() {
        let broken = [
            frame(HEADERS, 0, 1, b"head"),
            frame(PING, 0, 0, b"anybody?"),
        ];
        let of_another = [
            frame(HEADERS, 0, 1, b"head"),
            frame(CONTINUATION, END_HEADERS, 3, b"of another"),
        ];
        let even = [
            frame(HEADERS, END_HEADERS, 1, b"head"),
            frame(HEADERS, END_HEADERS, 2, b"the server's"),
        ];
        let mut whole = Vec::new();
        for frames in [broken, of_another, even] {
            let mut uploads = Uploads::default();
            came(&mut uploads, &[0; PREFACE]);
            let mut begun = Vec::new();
            let behind = frame(HEADERS, END_HEADERS, 5, b"head");
            for frame in frames.into_iter().chain([behind]) {
                uploads.came(&frame, false, |change| match change {
                    Change::Begins(stream) => begun.push(stream),
                    Change::Resets { .. } => {}
                });
            }
            assert_eq!((begun, uploads.is_in_head()), (vec![1], true));
            whole.push(uploads.last_whole());
        }
        assert_eq!(whole, [0, 0, 1]);
    }

    #[test]
    fn no_more_streams_are_remembered_than_may_be_open() {
        let mut uploads = Uploads::default();
        came(&mut uploads, &[0; PREFACE]);
        let last = u32::try_from(MOST_STREAMS * 8).unwrap();
        for stream in (1..=last).step_by(2) {
            assert_eq!(
                came(&mut uploads, &frame(HEADERS, END_HEADERS, stream, b"head")),
                stream
            );
        }
        assert_eq!(uploads.open.len(), MOST_STREAMS);
        came(&mut uploads, &frame(RST_STREAM, 0, 1, &[0; 4]));
        assert_eq!(uploads.open.len(), MOST_STREAMS, "forgotten long ago");
    }
}
