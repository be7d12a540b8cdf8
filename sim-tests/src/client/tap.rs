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

    /// A library reads no more of a connection that takes nothing any more: the server has thrown it
    /// away.
    fn written<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(_)) = written {
            self.ends(End::Reset);
        }
        written
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
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, buf);
        this.written(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.written(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::trace::Trace;

    /// A tap, the other side of it, and what it writes down.
    fn tapped(tells: EndIsTold) -> (Tap<tokio::io::DuplexStream>, tokio::io::DuplexStream, Trace) {
        let trace = Trace::new(Arc::new(|| Duration::ZERO));
        let (ours, theirs) = duplex(64);
        let eyes = Eyes::new(0, trace.clone());
        let tap = Tap::new(ours, &eyes, &Ending::default(), tells);
        (tap, theirs, trace)
    }

    fn lines(trace: &Trace) -> Vec<String> {
        let entries = trace.take();
        entries.iter().map(|entry| entry.what.to_string()).collect()
    }

    #[tokio::test]
    async fn goaway_and_the_end_are_told_once_and_every_byte_passes() {
        let (mut tap, mut theirs, trace) = tapped(EndIsTold::AtOnce);
        let goaway = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x05\0\0\0\x0b";
        theirs.write_all(goaway).await.unwrap();
        drop(theirs);
        let mut came = Vec::new();
        tap.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, goaway);
        assert_eq!(tap.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(lines(&trace), ["goaway last 5 code 11", "fin"]);
    }

    #[tokio::test]
    async fn a_connection_that_takes_nothing_any_more_has_ended() {
        let (mut tap, theirs, trace) = tapped(EndIsTold::AtOnce);
        drop(theirs);
        tap.write_all(b"x").await.unwrap_err();
        assert_eq!(tap.ending.seen(), Some(End::Reset));
        assert_eq!(lines(&trace), ["reset"]);
    }

    #[tokio::test]
    async fn an_end_that_somebody_else_tells_is_kept_for_them() {
        let (mut tap, theirs, trace) = tapped(EndIsTold::Later);
        drop(theirs);
        assert_eq!(tap.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(tap.ending.seen(), Some(End::Fin));
        assert_eq!(lines(&trace), [""; 0]);
    }
}
