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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    const SETTINGS_FRAME: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    const SETTINGS_ACK: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";
    const PING_ACK: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0that one";
    const GOAWAY_FRAME: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";

    #[tokio::test]
    async fn what_a_client_owes_is_left_out_wherever_it_is_cut_into_writes() {
        let said = [PREFACE, SETTINGS_FRAME, SETTINGS_ACK, PING_ACK].concat();
        for (manners, sent) in [
            (
                Manners::NoSettingsAck,
                [PREFACE, SETTINGS_FRAME, PING_ACK].concat(),
            ),
            (
                Manners::NoPong,
                [PREFACE, SETTINGS_FRAME, SETTINGS_ACK].concat(),
            ),
        ] {
            for cut in 0..said.len() {
                let (ours, mut theirs) = tokio::io::duplex(1024);
                let mut io = Mannered::new(ours, manners);
                let (first, rest) = said.split_at(cut);
                io.write_all(first).await.unwrap();
                io.flush().await.unwrap();
                io.write_all(rest).await.unwrap();
                io.shutdown().await.unwrap();
                let mut came = Vec::new();
                theirs.read_to_end(&mut came).await.unwrap();
                assert_eq!(came, sent, "{manners:?}, cut at {cut}");
            }
        }
    }

    #[tokio::test]
    async fn goaway_is_not_heard_and_all_else_is() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut io = Mannered::new(ours, Manners::NoPong);
        let said = [SETTINGS_FRAME, GOAWAY_FRAME, PING_ACK].concat();
        theirs.write_all(&said).await.unwrap();
        drop(theirs);
        let mut heard = Vec::new();
        io.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [SETTINGS_FRAME, PING_ACK].concat());
    }
}
