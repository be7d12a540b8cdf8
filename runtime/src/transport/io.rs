//! The wrapper around a connection's bytes: sees heads begin and answers leave, lets reading end,
//! and never lets a socket get lost (floor 2).
//!
//! hyper owns the wrapper, the wrapper owns the socket. When hyper drops the wrapper, the socket
//! comes back to the connection's account, where the connection's task ends it as it deserves. After
//! an upgrade the socket lies in the account from the start, so that it can be closed while a task
//! that nobody can stop still holds the wrapper.
//!
//! **Invariant:** bytes that the kernel has are read before reading ends.
//! **Invariant:** a socket is closed by the connection's task, or together with the last owner of an
//! upgraded wrapper.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::account::{Account, Token};
use super::flag;
use super::frames::{Ends, Frames, Uploads};
use crate::os::listener::{Broken, Io};
use lamplighter_lifecycle::Protocol;

mod frames_came;
mod went;

/// Where the socket of a connection is, seen from its account.
pub(super) enum Place {
    /// With hyper, or gone.
    Elsewhere,
    /// hyper is done with it.
    Returned(Io),
    /// The application reads and writes it through a wrapper.
    Parked(Parked),
}

/// An upgraded socket, with those who wait for it.
pub(super) struct Parked {
    socket: Io,
    reader: Option<Waker>,
    writer: Option<Waker>,
    // Dropped last: the socket is closed before the end is reported.
    _token: Token,
}

impl Place {
    /// Takes the socket out, whoever used it; those who wait are woken and get an error.
    pub(super) fn take(&mut self) -> Option<(Io, Option<Token>)> {
        match std::mem::replace(self, Self::Elsewhere) {
            Self::Elsewhere => None,
            Self::Returned(socket) => Some((socket, None)),
            Self::Parked(parked) => {
                let wakers = [parked.reader, parked.writer];
                wakers.into_iter().flatten().for_each(Waker::wake);
                Some((parked.socket, Some(parked._token)))
            }
        }
    }

    pub(super) const fn is_parked(&self) -> bool {
        matches!(self, Self::Parked(_))
    }
}

/// Which way bytes go.
#[derive(Clone, Copy)]
enum Side {
    Read,
    Write,
}

/// A connection's bytes as hyper sees them.
pub(super) struct ConnectionIo {
    socket: Option<Io>,
    /// Read already, to find out the protocol.
    prefix: Bytes,
    account: Arc<Account>,
    http1: bool,
    /// HTTP/1.0: the end of the process would break an answer off, and its client is to see that.
    undelimited: bool,
    /// HTTP/2: the ends of answers among the frames that were written.
    ends: Ends,
    /// HTTP/2: the requests that are to come in part.
    uploads: Uploads,
    /// HTTP/2: what passes, from when it is worth a look.
    frames: Option<Box<Frames>>,
    /// HTTP/2: the last stream before those that are refused.
    last: Option<u32>,
}

impl ConnectionIo {
    pub(super) fn new(socket: Io, prefix: Bytes, account: Arc<Account>) -> Self {
        let http1 = account.protocol() == Protocol::Http1;
        if http1 {
            account.seen.read(&prefix, true);
            account.upload.read(&prefix, true);
        }
        let mut this = Self {
            socket: Some(socket),
            prefix: Bytes::new(),
            account,
            http1,
            undelimited: false,
            ends: Ends::default(),
            uploads: Uploads::default(),
            frames: None,
            last: None,
        };
        if !http1 {
            this.came(&prefix);
        }
        this.prefix = prefix;
        this
    }

    /// Does something with the socket, wherever it is; whoever has to wait is remembered, so that
    /// it can be woken when the socket is taken away.
    #[inline]
    fn with<T>(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        run: impl FnOnce(Pin<&mut Io>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Some(socket) = &mut self.socket {
            return run(Pin::new(socket), cx);
        }
        match &mut *self.account.socket() {
            Place::Parked(parked) => {
                let polled = run(Pin::new(&mut parked.socket), cx);
                if polled.is_pending() {
                    let slot = match side {
                        Side::Read => &mut parked.reader,
                        Side::Write => &mut parked.writer,
                    };
                    match slot {
                        Some(waker) => waker.clone_from(cx.waker()),
                        None => *slot = Some(cx.waker().clone()),
                    }
                }
                polled
            }
            Place::Elsewhere | Place::Returned(_) => {
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    /// The answer that upgrades is with the kernel: from here on the application talks.
    fn park(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.account.speaks(Protocol::Upgraded);
            *self.account.socket() = Place::Parked(Parked {
                socket,
                reader: None,
                writer: None,
                _token: Token::another(&self.account),
            });
        }
    }
}

impl AsyncRead for ConnectionIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.prefix.has_remaining() {
            let len = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix.split_to(len));
            return Poll::Ready(Ok(()));
        }
        if this.frames.as_ref().is_some_and(|frames| frames.holds()) {
            return this.poll_held(cx, buf);
        }
        let before = buf.filled().len();
        let http1 = this.http1;
        let polled = this.with(Side::Read, cx, |socket, cx| socket.poll_read(cx, buf));
        match &polled {
            Poll::Ready(Ok(())) => {
                let bytes = buf.filled_mut().get_mut(before..).unwrap_or_default();
                if bytes.is_empty() {
                    this.account.raise(flag::PEER_ENDED);
                } else if http1 {
                    let between = this.account.in_flight() == 0;
                    this.account.seen.read(bytes, between);
                    this.account.upload.read(bytes, between);
                } else if this.frames.is_none() {
                    this.came(bytes);
                } else {
                    let held = this.came_at_the_end(bytes, 0);
                    let shown = buf.filled().len() - held;
                    buf.set_filled(shown);
                    if shown == before {
                        // Nothing at all would look like the end.
                        return this.poll_held(cx, buf);
                    }
                }
            }
            Poll::Ready(Err(_)) => this.account.broken.connection_breaks(),
            Poll::Pending => {
                this.account.seen.ask_for_more(true);
                // Nothing is left to read: the peer has not begun anything that we could lose. The kernel
                // itself is asked. Where the thread that polls it for tokio has not got a turn yet, bytes
                // are there that tokio knows nothing of, and wake this task when it does.
                if http1
                    && this.account.has(flag::READING_ENDS)
                    && !this.account.seen.head()
                    && this.account.in_flight() == 0
                    && !this.socket.as_ref().is_some_and(Io::has_unread)
                {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        polled
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.goes_on_writing();
        let polled = this.with(Side::Write, cx, |socket, cx| socket.poll_write(cx, buf));
        this.wrote(&[io::IoSlice::new(buf)], &polled);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.goes_on_writing();
        let polled = this.with(Side::Write, cx, |socket, cx| {
            socket.poll_write_vectored(cx, bufs)
        });
        this.wrote(bufs, &polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.socket
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.http1 {
            let cut = this.account.has(flag::TUNNELS) && this.account.has(flag::FORCED);
            if cut && this.account.in_flight() == 0 {
                ready!(this.poll_resets(cx))?;
            }
        }
        let flushed = ready!(this.with(Side::Write, cx, |socket, cx| socket.poll_flush(cx)));
        if this.http1 {
            this.delimits(!this.account.has_answer_to_make());
        }
        ready!(this.poll_sent(cx));
        if flushed.is_ok() && this.socket.is_some() && this.http1 {
            // hyper flushes HTTP/1 only after it has written all it has. HTTP/2 also flushes to
            // make room, so its answers are counted when it has nothing to do any more, or with
            // their last frames where it cannot go on.
            this.account.flushed(0);
            if this.account.has(flag::UPGRADING) {
                this.park();
            } else if this.account.in_flight() > 0 {
                // hyper does not read while a handler works, since an end of the peer's side means
                // nothing then. A reset does: nobody is left to be answered.
                let broken = this.socket.as_ref().map(|socket| socket.poll_broken(cx));
                this.account
                    .seen
                    .watch(!matches!(broken, Some(Broken::Untold)));
                if let Some(Broken::By(error)) = broken {
                    this.account.broken.connection_breaks();
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.with(Side::Write, cx, |socket, cx| socket.poll_shutdown(cx)))?;
        this.account.raise(flag::SIDE_ENDED);
        Poll::Ready(Ok(()))
    }
}

impl Drop for ConnectionIo {
    fn drop(&mut self) {
        self.goes_on_writing();
        // Whoever gets it knows how to end it.
        self.delimits(true);
        let mut socket = self.socket.take();
        if let Some(socket) = &mut socket
            // A socket may be anybody's code, and panic in turn.
            && !std::thread::panicking()
            && !self.http1
            && self.account.has(flag::ANNOUNCED)
            && !self.account.has(flag::PEER_ENDED)
        {
            self.name_last(socket);
        }
        let mut place = self.account.socket();
        if let Some(socket) = socket {
            *place = Place::Returned(socket);
        } else if place.is_parked() {
            let taken = place.take();
            if let Some((socket, token)) = taken {
                *place = Place::Returned(socket);
                drop(place);
                drop(token);
            }
            // Its own task lives on to close it: now, or at a stop.
            self.account.wake();
        }
    }
}
