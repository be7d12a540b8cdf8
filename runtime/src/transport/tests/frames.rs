//! A client that speaks HTTP/2 frame by frame, and never of its own accord.

use super::client::Client;
use super::http2::peer::PREFACE;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `CANCEL` (RFC 9113, 7).
pub(super) const CANCEL: u32 = 8;

/// The id in a GOAWAY that names none yet.
pub(super) const ANY: u32 = 0x7fff_ffff;

/// One frame, as RFC 9113, 4.1, lays it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The four bytes of its payload from `at` on.
    pub(super) fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// One end of a connection.
pub(super) struct Frames(Client);

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = len[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `name: value` of a header in HPACK's static table, or one of those that are whole in it.
fn literal(block: &mut Vec<u8>, index: u8, value: &str) {
    // Without indexing (RFC 7541, 6.2.2): four bits of the index, the rest in a second byte.
    match index {
        0..15 => block.push(index),
        _ => block.extend([15, index - 15]),
    }
    block.push(u8::try_from(value.len()).unwrap());
    block.extend(value.as_bytes());
}

const AUTHORITY: u8 = 1;
const METHOD: u8 = 2;
const PATH: u8 = 4;

pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    // GET and http are whole in the table.
    let mut block = vec![0x82, 0x86];
    literal(&mut block, PATH, path);
    literal(&mut block, AUTHORITY, "test");
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

/// A POST whose body is to come.
pub(super) fn post(stream: u32, path: &str) -> Vec<u8> {
    // POST and http are whole in the table.
    let mut block = vec![0x83, 0x86];
    literal(&mut block, PATH, path);
    literal(&mut block, AUTHORITY, "test");
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// The end of a body: `a: b` (RFC 9113, 8.1).
pub(super) fn trailers(stream: u32) -> Vec<u8> {
    let block = b"\x00\x01a\x01b";
    frame(HEADERS, END_STREAM | END_HEADERS, stream, block)
}

pub(super) fn connect(stream: u32) -> Vec<u8> {
    let mut block = Vec::new();
    literal(&mut block, METHOD, "CONNECT");
    literal(&mut block, AUTHORITY, "test:443");
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// A WebSocket over HTTP/2 (RFC 8441).
pub(super) fn extended_connect(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x86];
    literal(&mut block, METHOD, "CONNECT");
    block.extend([0, 9]);
    block.extend(b":protocol");
    block.push(9);
    block.extend(b"websocket");
    literal(&mut block, PATH, path);
    literal(&mut block, AUTHORITY, "test");
    frame(HEADERS, END_HEADERS, stream, &block)
}

impl Frames {
    /// Says who it is, and waits for the server's settings.
    pub(super) async fn over(mut client: Client) -> Self {
        client.send(PREFACE).await;
        client.send(frame(SETTINGS, 0, 0, &[])).await;
        let mut frames = Self(client);
        frames.until(SETTINGS).await;
        frames.send(frame(SETTINGS, ACK, 0, &[])).await;
        frames
    }

    /// Says nothing of its own accord, not even who it is.
    pub(super) const fn bare(client: Client) -> Self {
        Self(client)
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.send(bytes).await;
    }

    /// The next frame; `None` where the connection ends.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        let head = self.0.exactly(9).await?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = self.0.exactly(len as usize).await?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes(head[5..9].try_into().unwrap()) & ANY,
            payload,
        })
    }

    /// The next frame of this kind, whatever comes before it.
    pub(super) async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let next = self.next().await;
            let frame = next.unwrap_or_else(|| panic!("the end before a frame of kind {kind}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Until the answer on `stream` is complete.
    pub(super) async fn answered(&mut self, stream: u32) {
        loop {
            let frame = self.next().await.expect("the end before an answer");
            if frame.stream == stream && frame.ends_stream() {
                return;
            }
        }
    }

    /// Everything that comes until the connection ends.
    pub(super) async fn rest(&mut self) -> Vec<Frame> {
        let mut rest = Vec::new();
        while let Some(frame) = self.next().await {
            rest.push(frame);
        }
        rest
    }

    pub(super) fn into_client(self) -> Client {
        self.0
    }
}
