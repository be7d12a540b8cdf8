//! A connection of a simulation, whatever the world.
//!
//! **Invariant:** it does what the world's own does, and nothing more.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::host::Dial;

/// A connection to a host of the simulation: [`Host::dial`](super::Host::dial),
/// [`Visit::connect`](super::Visit::connect).
///
/// Shutting it down ends this side; dropping it closes it: with a FIN, or with a reset if bytes had
/// arrived that nobody read.
pub struct Line(Box<dyn Erased>);

trait Erased: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset(self: Box<Self>);
}

/// The world's own connection, which knows how to reset itself.
struct Own<D: Dial>(D::Io);

impl Line {
    pub(crate) fn new<D: Dial>(io: D::Io) -> Self {
        Self(Box::new(Own::<D>(io)))
    }

    /// Ends it by a reset, whatever is on its way.
    pub fn reset(self) {
        self.0.reset();
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Line").finish_non_exhaustive()
    }
}

impl<D: Dial> Erased for Own<D> {
    fn reset(self: Box<Self>) {
        D::reset(self.0);
    }
}

impl<D: Dial> AsyncRead for Own<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<D: Dial> AsyncWrite for Own<D> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
