//! Which protocol a connection speaks: enough of its first bytes to know (floor 2).
//!
//! **Invariant:** not a byte is lost: what was read is handed on with the answer.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use lamplighter_lifecycle::Protocol;
use tokio::io::{AsyncRead, ReadBuf};

use crate::os::listener::Io;

/// What every HTTP/2 client says first, and no HTTP/1 client can (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As much as most first segments carry, so that hyper need not read again.
const ROOM: usize = 2048;

/// A connection of which too little is known.
pub(super) struct Sniff {
    socket: Io,
    bytes: BytesMut,
}

impl Sniff {
    pub(super) fn new(socket: Io) -> Self {
        Self {
            socket,
            bytes: BytesMut::new(),
        }
    }

    /// Whether a byte has come.
    pub(super) fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Whether bytes have come that were not read, as far as the kernel can tell.
    pub(super) fn has_unread(&self) -> bool {
        self.socket.has_unread()
    }

    /// The socket, for whoever gives up on it.
    pub(super) fn into_socket(self) -> Io {
        self.socket
    }

    /// Reads until the protocol is known; pending while it is not.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Known>> {
        loop {
            let mut room = [MaybeUninit::uninit(); ROOM];
            let mut buf = ReadBuf::uninit(&mut room);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(Known::Ended));
            }
            self.bytes.extend_from_slice(buf.filled());
            if let Some(protocol) = protocol(&self.bytes) {
                return Poll::Ready(Ok(Known::Speaks(protocol)));
            }
        }
    }

    /// Takes it apart after [`Self::poll_read`] was ready.
    pub(super) fn into_parts(self) -> (Io, Bytes) {
        (self.socket, self.bytes.freeze())
    }
}

/// What is known of a connection after its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The protocol.
    Speaks(Protocol),
    /// The peer ended its side too early.
    Ended,
}

/// The protocol that begins with `bytes`; `None` while both are possible.
fn protocol(bytes: &[u8]) -> Option<Protocol> {
    if let Some(first) = bytes.get(..PREFACE.len()) {
        return Some(if first == PREFACE {
            Protocol::Http2
        } else {
            Protocol::Http1
        });
    }
    if PREFACE.starts_with(bytes) {
        None
    } else {
        Some(Protocol::Http1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_true_beginning_of_the_preface_leaves_it_open() {
        for len in 0..PREFACE.len() {
            assert_eq!(protocol(&PREFACE[..len]), None, "after {len} bytes");
        }
        assert_eq!(protocol(PREFACE), Some(Protocol::Http2));
        assert_eq!(
            protocol(&[PREFACE.as_slice(), b"\0\0\0"].concat()),
            Some(Protocol::Http2)
        );
    }

    #[test]
    fn the_first_byte_that_differs_means_http1() {
        for at in 0..PREFACE.len() {
            let mut bytes = PREFACE[..=at].to_vec();
            bytes[at] ^= 1;
            assert_eq!(protocol(&bytes), Some(Protocol::Http1), "differs at {at}");
        }
        assert_eq!(protocol(b"GET / HTTP/1.1\r\n\r\n"), Some(Protocol::Http1));
        assert_eq!(protocol(b"PR"), None);
        assert_eq!(protocol(b"PROPFIND"), Some(Protocol::Http1));
    }
}
