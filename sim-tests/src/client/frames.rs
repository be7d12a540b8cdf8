//! HTTP/2 frames (RFC 9113, 4.1) as far as clients write them by hand and look at what comes.
//!
//! **Invariant:** a frame is seen once, however its bytes are cut into reads, and nothing of a payload
//! is kept but its first eight bytes.

/// What every HTTP/2 client says first (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;

/// ACK, of SETTINGS and PING.
pub(super) const ACK: u8 = 1;

const HEADER: usize = 9;

/// As much of a payload as PING, GOAWAY and RST_STREAM need.
const KEPT: usize = 8;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    /// The beginning of its payload, filled up with zeros.
    pub(super) begins: [u8; KEPT],
}

impl Frame {
    /// The first two numbers of its payload: of GOAWAY the last stream that may be answered, and the
    /// error code.
    pub(super) fn words(self) -> (u32, u32) {
        let [a, b, c, d, e, f, g, h] = self.begins;
        (
            u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff,
            u32::from_be_bytes([e, f, g, h]),
        )
    }
}

/// Sees frames in bytes that come piece by piece.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The header and what is kept of the payload of the frame that has begun.
    begun: [u8; HEADER + KEPT],
    have: usize,
    /// Bytes of the payload that came and were not kept, or are still to come.
    to_come: usize,
}

impl Frames {
    /// Takes the next whole frame out of `bytes`; `None` when it is not whole yet, and all of
    /// `bytes` is taken.
    pub(super) fn take(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        while !bytes.is_empty() {
            if self.have < HEADER {
                self.keep(bytes, HEADER - self.have);
                if self.have < HEADER {
                    return None;
                }
                self.to_come = self.length();
            }
            let wanted = (HEADER + KEPT - self.have).min(self.to_come);
            self.to_come -= self.keep(bytes, wanted);
            let skipped = self.to_come.min(bytes.len());
            // What is kept comes first, so nothing is skipped before it is whole.
            if self.have == HEADER + self.length().min(KEPT) {
                *bytes = bytes.get(skipped..).unwrap_or_default();
                self.to_come -= skipped;
            }
            if self.to_come == 0 {
                return Some(self.whole());
            }
        }
        None
    }

    fn keep(&mut self, bytes: &mut &[u8], wanted: usize) -> usize {
        let (kept, rest) = bytes.split_at(wanted.min(bytes.len()));
        if let Some(room) = self.begun.get_mut(self.have..self.have + kept.len()) {
            room.copy_from_slice(kept);
        }
        self.have += kept.len();
        *bytes = rest;
        kept.len()
    }

    fn length(&self) -> usize {
        let [a, b, c, ..] = self.begun;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }

    fn whole(&mut self) -> Frame {
        let Self { begun, .. } = std::mem::take(self);
        let [_, _, _, kind, _, _, _, _, _, begins @ ..] = begun;
        Frame { kind, begins }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};

    use super::*;

    const RST_STREAM: u8 = 3;

    fn put(bytes: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        bytes.put_uint(payload.len() as u64, 3);
        bytes.put_u8(kind);
        bytes.put_u8(flags);
        bytes.put_u32(stream);
        bytes.put_slice(payload);
    }

    fn seen(frames: &mut Frames, mut bytes: &[u8]) -> Vec<Frame> {
        std::iter::from_fn(|| frames.take(&mut bytes)).collect()
    }

    #[test]
    fn frames_are_seen_once_wherever_their_bytes_are_cut() {
        let mut bytes = BytesMut::new();
        put(&mut bytes, SETTINGS, ACK, 0, &[]);
        put(&mut bytes, 0, 0, 5, &[b'x'; 40]);
        put(&mut bytes, RST_STREAM, 0, 5, &8_u32.to_be_bytes());
        put(
            &mut bytes,
            GOAWAY,
            0,
            0,
            b"\x7f\xff\xff\xff\0\0\0\0and a reason",
        );
        let whole = seen(&mut Frames::default(), &bytes);
        let kinds: Vec<_> = whole.iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [SETTINGS, 0, RST_STREAM, GOAWAY]);
        assert_eq!(whole[2].words(), (8, 0));
        assert_eq!(whole[3].words(), (0x7fff_ffff, 0));
        for cut in 0..bytes.len() {
            let mut frames = Frames::default();
            let mut cut_up = seen(&mut frames, &bytes[..cut]);
            cut_up.extend(seen(&mut frames, &bytes[cut..]));
            assert_eq!(cut_up, whole, "{cut}");
        }
        let mut frames = Frames::default();
        let one_by_one: Vec<_> = bytes
            .iter()
            .flat_map(|byte| seen(&mut frames, &[*byte]))
            .collect();
        assert_eq!(one_by_one, whole);
    }
}
