//! A probe that speaks HTTP/2 frame by frame, so that a test sees GOAWAY, PING and RST_STREAM as
//! they come, and may leave out what a client owes.
//!
//! **Invariant:** nothing is sent but what the test asked for and what its manners call for.

use std::future::Future;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Probe, Seen};

/// What a client sends of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It acknowledges SETTINGS and answers PING, as RFC 9113 asks of it.
    Polite,
    /// It answers PING and never acknowledges SETTINGS.
    NoSettingsAck,
    /// It acknowledges SETTINGS and never answers PING.
    NoPong,
    /// It does neither.
    Mute,
}

impl Manners {
    const fn acknowledge_settings(self) -> bool {
        matches!(self, Self::Polite | Self::NoPong)
    }

    const fn answer_pings(self) -> bool {
        matches!(self, Self::Polite | Self::NoSettingsAck)
    }
}

/// The state of the client's side.
#[derive(Debug)]
pub(super) struct Http2 {
    manners: Manners,
    pub(super) next_stream: u32,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER: usize = 9;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;

/// END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING.
pub(super) const LAST: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;

/// SETTINGS_HEADER_TABLE_SIZE = 0: what a head says does not depend on the heads before it.
const NO_TABLE: [u8; 6] = [0, 1, 0, 0, 0, 0];

/// SETTINGS_INITIAL_WINDOW_SIZE.
const INITIAL_WINDOW_SIZE: u16 = 4;

impl Probe {
    /// Begins HTTP/2 with prior knowledge: the preface and SETTINGS go out, and what comes in is
    /// seen frame by frame from here on.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn http2(&mut self, manners: Manners) -> impl Future<Output = io::Result<()>> {
        self.http2_from(0, manners)
    }

    /// As [`http2`](Self::http2), for a connection that has sent so many bytes of the preface.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn http2_from(
        &mut self,
        sent: usize,
        manners: Manners,
    ) -> impl Future<Output = io::Result<()>> + use<'_> {
        self.begin_http2(sent, manners, None)
    }

    /// As [`http2`](Self::http2), with so many bytes that the server may send on each stream until
    /// it is allowed more; `None` for the 64 KiB of RFC 9113.
    #[track_caller]
    pub(crate) fn begin_http2(
        &mut self,
        sent: usize,
        manners: Manners,
        window: Option<u32>,
    ) -> impl Future<Output = io::Result<()>> + use<'_> {
        self.http2 = Some(Http2 {
            manners,
            next_stream: 1,
        });
        let mut settings = BytesMut::from(&NO_TABLE[..]);
        if let Some(window) = window {
            settings.put_u16(INITIAL_WINDOW_SIZE);
            settings.put_u32(window);
        }
        let mut bytes = BytesMut::from(PREFACE.get(sent..).unwrap_or_default());
        put_frame(&mut bytes, SETTINGS, 0, 0, &settings);
        self.send(bytes)
    }

    /// Sends PING.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn ping(&mut self, data: [u8; 8]) -> impl Future<Output = io::Result<()>> {
        self.send_frame(PING, 0, 0, &data)
    }

    /// Sends one HTTP/2 frame, whatever it is.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn send_frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> impl Future<Output = io::Result<()>> + use<'_> {
        let mut bytes = BytesMut::new();
        put_frame(&mut bytes, kind, flags, stream, payload);
        self.send(bytes)
    }
}

impl Http2 {
    /// Takes the next frame that is known here out of `inbox`, with what good manners answer to it.
    pub(super) fn take_frame(&self, inbox: &mut BytesMut) -> Option<(Seen, Bytes)> {
        loop {
            let (kind, flags, stream, payload) = split_frame(inbox)?;
            let Some(seen) = seen(kind, flags, stream, payload.freeze()) else {
                continue;
            };
            let mut reply = BytesMut::new();
            if seen == (Seen::Settings { ack: false }) && self.manners.acknowledge_settings() {
                put_frame(&mut reply, SETTINGS, LAST, 0, &[]);
            }
            if let Seen::Ping { ack: false, data } = &seen
                && self.manners.answer_pings()
            {
                put_frame(&mut reply, PING, LAST, 0, data);
            }
            return Some((seen, reply.freeze()));
        }
    }
}

fn split_frame(inbox: &mut BytesMut) -> Option<(u8, u8, u32, BytesMut)> {
    let header: [u8; HEADER] = inbox.get(..HEADER)?.try_into().ok()?;
    let [a, b, c, kind, flags, s1, s2, s3, s4] = header;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    if inbox.len() < HEADER + length {
        return None;
    }
    inbox.advance(HEADER);
    let stream = u32::from_be_bytes([s1, s2, s3, s4]) & 0x7fff_ffff;
    Some((kind, flags, stream, inbox.split_to(length)))
}

/// What a frame says; `None` for kinds that no test asks about.
fn seen(kind: u8, flags: u8, stream: u32, mut payload: Bytes) -> Option<Seen> {
    let last = flags & LAST != 0;
    match kind {
        DATA => Some(Seen::Data {
            stream,
            data: payload,
            last,
        }),
        HEADERS => Some(Seen::Headers {
            stream,
            status: status(&payload),
            last,
        }),
        RST_STREAM => Some(Seen::Reset {
            stream,
            code: payload.try_get_u32().ok()?,
        }),
        SETTINGS => Some(Seen::Settings { ack: last }),
        PING => Some(Seen::Ping {
            ack: last,
            data: payload.as_ref().try_into().ok()?,
        }),
        GOAWAY => Some(Seen::GoAway {
            last_stream: payload.try_get_u32().ok()? & 0x7fff_ffff,
            code: payload.try_get_u32().ok()?,
            debug: payload,
        }),
        WINDOW_UPDATE => Some(Seen::WindowUpdate {
            stream,
            increment: payload.try_get_u32().ok()? & 0x7fff_ffff,
        }),
        _ => None,
    }
}

/// The status that a block of header fields begins with; `None` if it begins with something else.
///
/// Enough of HPACK (RFC 7541) for that: the static table has `:status` at 8 to 14, seven of them
/// with a value; any other value is a literal of three digits, Huffman-coded or not.
fn status(mut block: &[u8]) -> Option<u16> {
    // A change of the table's size may come first.
    while block.first().is_some_and(|first| first & 0xe0 == 0x20) {
        block.advance(1);
    }
    match block.try_get_u8().ok()? {
        0x88 => Some(200),
        0x89 => Some(204),
        0x8a => Some(206),
        0x8b => Some(304),
        0x8c => Some(400),
        0x8d => Some(404),
        0x8e => Some(500),
        // A literal whose name is entry 8 to 14, indexed from now on or not.
        first
            if matches!(first & 0x3f, 8..=14) && first & 0xc0 == 0x40
                || matches!(first, 0x08..=0x0e | 0x18..=0x1e) =>
        {
            literal(block)
        }
        _ => None,
    }
}

fn literal(mut block: &[u8]) -> Option<u16> {
    let prefix = block.try_get_u8().ok()?;
    let text = block.get(..usize::from(prefix & 0x7f))?;
    if prefix & 0x80 == 0 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let bits = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut status = 0_u16;
    let (mut code, mut length, mut digits) = (0_u16, 0_u8, 0);
    for bit in bits {
        code = code << 1 | u16::from(bit);
        length += 1;
        // Digits 0 to 2 have five bits, 3 to 9 six.
        let digit = match (length, code) {
            (5, 0..=2) => code,
            (6, 0x19..=0x1f) => code - 0x19 + 3,
            _ => continue,
        };
        status = status * 10 + digit;
        (code, length, digits) = (0, 0, digits + 1);
        if digits == 3 {
            return Some(status);
        }
    }
    None
}

pub(super) fn put_frame(bytes: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.put_uint(payload.len() as u64, 3);
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_u32(stream);
    bytes.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_of_its_encodings() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x8d]), Some(404));
        // RFC 7541, C.6.1: `:status: 302` as a Huffman-coded literal.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
        // RFC 7541, C.6.2: `:status: 307`.
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307));
        // RFC 7541, C.5.1: `:status: 302` in plain text.
        assert_eq!(status(b"\x48\x03302"), Some(302));
        assert_eq!(status(b"\x08\x03503"), Some(503));
        assert_eq!(status(b"\x00\x01a\x01b"), None);
    }

    #[test]
    fn frames_are_taken_one_by_one_and_only_whole() {
        let http2 = Http2 {
            manners: Manners::Polite,
            next_stream: 1,
        };
        let mut inbox = BytesMut::new();
        put_frame(
            &mut inbox,
            GOAWAY,
            0,
            0,
            &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        );
        put_frame(&mut inbox, PING, 0, 0, b"12345678");
        let cut = inbox.split_off(inbox.len() - 1);
        let goaway = Seen::GoAway {
            last_stream: 0x7fff_ffff,
            code: 0,
            debug: Bytes::new(),
        };
        assert_eq!(http2.take_frame(&mut inbox), Some((goaway, Bytes::new())));
        assert_eq!(http2.take_frame(&mut inbox), None);
        inbox.unsplit(cut);
        let (seen, reply) = http2.take_frame(&mut inbox).unwrap();
        let data = *b"12345678";
        assert_eq!(seen, Seen::Ping { ack: false, data });
        assert_eq!(reply.as_ref(), b"\0\0\x08\x06\x01\0\0\0\x0012345678");
    }
}
