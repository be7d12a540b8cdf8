//! The frames of an HTTP/2 connection as they pass, for what HTTP/2 does not tell its user (floor 2).
//!
//! Three things only the frames show: which streams came after the last one that GOAWAY names, which of
//! the frames that follow are about those, and which streams are tunnels that nobody but their peer can
//! end. All matter at the end of a connection alone, so nothing is looked at before its close is announced
//! or it carries a tunnel; what goes out is looked at from the beginning of a frame, which [`Ends`] knows,
//! and so is what comes in, by [`Uploads`].
//!
//! **Invariant:** no frame is held back or changed but as [`Behind`] says; what is added stands between two
//! frames, behind the last of the application.
//! **Invariant:** what is remembered is bounded, whatever the peer does.

use std::collections::BTreeSet;

use bytes::{Buf, BufMut, BytesMut};

mod behind;
mod ends;
mod head;
mod uploads;
mod wanted;

use behind::Behind;

pub(super) use ends::{End, Ends};
pub(super) use uploads::{Change, Uploads};
pub(super) use wanted::Wanted;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// The id in the first of two GOAWAYs: none is the last yet (RFC 9113, 6.8).
const NONE_YET: u32 = 0x7fff_ffff;

/// `CANCEL` (RFC 9113, 7).
const CANCEL: u32 = 8;

/// No frame of a peer that keeps to our settings is longer. Ours are as long as the peer's settings allow.
const LONGEST: usize = 16 * 1024;

/// More streams than that are never open at once; those that the peer has reset are not told apart.
const MOST_STREAMS: usize = 1024;

/// What was seen of one connection's frames.
#[derive(Default)]
pub(super) struct Frames {
    outgoing: Option<Heads>,
    /// Streams whose answer has begun, and not ended, as far as we sent it.
    open: BTreeSet<u32>,
    /// What we sent with the PING behind GOAWAY.
    ping: Option<u64>,
    /// The last stream that is served.
    last: Option<u32>,
    incoming: Incoming,
    /// The beginning of a frame's head that came last: nobody knows yet what it is about.
    held: Vec<u8>,
    resets: BytesMut,
}

#[derive(Default)]
enum Incoming {
    /// Nothing was looked at.
    #[default]
    Unknown,
    /// Looks for the answer to the PING, behind which a stream is beyond the last one.
    Before { heads: Heads, newest: u32 },
    /// Found.
    Behind(Behind),
    /// These are no frames.
    Lost,
}

impl Frames {
    /// Takes in what was sent, which `begins` at the beginning of a frame or goes on from the last
    /// call; returns how many streams are known, just now, to lie beyond the last one.
    pub(super) fn sent(&mut self, bytes: &[u8], begins: bool) -> u64 {
        if self.outgoing.is_none() && begins {
            self.outgoing = Some(Heads::default());
        }
        let Some(heads) = &mut self.outgoing else {
            return 0;
        };
        let (open, ping, last) = (&mut self.open, &mut self.ping, &mut self.last);
        heads.feed(bytes, |frame| match frame.kind {
            DATA | HEADERS if frame.flags & END_STREAM != 0 => drop(open.remove(&frame.stream)),
            HEADERS if open.len() < MOST_STREAMS => drop(open.insert(frame.stream)),
            RST_STREAM => drop(open.remove(&frame.stream)),
            PING if frame.flags & ACK == 0 => *ping = Some(frame.payload),
            GOAWAY => match u32::try_from(frame.payload >> 32) {
                Ok(NONE_YET) | Err(_) => {}
                Ok(stream) => *last = Some(stream),
            },
            _ => {}
        });
        self.settle()
    }

    /// Takes in what came, behind what [`held`](Self::take_held) gave; `position` is where in a frame that
    /// begins, and the newest stream there. Returns how many streams are known, just now, to lie beyond the
    /// last one, and how many of these bytes are held back: the last ones.
    pub(super) fn came(&mut self, bytes: &mut [u8], position: Position) -> Came {
        let Some(ping) = self.ping else {
            return Came::default();
        };
        if matches!(self.incoming, Incoming::Unknown) {
            let Position { heads, newest } = position;
            self.incoming = Incoming::Before { heads, newest };
        }
        let mut looked = 0;
        if let Incoming::Before { heads, newest } = &mut self.incoming {
            let (mut rest, mut agrees) = (&*bytes, false);
            heads.feed_until(&mut rest, |frame| {
                if frame.kind == HEADERS {
                    *newest = frame.stream.max(*newest);
                }
                agrees = frame.kind == PING && frame.flags & ACK != 0 && frame.payload == ping;
                agrees
            });
            if agrees {
                looked = bytes.len() - rest.len();
                self.incoming = Incoming::Behind(Behind::new(*newest));
            }
        }
        let mut held = 0;
        if let Incoming::Behind(behind) = &mut self.incoming {
            let rest = bytes.get_mut(looked..).unwrap_or_default();
            match behind.came(rest) {
                Some(more) => {
                    let begins = rest.len() - more;
                    self.held
                        .extend_from_slice(rest.get(begins..).unwrap_or_default());
                    held = more;
                }
                None => self.incoming = Incoming::Lost,
            }
        }
        let beyond = self.settle();
        Came { beyond, held }
    }

    /// Whether the last bytes that came are held back.
    pub(super) const fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was held back: the first of what comes next.
    pub(super) fn take_held(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Whether the peer has answered the PING behind GOAWAY.
    pub(super) const fn has_agreed(&self) -> bool {
        matches!(self.incoming, Incoming::Behind(_) | Incoming::Lost)
    }

    /// The last stream that had begun when the peer answered the PING: h2 throws away all that come behind
    /// it. `None` as long as it has not, or nothing is known of what came behind it.
    pub(super) const fn last_begun(&self) -> Option<u32> {
        match &self.incoming {
            Incoming::Behind(behind) => Some(behind.last()),
            Incoming::Unknown | Incoming::Before { .. } | Incoming::Lost => None,
        }
    }

    fn settle(&mut self) -> u64 {
        match (&mut self.incoming, self.last) {
            (Incoming::Behind(behind), Some(last)) => behind.count_beyond(last),
            _ => 0,
        }
    }

    /// Whether the last stream has been named.
    pub(super) const fn has_named_last(&self) -> bool {
        self.last.is_some()
    }

    /// What tells the peer that each stream which is still open is cut; empty once it is taken in
    /// full. To be asked for only where everything else has ended, and sent between two frames.
    pub(super) fn resets(&mut self) -> &mut BytesMut {
        for stream in std::mem::take(&mut self.open) {
            self.resets.put_slice(&[0, 0, 4, RST_STREAM, 0]);
            self.resets.put_u32(stream);
            self.resets.put_u32(CANCEL);
        }
        &mut self.resets
    }
}

/// The frame that names the last stream which is served, to a peer that has not answered the PING before.
pub(super) fn last_goaway(stream: u32) -> [u8; 17] {
    let mut frame = [0; 17];
    let mut rest = frame.as_mut_slice();
    rest.put_slice(&[0, 0, 8, GOAWAY, 0]);
    rest.put_u32(0);
    rest.put_u32(stream);
    // NO_ERROR
    rest.put_u32(0);
    frame
}

/// Where in its frames a connection is.
pub(super) struct Position {
    heads: Heads,
    /// The newest stream that has begun.
    newest: u32,
}

/// What became of bytes that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    /// So many streams are known, just now, to lie beyond the last one.
    pub(super) beyond: u64,
    /// So many bytes at their end are held back.
    pub(super) held: usize,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// Its first eight bytes, where it is a PING or GOAWAY.
    payload: u64,
}

/// Finds the frames in bytes that come in pieces.
#[derive(Default)]
struct Heads {
    head: Vec<u8>,
    skip: usize,
}

const HEAD: usize = 9;

impl Heads {
    /// Behind the first `known` bytes of a head, or so far from the next one.
    fn at(known: &[u8], skip: usize) -> Self {
        Self {
            head: known.to_vec(),
            skip,
        }
    }

    /// Hands out every frame whose head is complete.
    fn feed(&mut self, mut bytes: &[u8], mut seen: impl FnMut(Frame)) {
        self.feed_until(&mut bytes, |frame| {
            seen(frame);
            false
        });
    }

    /// The same, up to a frame that is the last one to be `seen`; what comes behind its head stays in
    /// `bytes`.
    fn feed_until(&mut self, bytes: &mut &[u8], mut seen: impl FnMut(Frame) -> bool) {
        loop {
            let skipped = self.skip.min(bytes.len());
            bytes.advance(skipped);
            self.skip -= skipped;
            if bytes.is_empty() {
                return;
            }
            let wanted = self.wanted() - self.head.len();
            let taken = wanted.min(bytes.len());
            self.head.extend(bytes.iter().take(taken));
            bytes.advance(taken);
            if self.head.len() < self.wanted() {
                continue;
            }
            let mut head = self.head.as_slice();
            let (len, kind, flags) = (self.len(), self.kind(), head.get(4).copied());
            head.advance(5);
            let stream = head.get_u32() & NONE_YET;
            let payload = if head.len() >= 8 { head.get_u64() } else { 0 };
            self.skip = len - (self.head.len() - HEAD);
            self.head.clear();
            let frame = Frame {
                kind,
                flags: flags.unwrap_or_default(),
                stream,
                payload,
            };
            if seen(frame) {
                return;
            }
        }
    }

    /// How much of a frame has to be there before it is handed out.
    fn wanted(&self) -> usize {
        if self.head.len() < HEAD {
            HEAD
        } else if matches!(self.kind(), PING | GOAWAY) {
            HEAD + self.len().min(8)
        } else {
            HEAD
        }
    }

    fn len(&self) -> usize {
        let bytes = self.head.iter().take(3);
        bytes.fold(0, |len, byte| (len << 8) | usize::from(*byte))
    }

    fn kind(&self) -> u8 {
        self.head.get(3).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_uint(payload.len() as u64, 3);
        bytes.put_slice(&[kind, flags]);
        bytes.put_u32(stream);
        bytes.put_slice(payload);
        bytes
    }

    fn goaway(last: u32) -> Vec<u8> {
        let mut payload = last.to_be_bytes().to_vec();
        payload.put_u32(0);
        frame(GOAWAY, 0, 0, &payload)
    }

    /// In the middle of a frame, behind the head of stream 7.
    fn position() -> Position {
        Position {
            heads: Heads::at(&[], REST.len()),
            newest: 7,
        }
    }

    const REST: &[u8] = b"the rest of a frame";

    /// What was sent with the first GOAWAY, and what comes from a peer that agrees.
    fn agreeing() -> (Vec<u8>, Vec<u8>) {
        let sent = [goaway(NONE_YET), frame(PING, 0, 0, b"shutdown")].concat();
        let came = [
            REST.to_vec(),
            frame(PING, ACK, 0, b"whatever"),
            frame(DATA, 0, 7, &frame(PING, ACK, 0, b"shutdown")),
            frame(HEADERS, END_STREAM, 9, b"before"),
            frame(PING, ACK, 0, b"shutdown"),
            frame(HEADERS, END_STREAM, 5, b"trailers"),
            frame(HEADERS, 0, 11, b"beyond"),
            frame(DATA, END_STREAM, 11, b"its body"),
            frame(HEADERS, END_STREAM, 11, b"its trailers"),
            frame(HEADERS, END_STREAM, 13, b"beyond too"),
        ]
        .concat();
        (sent, came)
    }

    /// Hands in what came in pieces of this size; how many streams are known to lie beyond the last one.
    fn hand_in(frames: &mut Frames, came: &[u8], size: usize) -> u64 {
        let pieces = came.chunks(size).map(|piece| {
            let mut bytes = frames.take_held();
            bytes.extend_from_slice(piece);
            let came = frames.came(&mut bytes, position());
            assert!(came.held < HEAD);
            assert_eq!(frames.holds(), came.held > 0);
            came.beyond
        });
        pieces.sum()
    }

    #[test]
    fn streams_beyond_the_last_one_are_counted_in_pieces_of_any_size() {
        let (sent, came) = agreeing();
        for size in 1..=came.len() {
            let mut frames = Frames::default();
            assert_eq!(frames.sent(&sent, true), 0);
            let early = hand_in(&mut frames, &came, size);
            assert_eq!(early, 0, "not known yet");
            let mut beyond = 0;
            for piece in goaway(9).chunks(size) {
                beyond += frames.sent(piece, false);
            }
            assert_eq!(beyond, 2, "in pieces of {size}");
            let late = frame(HEADERS, END_STREAM, 15, b"late");
            assert_eq!(hand_in(&mut frames, &late, size), 1);
            let trailers = frame(HEADERS, END_STREAM, 9, b"trailers");
            assert_eq!(hand_in(&mut frames, &trailers, size), 0);
        }
    }

    #[test]
    fn windows_are_left_as_they_are_up_to_the_answer_and_for_streams_before_it() {
        let (sent, came) = agreeing();
        let window = |stream| frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]);
        let all = [REST.to_vec(), window(99), came[REST.len()..].to_vec()];
        let all = [all.concat(), window(9), window(11)].concat();
        let mut frames = Frames::default();
        frames.sent(&sent, true);
        let mut seen = all.clone();
        let came = frames.came(&mut seen, position());
        assert_eq!(came, Came { beyond: 0, held: 0 });
        let (last, before) = seen.split_at(all.len() - 13);
        assert_eq!(last, &all[..all.len() - 13]);
        assert_ne!(before, window(11));
    }

    #[test]
    fn nothing_is_counted_before_the_peer_agrees_or_without_a_beginning() {
        let (sent, came) = agreeing();
        let headers = frame(HEADERS, END_STREAM, 9, b"between");
        let mut frames = Frames::default();
        frames.sent(&[sent.clone(), goaway(7)].concat(), true);
        let between = [REST, &headers].concat();
        assert_eq!(hand_in(&mut frames, &between, 100), 0);
        let mut frames = Frames::default();
        frames.sent(&[sent, goaway(7)].concat(), false);
        assert_eq!(hand_in(&mut frames, &came, 100), 0);
        assert!(!frames.has_agreed());
    }

    #[test]
    fn the_last_goaway_is_the_frame_that_it_should_be() {
        assert_eq!(last_goaway(7).as_slice(), goaway(7));
        let mut frames = Frames::default();
        frames.sent(&goaway(NONE_YET), true);
        assert!(!frames.has_named_last());
        frames.sent(&last_goaway(7), false);
        assert!(frames.has_named_last());
    }

    #[test]
    fn every_stream_whose_answer_has_not_ended_is_reset_once() {
        let sent = [
            frame(HEADERS, 0, 1, b"tunnel"),
            frame(HEADERS, END_STREAM, 3, b"whole"),
            frame(HEADERS, 0, 5, b"answer"),
            frame(DATA, 0, 1, &[0; 300]),
            frame(DATA, END_STREAM, 5, b"ended"),
            frame(HEADERS, 0, 7, b"cut"),
            frame(RST_STREAM, 0, 7, &[0; 4]),
            frame(HEADERS, 0, 9, b"tunnel too"),
            // As long as the peer allows.
            frame(DATA, 0, 9, &[0; 60_000]),
        ]
        .concat();
        let mut frames = Frames::default();
        for piece in sent.chunks(7) {
            frames.sent(piece, true);
        }
        let cancel = CANCEL.to_be_bytes();
        let resets = [1, 9].map(|stream| frame(RST_STREAM, 0, stream, &cancel));
        assert_eq!(frames.resets().split().as_ref(), resets.concat());
        assert!(frames.resets().is_empty());
    }

    #[test]
    fn what_is_no_frame_ends_the_look_and_what_is_remembered_is_bounded() {
        let mut frames = Frames::default();
        for stream in 0..4 * MOST_STREAMS {
            let stream = u32::try_from(stream * 2 + 1).unwrap();
            frames.sent(&frame(HEADERS, 0, stream, b""), true);
        }
        assert_eq!(frames.open.len(), MOST_STREAMS);
        let (sent, _) = agreeing();
        frames.sent(&sent, true);
        let answer = [REST, &frame(PING, ACK, 0, b"shutdown")].concat();
        hand_in(&mut frames, &answer, 100);
        assert!(matches!(frames.incoming, Incoming::Behind(_)));
        hand_in(&mut frames, &[0xff; 64], 100);
        assert!(matches!(frames.incoming, Incoming::Lost) && !frames.holds());
    }
}
