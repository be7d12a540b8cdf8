//! What comes behind a peer's answer to the PING that follows the first GOAWAY (floor 2).
//!
//! A stream that begins there lies beyond the last one that is served: its peer opened it before it heard of
//! that, and may go on with it until it does (RFC 9113, 6.8). h2 0.4 throws away the head of such a stream,
//! its body and its end, as it should; but a WINDOW_UPDATE of it h2 takes for one of a stream that never
//! began, and ends the connection with PROTOCOL_ERROR, and with it every stream that is still being served.
//! So such a frame is given another type, which means nothing and is ignored (RFC 9113, 4.1).
//!
//! Which stream a frame is about, its last four bytes of head say: a head that has come in part is held back
//! until the rest of it is there.
//!
//! **Invariant:** nothing is changed but the type of a WINDOW_UPDATE of a stream beyond the last one.
//! **Invariant:** at most eight bytes are held back.

use super::{HEAD, HEADERS, LONGEST, MOST_STREAMS, NONE_YET, WINDOW_UPDATE};

/// A type that is nobody's (RFC 9113, 11.2 leaves 0xf0 to 0xff to experiments).
const NOTHING: u8 = 0xf7;

pub(super) struct Behind {
    /// The last stream that had begun.
    last: u32,
    newest: u32,
    /// How much of the frame is still to come.
    left: usize,
    /// Streams that began here, and were not counted yet.
    begun: Vec<u32>,
}

impl Behind {
    pub(super) const fn new(last: u32) -> Self {
        Self {
            last,
            newest: last,
            left: 0,
            begun: Vec::new(),
        }
    }

    /// The last stream that had begun.
    pub(super) const fn last(&self) -> u32 {
        self.last
    }

    /// Takes in what came, behind what was held back; how much of it, at its end, is held back now. `None` if
    /// these are no frames.
    pub(super) fn came(&mut self, mut bytes: &mut [u8]) -> Option<usize> {
        loop {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = bytes.get_mut(skipped..)?;
            let more = bytes.len();
            let Some((head, rest)) = bytes.split_first_chunk_mut::<HEAD>() else {
                return Some(more);
            };
            let [a, b, c, kind, _, stream @ ..] = head;
            self.left = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if self.left > LONGEST {
                return None;
            }
            let stream = u32::from_be_bytes(*stream) & NONE_YET;
            if *kind == WINDOW_UPDATE && stream > self.last {
                *kind = NOTHING;
            }
            // The ids of new streams only rise.
            if *kind == HEADERS && stream > self.newest && self.begun.len() < MOST_STREAMS {
                self.newest = stream;
                self.begun.push(stream);
            }
            bytes = rest;
        }
    }

    /// How many streams have begun beyond `last`, the last one that GOAWAY names, since this was asked.
    pub(super) fn count_beyond(&mut self, last: u32) -> u64 {
        let beyond = self.begun.drain(..).filter(|stream| *stream > last);
        beyond.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::frame;
    use super::super::{DATA, END_STREAM, RST_STREAM};
    use super::*;

    const GRANT: &[u8] = &[0, 0, 0, 5];

    /// Frames, and what is to become of them.
    fn frames() -> (Vec<u8>, Vec<u8>) {
        let same = [
            frame(WINDOW_UPDATE, 0, 0, GRANT),
            frame(WINDOW_UPDATE, 0, 7, GRANT),
            frame(HEADERS, END_STREAM, 9, b"beyond"),
        ];
        let more = [
            frame(DATA, 0, 9, &[WINDOW_UPDATE; 300]),
            frame(WINDOW_UPDATE, 0, 5, GRANT),
        ];
        let grants = |kind| [9, 11].map(|stream| frame(kind, 0, stream, GRANT)).concat();
        let end = frame(RST_STREAM, 0, 9, &[0; 4]);
        let all = |kind| [same.concat(), grants(kind), more.concat(), end.clone()].concat();
        (all(WINDOW_UPDATE), all(NOTHING))
    }

    #[test]
    fn windows_of_streams_beyond_the_last_one_become_nothing_in_pieces_of_any_size() {
        let (came, expected) = frames();
        for size in 1..=came.len() {
            let mut behind = Behind::new(7);
            let (mut held, mut seen) = (Vec::new(), Vec::new());
            for piece in came.chunks(size) {
                held.extend_from_slice(piece);
                let more = behind.came(&mut held).unwrap();
                assert!(more < HEAD, "{more} in pieces of {size}");
                seen.extend(held.drain(..held.len() - more));
            }
            assert_eq!((seen, held), (expected.clone(), vec![]), "{size}");
            assert_eq!((behind.count_beyond(7), behind.count_beyond(7)), (1, 0));
        }
    }

    #[test]
    fn what_is_no_frame_is_told() {
        assert_eq!(Behind::new(1).came(&mut [0xff; 9]), None);
    }
}
