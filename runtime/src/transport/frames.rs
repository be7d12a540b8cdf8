//! The frames of an HTTP/2 connection as they pass, for what HTTP/2 does not tell its user (floor 2).
//!
//! Two things only the frames show: which streams came after the last one that GOAWAY names, and which
//! streams are tunnels that nobody but their peer can end. Both matter at the end of a connection
//! alone, so nothing is looked at before its close is announced or it carries a tunnel; and what goes
//! out is looked at from the beginning of a frame, which [`Ends`] knows. What comes in is looked at
//! from the answer to the PING behind GOAWAY, a sequence that is found, not parsed: bytes of a body that
//! imitate it can only make a count wrong.
//!
//! **Invariant:** no frame is held back or changed; what is added stands between two frames, behind the
//! last of the application.
//! **Invariant:** what is remembered is bounded, whatever the peer does.

use std::collections::BTreeSet;

use bytes::{Buf, BufMut, BytesMut};

mod ends;
mod head;
mod uploads;

pub(super) use ends::Ends;
pub(super) use uploads::Uploads;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// The id in the first of two GOAWAYs: none is the last yet (RFC 9113, 6.8).
const NONE_YET: u32 = 0x7fff_ffff;

/// `CANCEL` (RFC 9113, 7).
const CANCEL: u32 = 8;

/// No frame of ours or of a peer that keeps to our settings is longer.
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
    resets: BytesMut,
}

#[derive(Default)]
enum Incoming {
    /// Looks for the answer to the PING; the last bytes that came.
    #[default]
    Unknown,
    Seeking(Vec<u8>),
    /// Behind it: streams that may lie beyond the last one.
    Behind {
        heads: Heads,
        newest: u32,
        unsure: Vec<u32>,
    },
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
        let known = heads.feed(bytes, |frame| match frame.kind {
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
        if !known {
            self.outgoing = None;
            self.open.clear();
        }
        self.settle()
    }

    /// Takes in what came; returns how many streams are known, just now, to lie beyond the last one.
    pub(super) fn came(&mut self, bytes: &[u8]) -> u64 {
        let Some(ping) = self.ping else { return 0 };
        let mut rest = bytes;
        if matches!(self.incoming, Incoming::Unknown) {
            self.incoming = Incoming::Seeking(Vec::new());
        }
        let behind;
        if let Incoming::Seeking(seen) = &mut self.incoming {
            let answer = answer_to(ping);
            seen.extend_from_slice(bytes);
            let Some(at) = find(seen, &answer) else {
                let old = seen.len().saturating_sub(answer.len() - 1);
                seen.drain(..old);
                return 0;
            };
            behind = seen.split_off(at + answer.len());
            rest = &behind;
            self.incoming = Incoming::Behind {
                heads: Heads::default(),
                newest: 0,
                unsure: Vec::new(),
            };
        }
        if let Incoming::Behind {
            heads,
            newest,
            unsure,
        } = &mut self.incoming
        {
            let known = heads.feed(rest, |frame| {
                // The ids of new streams only rise.
                if frame.kind == HEADERS && frame.stream > *newest && unsure.len() < MOST_STREAMS {
                    *newest = frame.stream;
                    unsure.push(frame.stream);
                }
            });
            if !known {
                self.incoming = Incoming::Lost;
            }
        }
        self.settle()
    }

    /// Whether the peer has answered the PING behind GOAWAY.
    pub(super) const fn has_agreed(&self) -> bool {
        matches!(self.incoming, Incoming::Behind { .. } | Incoming::Lost)
    }

    fn settle(&mut self) -> u64 {
        match (&mut self.incoming, self.last) {
            (Incoming::Behind { unsure, .. }, Some(last)) => {
                let beyond = unsure.drain(..).filter(|stream| *stream > last).count();
                beyond as u64
            }
            _ => 0,
        }
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

/// The frame that answers a PING.
fn answer_to(ping: u64) -> [u8; 17] {
    let mut frame = [0; 17];
    let mut rest = frame.as_mut_slice();
    rest.put_slice(&[0, 0, 8, PING, ACK]);
    rest.put_u32(0);
    rest.put_u64(ping);
    frame
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
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
    /// Hands out every frame whose head is complete; `false` if these are no frames.
    fn feed(&mut self, mut bytes: &[u8], mut seen: impl FnMut(Frame)) -> bool {
        loop {
            let skipped = self.skip.min(bytes.len());
            bytes.advance(skipped);
            self.skip -= skipped;
            if bytes.is_empty() {
                return true;
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
            if len > LONGEST {
                return false;
            }
            seen(Frame {
                kind,
                flags: flags.unwrap_or_default(),
                stream,
                payload,
            });
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

    /// A connection that was told, and agrees in the middle of a stream's body.
    fn agreeing() -> (Vec<u8>, Vec<u8>) {
        let sent = [goaway(NONE_YET), frame(PING, 0, 0, b"shutdown")].concat();
        let came = [
            b"the rest of a frame".to_vec(),
            frame(PING, ACK, 0, b"whatever"),
            frame(HEADERS, END_STREAM, 7, b"before"),
            frame(PING, ACK, 0, b"shutdown"),
            frame(HEADERS, END_STREAM, 5, b"trailers"),
            frame(HEADERS, 0, 9, b"beyond"),
            frame(DATA, END_STREAM, 9, b"its body"),
            frame(HEADERS, END_STREAM, 9, b"its trailers"),
            frame(HEADERS, END_STREAM, 11, b"beyond too"),
        ]
        .concat();
        (sent, came)
    }

    #[test]
    fn streams_beyond_the_last_one_are_counted_in_pieces_of_any_size() {
        let (sent, came) = agreeing();
        for size in 1..=came.len() {
            let mut frames = Frames::default();
            assert_eq!(frames.sent(&sent, true), 0);
            let early: u64 = came.chunks(size).map(|piece| frames.came(piece)).sum();
            assert_eq!(early, 0, "not known yet");
            let mut beyond = 0;
            for piece in goaway(7).chunks(size) {
                beyond += frames.sent(piece, false);
            }
            assert_eq!(beyond, 2, "in pieces of {size}");
            assert_eq!(frames.came(&frame(HEADERS, END_STREAM, 13, b"late")), 1);
            assert_eq!(frames.came(&frame(HEADERS, END_STREAM, 7, b"trailers")), 0);
        }
    }

    #[test]
    fn nothing_is_counted_before_the_peer_agrees_or_without_a_beginning() {
        let (sent, _) = agreeing();
        let headers = frame(HEADERS, END_STREAM, 9, b"between");
        let mut frames = Frames::default();
        frames.sent(&[sent.clone(), goaway(7)].concat(), true);
        assert_eq!(frames.came(&headers), 0);
        let mut frames = Frames::default();
        frames.sent(&[sent, goaway(7)].concat(), false);
        assert_eq!(frames.came(&frame(PING, ACK, 0, b"shutdown")), 0);
        assert_eq!(frames.came(&headers), 0);
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
        frames.sent(&[0xff; 9], false);
        assert!(frames.resets().is_empty());
        let (sent, _) = agreeing();
        frames.sent(&sent, true);
        frames.came(&frame(PING, ACK, 0, b"shutdown"));
        frames.came(&[0xff; 64]);
        assert!(matches!(frames.incoming, Incoming::Lost));
    }
}
