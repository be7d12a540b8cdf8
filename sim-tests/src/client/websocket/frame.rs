//! WebSocket frames (RFC 6455, 5.2) of a client: masked when sent, plain when they come.
//!
//! **Invariant:** a mask is a function of the numbers given for it and of nothing else, since these
//! bytes are on a wire that has to be the same in each run.

use bytes::{Buf, BufMut, BytesMut};

pub(super) const TEXT: u8 = 0x1;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const SHORT: usize = 125;
const LENGTH_OF_16_BITS: u8 = 126;
const LENGTH_OF_64_BITS: u8 = 127;

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: u8,
    pub(super) payload: BytesMut,
}

impl Frame {
    /// The code of a close, if it has one (RFC 6455, 7.1.5).
    pub(super) fn close_code(&self) -> Option<u16> {
        let code = self.payload.get(..2)?.try_into().ok()?;
        Some(u16::from_be_bytes(code))
    }
}

/// Takes a whole frame out of `inbox`.
pub(super) fn take(inbox: &mut BytesMut) -> Option<Frame> {
    let mut bytes: &[u8] = inbox;
    let opcode = bytes.try_get_u8().ok()? & 0xf;
    // A server masks nothing, so that the bit above the length is 0.
    let length = match bytes.try_get_u8().ok()? & !MASKED {
        LENGTH_OF_16_BITS => u64::from(bytes.try_get_u16().ok()?),
        LENGTH_OF_64_BITS => bytes.try_get_u64().ok()?,
        length => u64::from(length),
    };
    let length = usize::try_from(length).ok()?;
    if bytes.len() < length {
        return None;
    }
    let header = inbox.len() - bytes.len();
    inbox.advance(header);
    let payload = inbox.split_to(length);
    Some(Frame { opcode, payload })
}

/// A whole frame with this payload, masked with this key.
pub(super) fn masked(opcode: u8, payload: &[u8], key: [u8; 4]) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(payload.len() + 14);
    bytes.put_u8(FINAL | opcode);
    match (payload.len(), u16::try_from(payload.len())) {
        (0..=SHORT, Ok(length)) => bytes.put_uint(u64::from(length) | u64::from(MASKED), 1),
        (_, Ok(length)) => {
            bytes.put_u8(MASKED | LENGTH_OF_16_BITS);
            bytes.put_u16(length);
        }
        (length, Err(_)) => {
            bytes.put_u8(MASKED | LENGTH_OF_64_BITS);
            bytes.put_u64(length as u64);
        }
    }
    bytes.put_slice(&key);
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// The key of the `frame`-th frame of one of a seed's clients.
pub(super) const fn key(seed: u64, frame: u64) -> [u8; 4] {
    // The end of splitmix64: neighbours in, strangers out.
    let mut mixed = seed ^ frame.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let [a, b, c, d, ..] = (mixed ^ mixed >> 31).to_be_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_frame_is_the_one_of_the_standard() {
        // RFC 6455, 5.7: a single-frame masked text message.
        let frame = masked(TEXT, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(
            frame.as_ref(),
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
        );
    }

    #[test]
    fn frames_of_all_lengths_are_taken_only_whole() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let mut bytes = BytesMut::new();
            bytes.put_u8(FINAL | TEXT);
            match length {
                0..=125 => bytes.put_u8(u8::try_from(length).unwrap()),
                126..=65_535 => {
                    bytes.put_u8(126);
                    bytes.put_u16(u16::try_from(length).unwrap());
                }
                _ => {
                    bytes.put_u8(127);
                    bytes.put_u64(length as u64);
                }
            }
            bytes.put_bytes(b'x', length);
            let last = bytes.split_off(bytes.len() - 1);
            assert_eq!(take(&mut bytes), None, "{length}");
            bytes.unsplit(last);
            bytes.put_u8(0xff);
            let frame = take(&mut bytes).unwrap();
            assert_eq!((frame.opcode, frame.payload.len()), (TEXT, length));
            assert_eq!(bytes.as_ref(), [0xff]);
        }
    }

    #[test]
    fn a_close_says_why() {
        let mut bytes = BytesMut::from(&b"\x88\x02\x03\xe9\x88\x00"[..]);
        assert_eq!(take(&mut bytes).unwrap().close_code(), Some(1001));
        assert_eq!(take(&mut bytes).unwrap().close_code(), None);
    }

    #[test]
    fn keys_differ_from_frame_to_frame_and_seed_to_seed() {
        assert_eq!(key(7, 1), key(7, 1));
        assert_ne!(key(7, 1), key(7, 2));
        assert_ne!(key(7, 1), key(8, 1));
    }
}
