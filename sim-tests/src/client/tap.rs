//! What an HTTP/2 library hides from its user: GOAWAY, and how the connection ends.
//!
//! **Invariant:** the library gets every byte as if nobody looked.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::eyes::Eyes;
use super::frames::{Frames, GOAWAY};
use super::socket::End;
use crate::trace::ClientSaw;

/// A connection that is looked at.
#[derive(Debug)]
pub(super) struct Tap<Io> {
    io: Io,
    eyes: Eyes,
    frames: Frames,
    ending: Ending,
    tells: EndIsTold,
}

/// Who tells the trace how a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndIsTold {
    /// The tap, as soon as it is read.
    AtOnce,
    /// Whoever holds the [`Ending`], once all that came before it is told.
    Later,
}

/// How the connection that was tapped last has ended, if it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending(Arc<Mutex<Option<End>>>);

impl Ending {
    pub(super) fn seen(&self) -> Option<End> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, end: Option<End>) -> Option<End> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut seen, end)
    }
}

impl<Io> Tap<Io> {
    /// Looks at a connection from its first byte on; `ending` is about this one from now on.
    pub(super) fn new(io: Io, eyes: &Eyes, ending: &Ending, tells: EndIsTold) -> Self {
        ending.replace(None);
        Self {
            io,
            eyes: eyes.clone(),
            frames: Frames::default(),
            ending: ending.clone(),
            tells,
        }
    }

    fn ends(&self, end: End) {
        if self.ending.seen().is_none() {
            self.ending.replace(Some(end));
            if self.tells == EndIsTold::AtOnce {
                self.eyes.saw_end(end);
            }
        }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Tap<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let room = buf.remaining();
        let read = ready!(Pin::new(&mut this.io).poll_read(cx, buf));
        let mut new = buf.filled().get(before..).unwrap_or_default();
        if read.is_err() {
            this.ends(End::Reset);
        } else if new.is_empty() && room > 0 {
            this.ends(End::Fin);
        }
        while let Some(frame) = this.frames.take(&mut new) {
            if frame.kind == GOAWAY {
                let (last_stream, code) = frame.words();
                this.eyes.saw(ClientSaw::GoAway { last_stream, code });
            }
        }
        Poll::Ready(read)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Tap<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
