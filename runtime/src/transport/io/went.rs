//! What of a connection's bytes has gone, and is to go at its end (floor 2).
//!
//! **Invariant:** what is added to what hyper writes stands between two frames, behind all else.

use std::io;
use std::task::{Context, Poll};

use bytes::Buf;
use tokio::io::AsyncWrite;

use super::{ConnectionIo, Side};
use crate::transport::flag;
use crate::transport::frames::End;

impl ConnectionIo {
    /// Takes note of a write of `bufs`.
    #[inline]
    pub(super) fn wrote(&mut self, bufs: &[io::IoSlice<'_>], polled: &Poll<io::Result<usize>>) {
        self.account.seen.write(polled.is_pending());
        match polled {
            Poll::Ready(Ok(written)) => self.took(bufs, *written),
            Poll::Ready(Err(_)) => self.account.broken.connection_breaks(),
            Poll::Pending => {
                self.delimits(false);
                if self.account.has(flag::DRAINING) {
                    let sent = self.has_sent_answers();
                    self.account.seen.answers_are_sent(sent);
                    if !self.http1 {
                        self.looks_ahead();
                    }
                }
            }
        }
    }

    /// An answer of HTTP/1.0 may have no end but that of its connection (RFC 9112, 6.3). Where it is under way
    /// when the process ends, by code that blocks its thread for instance, the kernel would end the connection
    /// as if all was there. Whether it was `made`, and is with the kernel.
    #[inline]
    pub(super) fn delimits(&mut self, made: bool) {
        if self.account.has(flag::HTTP_1_0) && self.undelimited == made {
            self.undelimited = !made;
            if let Some(socket) = &self.socket {
                socket.resets_if_abandoned(!made);
            }
        }
    }

    /// Takes note of what was written: the first `written` bytes of `bufs`.
    #[inline]
    fn took(&mut self, bufs: &[io::IoSlice<'_>], written: usize) {
        if self.http1 {
            return;
        }
        if self.account.seen.is_unwatched() {
            self.account.seen.watch(true);
        }
        if self.account.has(flag::ANNOUNCED | flag::TUNNELS) {
            self.look_at_frames(bufs, written);
        }
        let mut ended = 0;
        for bytes in taken(bufs, written) {
            self.ends.sent(bytes, |end| match end {
                End::Answer(stream) => {
                    ended += 1;
                    self.account.wanted().written(stream);
                }
                End::Stream(stream) => self.account.wanted().reset(stream),
            });
        }
        self.account.seen.words(written, ended > 0);
        if ended > 0 {
            self.account.written(ended);
        }
    }

    #[cold]
    fn look_at_frames(&mut self, bufs: &[io::IoSlice<'_>], written: usize) {
        let frames = self.frames.get_or_insert_default();
        let mut begins = self.ends.is_between();
        for bytes in taken(bufs, written) {
            self.account.refused(frames.sent(bytes, begins));
            begins = false;
        }
    }

    /// Where everything else has ended by force, tells the peer of the tunnels that end with it.
    pub(super) fn poll_resets(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(mut frames) = self.frames.take() else {
            return Poll::Ready(Ok(()));
        };
        self.goes_on_writing();
        let polled = loop {
            let resets = frames.resets();
            if resets.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match self.with(Side::Write, cx, |socket, cx| socket.poll_write(cx, resets)) {
                Poll::Ready(Ok(written)) => resets.advance(written),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.frames = Some(frames);
        polled
    }

    /// In a drain an answer is made when the kernel has sent it: what it holds for a slow reader may be
    /// lost when the process ends. By force everything is over that is with the kernel, and nobody waits
    /// for what its client has given up.
    #[inline]
    pub(super) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<()> {
        let account = &self.account;
        if !account.has(flag::DRAINING) {
            return Poll::Ready(());
        }
        let is_awaited = || account.awaited_work() > 0;
        let sent = match &self.socket {
            Some(_) if self.has_sent_answers() => {
                self.goes_on_writing();
                Poll::Ready(())
            }
            Some(socket) if !account.has(flag::FORCED) && is_awaited() => socket.poll_sent(cx),
            _ => {
                // Nobody waits any more, and there may be something left to be said.
                self.goes_on_writing();
                Poll::Ready(())
            }
        };
        account.seen.send(sent.is_pending());
        sent
    }

    /// HTTP/2: whether the kernel has sent all answers that it has: what it holds was written behind them. A
    /// peer that asks for such frames all the time would hold every answer else.
    fn has_sent_answers(&self) -> bool {
        let behind = self.account.seen.last_words();
        behind > 0
            && self
                .socket
                .as_ref()
                .is_some_and(|socket| socket.has_sent_all_but(behind))
    }

    /// A flush waits for what was written until now, and not what is to be written for the flush: least of
    /// all what is to be said of work that is cut.
    #[inline]
    pub(super) fn goes_on_writing(&self) {
        if self.account.seen.is_sending()
            && let Some(socket) = &self.socket
        {
            socket.takes_more(self.account.has(flag::FORCED));
        }
    }
}

/// What was taken of these: their first `written` bytes.
fn taken<'a>(bufs: &'a [io::IoSlice<'_>], mut written: usize) -> impl Iterator<Item = &'a [u8]> {
    bufs.iter().map(move |buf| {
        let bytes = buf.get(..written).unwrap_or(buf);
        written -= bytes.len();
        bytes
    })
}
