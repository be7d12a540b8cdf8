//! One connection of a simulated client: what is to be sent goes out while what comes is taken in.
//!
//! **Invariant:** nothing waits for one direction alone, so that a peer that does not read cannot keep
//! a client from seeing what it says, or how the connection ends.
//! **Invariant:** after its end was seen, nothing is read any more.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, sleep_until};

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has said everything: an end of file.
    Fin,
    /// It has thrown the connection away.
    Reset,
}

/// A connection, with what came and was not yet taken apart, and what is still to be sent.
#[derive(Debug)]
pub(super) struct Socket<Io> {
    io: Io,
    pub(super) inbox: BytesMut,
    words: Bytes,
    /// Bytes of no meaning, to be sent after the words.
    filling: u64,
    end: Option<End>,
    /// The peer takes nothing any more; what it said before may still be read.
    deaf: bool,
}

/// Bytes that one read takes in at most, unless a client says.
const READ: usize = 4096;

/// Bytes that one read takes in at most, however many a client asks for.
const MOST: usize = 64 * 1024;

/// What bodies are made of.
pub(super) static FILLING: [u8; 4096] = [b'x'; 4096];

impl<Io: AsyncRead + AsyncWrite + Unpin> Socket<Io> {
    pub(super) fn new(io: Io) -> Self {
        Self {
            io,
            inbox: BytesMut::new(),
            words: Bytes::new(),
            filling: 0,
            end: None,
            deaf: false,
        }
    }

    /// Puts these bytes behind the words that are still to be sent, before any filling.
    pub(super) fn say(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.words = if self.words.is_empty() {
            bytes
        } else {
            let all = [&self.words[..], &bytes[..]].concat();
            all.into()
        };
    }

    /// Puts so many bytes of no meaning behind what is still to be sent.
    pub(super) fn fill(&mut self, bytes: u64) {
        self.filling += bytes;
    }

    /// Whether the end of the connection was seen.
    pub(super) const fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether nothing of what was to be sent is left.
    fn is_sent(&self) -> bool {
        self.words.is_empty() && self.filling == 0
    }

    /// Sends on until something came, at most `room` bytes of it, or the end.
    pub(super) async fn came_at_most(&mut self, room: usize) -> Result<(), End> {
        poll_fn(|cx| {
            self.poll_send(cx);
            self.poll_take(cx, room)
        })
        .await
    }

    /// Sends on until something came, or the end.
    pub(super) async fn came(&mut self) -> Result<(), End> {
        self.came_at_most(READ).await
    }

    /// As [`came`](Self::came), until a moment; `None` if nothing came.
    pub(super) async fn came_until(&mut self, moment: Instant) -> Option<Result<(), End>> {
        let mut over = pin!(sleep_until(moment));
        poll_fn(|cx| {
            self.poll_send(cx);
            // What is there at the very moment is seen first.
            if let Poll::Ready(came) = self.poll_take(cx, READ) {
                return Poll::Ready(Some(came));
            }
            over.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Sends on until everything is out, or the peer takes no more; what came before that, if anything
    /// did.
    pub(super) async fn came_unless_sent(&mut self) -> Option<Result<(), End>> {
        poll_fn(|cx| {
            self.poll_send(cx);
            if self.deaf || self.is_sent() {
                return Poll::Ready(None);
            }
            self.poll_take(cx, READ).map(Some)
        })
        .await
    }

    /// Ends this side: the peer reads an end of file.
    pub(super) async fn finish(&mut self) {
        // The peer may have gone before; it makes no difference.
        let _gone = poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await;
    }

    pub(super) fn into_io(self) -> Io {
        self.io
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) {
        while !self.deaf && !self.is_sent() {
            let bytes = if self.words.is_empty() {
                let left = usize::try_from(self.filling).unwrap_or(usize::MAX);
                FILLING.get(..left).unwrap_or(&FILLING)
            } else {
                &self.words
            };
            match Pin::new(&mut self.io).poll_write(cx, bytes) {
                Poll::Ready(Ok(written)) if self.words.is_empty() => self.filling -= written as u64,
                Poll::Ready(Ok(written)) => self.words.advance(written),
                Poll::Ready(Err(_)) => self.deaf = true,
                Poll::Pending => return,
            }
        }
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<Result<(), End>> {
        if let Some(end) = self.end {
            return Poll::Ready(Err(end));
        }
        let room = room.clamp(1, MOST);
        self.inbox.reserve(room);
        let mut limited = (&mut self.inbox).limit(room);
        let read = pin!(self.io.read_buf(&mut limited)).poll(cx);
        let end = match ready!(read) {
            Ok(0) => End::Fin,
            Ok(_) => return Poll::Ready(Ok(())),
            // Whatever the kind, nothing more will come.
            Err(_) => End::Reset,
        };
        self.end = Some(end);
        Poll::Ready(Err(end))
    }
}
