//! An HTTP/2 client that owes the server something, and hears of no close: some of what its library
//! sends is left out, and GOAWAY of what it is sent, at which it would go away.
//!
//! **Invariant:** a frame passes whole or not at all.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::frames::{ACK, GOAWAY, PING, PREFACE, SETTINGS};

/// What a client leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    /// It acknowledges no SETTINGS.
    NoSettingsAck,
    /// It answers no PING.
    NoPong,
}

impl Manners {
    const fn sends(self, kind: u8, flags: u8) -> bool {
        let owed = match self {
            Self::NoSettingsAck => SETTINGS,
            Self::NoPong => PING,
        };
        kind != owed || flags & ACK == 0
    }
}

/// A connection on which not everything passes.
#[derive(Debug)]
pub(super) struct Mannered<Io> {
    io: Io,
    manners: Manners,
    out: Sieve,
    into: Sieve,
    /// The other side has said everything.
    over: bool,
}

/// Lets frames through, one by one.
#[derive(Debug, Default)]
struct Sieve {
    /// Bytes before the first frame, which all pass.
    preface: usize,
    /// What came and is not whole yet.
    begun: BytesMut,
    /// What passed, and is to go on.
    passed: BytesMut,
}

/// What stands before the payload of a frame (RFC 9113, 4.1).
const HEADER: usize = 9;

/// Bytes that one read takes in.
const READ: usize = 4096;

impl Sieve {
    fn sift(&mut self, passes: impl Fn(u8, u8) -> bool) {
        let preface = self.preface.min(self.begun.len());
        self.preface -= preface;
        self.passed.unsplit(self.begun.split_to(preface));
        while let Some(&[a, b, c, kind, flags, ..]) = self.begun.first_chunk::<HEADER>() {
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if self.begun.len() < HEADER + length {
                return;
            }
            let frame = self.begun.split_to(HEADER + length);
            if passes(kind, flags) {
                self.passed.unsplit(frame);
            }
        }
    }
}

impl<Io> Mannered<Io> {
    /// The client's end of a connection, from its first byte on.
    pub(super) fn new(io: Io, manners: Manners) -> Self {
        let out = Sieve {
            preface: PREFACE.len(),
            ..Sieve::default()
        };
        Self {
            io,
            manners,
            out,
            into: Sieve::default(),
            over: false,
        }
    }
}

impl<Io: AsyncWrite + Unpin> Mannered<Io> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.passed.is_empty() {
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, &self.out.passed))?;
            self.out.passed.advance(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Mannered<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // What was taken before goes first, so that no more than one write is ever kept.
        ready!(this.poll_send(cx))?;
        let manners = this.manners;
        this.out.begun.extend_from_slice(buf);
        this.out.sift(|kind, flags| manners.sends(kind, flags));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Mannered<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.into.passed.is_empty() && !this.over {
            this.into.begun.reserve(READ);
            let read = std::pin::pin!(this.io.read_buf(&mut this.into.begun)).poll(cx);
            this.over = ready!(read)? == 0;
            this.into.sift(|kind, _| kind != GOAWAY);
        }
        let passed = this.into.passed.len().min(buf.remaining());
        buf.put_slice(&this.into.passed.split_to(passed));
        Poll::Ready(Ok(()))
    }
}
