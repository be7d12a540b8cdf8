//! An HTTP/1 answer, taken apart as it comes.
//!
//! **Invariant:** an answer is complete only if its own framing says so: one that ends with its
//! connection before that is cut, however the connection ended.

use bytes::{Buf, BytesMut};

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// It says `connection: close`, or is of HTTP/1.0.
    pub(super) closes: bool,
    /// It takes up the WebSocket that was asked for with [`KEY`].
    pub(super) accepts: bool,
    pub(super) body: Framing,
}

/// The key that every WebSocket of a simulation is asked for with: the one of RFC 6455, 1.3. It guards
/// against caches, of which there are none here, so that one is as good as another.
pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPTED: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By its length; so many bytes are still to come.
    Length(u64),
    /// By its last chunk.
    Chunked(Chunk),
    /// By the end of the connection (RFC 9112, 6.3).
    UntilEnd,
}

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Over,
}

/// What cannot be an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled;

/// Fields that a head may have. The simulated service sends few.
const FIELDS: usize = 32;

/// Takes a head out of `inbox`, once it is whole.
pub(super) fn take_head(inbox: &mut BytesMut) -> Result<Option<Head>, Garbled> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(inbox) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Garbled),
    };
    let status = response.code.ok_or(Garbled)?;
    let mut closes = response.version == Some(0);
    let mut accepts = false;
    let mut body = Framing::UntilEnd;
    for field in response.headers.iter() {
        let says = |value: &str| field.value.eq_ignore_ascii_case(value.as_bytes());
        if field.name.eq_ignore_ascii_case("connection") {
            closes |= says("close");
        } else if field.name.eq_ignore_ascii_case("sec-websocket-accept") {
            accepts = status == 101 && field.value == ACCEPTED;
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") && says("chunked") {
            body = Framing::Chunked(Chunk::Size);
        } else if field.name.eq_ignore_ascii_case("content-length") && body == Framing::UntilEnd {
            body = Framing::Length(number(field.value, 10).ok_or(Garbled)?);
        }
    }
    if status < 200 || status == 204 || status == 304 {
        body = Framing::Length(0);
    }
    inbox.advance(length);
    Ok(Some(Head {
        status,
        closes,
        accepts,
        body,
    }))
}

impl Framing {
    /// Takes the next piece of the body out of `inbox`, and says how long it was; `None` when there is
    /// none.
    pub(super) fn take(&mut self, inbox: &mut BytesMut) -> Result<Option<usize>, Garbled> {
        match self {
            Self::Length(left) => Ok(piece(inbox, left)),
            Self::Chunked(chunk) => chunk.take(inbox),
            Self::UntilEnd => Ok(piece(inbox, &mut { u64::MAX })),
        }
    }

    /// Whether the body is complete; one that only the connection ends never says so itself.
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Over))
    }
}

impl Chunk {
    fn take(&mut self, inbox: &mut BytesMut) -> Result<Option<usize>, Garbled> {
        loop {
            *self = match self {
                Self::Data(0) => Self::DataEnd,
                Self::Data(left) => return Ok(piece(inbox, left)),
                Self::Over => return Ok(None),
                Self::Size | Self::DataEnd | Self::Trailers => {
                    let Some(end) = inbox.windows(2).position(|two| two == b"\r\n") else {
                        return Ok(None);
                    };
                    let next = self.after(inbox.get(..end).unwrap_or_default())?;
                    inbox.advance(end + 2);
                    next
                }
            };
        }
    }

    /// What comes after a line that stands between the data.
    fn after(&self, line: &[u8]) -> Result<Self, Garbled> {
        match self {
            Self::Size => {
                let size = line.split(|byte| *byte == b';').next().unwrap_or(line);
                match number(size, 16).ok_or(Garbled)? {
                    0 => Ok(Self::Trailers),
                    size => Ok(Self::Data(size)),
                }
            }
            Self::DataEnd if line.is_empty() => Ok(Self::Size),
            Self::Trailers if line.is_empty() => Ok(Self::Over),
            Self::Trailers => Ok(Self::Trailers),
            Self::DataEnd | Self::Data(_) | Self::Over => Err(Garbled),
        }
    }
}

/// What there is, of at most `left` bytes.
fn piece(inbox: &mut BytesMut, left: &mut u64) -> Option<usize> {
    let there = usize::try_from(*left).map_or(inbox.len(), |left| left.min(inbox.len()));
    *left -= there as u64;
    inbox.advance(there);
    (there > 0).then_some(there)
}

fn number(text: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything apart that has come; the bytes of the body.
    fn taken(framing: &mut Framing, inbox: &mut BytesMut) -> usize {
        let mut bytes = 0;
        while let Some(piece) = framing.take(inbox).unwrap() {
            bytes += piece;
        }
        bytes
    }

    #[test]
    fn a_head_is_taken_only_whole() {
        let text = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..text.len() - 3 {
            let mut inbox = BytesMut::from(&text[..cut]);
            assert_eq!(take_head(&mut inbox), Ok(None), "{cut}");
        }
        let mut inbox = BytesMut::from(&text[..]);
        let head = Head {
            status: 503,
            closes: true,
            accepts: false,
            body: Framing::Length(3),
        };
        assert_eq!(take_head(&mut inbox), Ok(Some(head)));
        assert_eq!(inbox.as_ref(), b"abc");
    }

    #[test]
    fn a_chunked_body_ends_with_its_last_chunk_wherever_it_is_cut_into_reads() {
        let text = b"5\r\nabcde\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
        for cut in 0..text.len() {
            let mut framing = Framing::Chunked(Chunk::Size);
            let mut inbox = BytesMut::from(&text[..cut]);
            let first = taken(&mut framing, &mut inbox);
            assert!(!framing.is_over(), "{cut}");
            inbox.extend_from_slice(&text[cut..]);
            assert_eq!(first + taken(&mut framing, &mut inbox), 15, "{cut}");
            assert!(framing.is_over(), "{cut}");
        }
    }

    #[test]
    fn what_follows_a_body_is_left_in_the_inbox() {
        for (framing, text) in [
            (Framing::Length(3), &b"abcNEXT"[..]),
            (Framing::Chunked(Chunk::Size), b"3\r\nabc\r\n0\r\n\r\nNEXT"),
        ] {
            let (mut framing, mut inbox) = (framing, BytesMut::from(text));
            assert_eq!(taken(&mut framing, &mut inbox), 3);
            assert_eq!(inbox.as_ref(), b"NEXT");
        }
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_garbled() {
        let mut inbox = BytesMut::from(&b"HTTP/3.0 hello\r\n\r\n"[..]);
        assert_eq!(take_head(&mut inbox), Err(Garbled));
        let mut framing = Framing::Chunked(Chunk::Size);
        let mut inbox = BytesMut::from(&b"five\r\n"[..]);
        assert_eq!(framing.take(&mut inbox), Err(Garbled));
    }
}
