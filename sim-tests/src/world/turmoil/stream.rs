//! A connection in turmoil, with a window and resets.
//!
//! **Invariant:** bytes are read in the order and number in which they were written, and counted
//! once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;

use super::wire::{End, Wire, Wires};
use crate::trace::{WireSaw, wire_hash};

/// One end of a connection in turmoil.
#[derive(Debug)]
pub struct TurmoilIo {
    stream: TcpStream,
    wires: Arc<Wires>,
    wire: Arc<Wire>,
    end: End,
    side_ended: bool,
}

impl TurmoilIo {
    pub(super) fn new(stream: TcpStream, wires: &Arc<Wires>, end: End) -> io::Result<Self> {
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        let wire = match end {
            End::Client => wires.connected(local, peer),
            End::Server => wires.accepted(peer, local),
        };
        let io = Self {
            wire: wire.ok_or(io::ErrorKind::NotConnected)?,
            wires: Arc::clone(wires),
            stream,
            end,
            side_ended: false,
        };
        let client = io.client();
        io.saw(|| WireSaw::Accepted { client });
        Ok(io)
    }

    /// Whose connection it is, by the client's place in the scenario.
    pub(super) fn client(&self) -> u16 {
        self.wire.client()
    }

    fn saw(&self, what: impl FnOnce() -> WireSaw) {
        self.wires.saw(&self.wire, self.end, what);
    }

    /// Makes the drop a reset for the other end: after the bytes that are on their way, and not
    /// instead of them.
    pub(super) fn reset(&self) {
        self.wire.reset(self.end);
    }
}

fn count(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

impl Drop for TurmoilIo {
    fn drop(&mut self) {
        let reset = self.wire.resets(self.end);
        self.saw(|| {
            if reset {
                WireSaw::Aborted
            } else {
                WireSaw::Closed
            }
        });
        self.wires.left(&self.wire, self.end);
    }
}

impl AsyncRead for TurmoilIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (before, room) = (buf.filled().len(), buf.remaining());
        let polled = this.poll_segments(cx, buf);
        let read = buf.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            // Whatever stopped it is there again when it is asked again.
            this.wire.read(this.end, read.len());
            this.saw(|| WireSaw::Read {
                bytes: count(read),
                hash: wire_hash(read),
            });
            return Poll::Ready(Ok(()));
        }
        ready!(polled)?;
        if room > 0 {
            if this.wire.is_reset(this.end) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            this.saw(|| WireSaw::ReadFin);
        }
        Poll::Ready(Ok(()))
    }
}

impl TurmoilIo {
    /// Reads as much as is there, as from a socket: turmoil gives a segment at a time.
    fn poll_segments(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while buf.remaining() > 0 {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TurmoilIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(room) = ready!(this.wire.poll_room(this.end, cx)) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let fits = buf.get(..room).unwrap_or(buf);
        let sent = ready!(Pin::new(&mut this.stream).poll_write(cx, fits))?;
        this.wire.sent(this.end, sent);
        this.saw(|| {
            let sent = buf.get(..sent).unwrap_or(buf);
            WireSaw::Wrote {
                bytes: count(sent),
                hash: wire_hash(sent),
            }
        });
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A second one is harmless on a socket (`shutdown(2)`), and an error in turmoil.
        if !this.side_ended {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.side_ended = true;
            this.saw(|| WireSaw::WroteFin);
        }
        Poll::Ready(Ok(()))
    }
}
