//! The frames of an HTTP/2 connection that come, and the last one that goes (floor 2).
//!
//! **Invariant:** what is held back is shown before anything that came behind it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{ConnectionIo, Side};
use crate::os::listener::Io;
use crate::transport::flag;
use crate::transport::frames::{Came, Change, last_goaway};

/// How much is read at once behind bytes that were held back.
const ROOM: usize = 4096;

/// How far is looked ahead of what h2 has read. So much of requests' bodies is on the way at the most: the
/// window that hyper grants a connection.
const AHEAD: usize = 1024 * 1024;

impl ConnectionIo {
    /// Takes note of what came.
    #[inline]
    pub(super) fn came(&mut self, bytes: &[u8]) {
        let account = &self.account;
        let stays = account.partings.is_present();
        account.seen.ask_for_more(false);
        let mut wanted = account.wanted();
        wanted.sort(account.begun());
        self.uploads.came(bytes, stays, |change| match change {
            Change::Begins(stream) => wanted.begins(stream),
            Change::Resets { stream, open } => {
                if open {
                    account.broken.request_breaks();
                }
                wanted.given_up(stream);
            }
        });
        wanted.is_in_head(self.uploads.is_in_head());
        drop(wanted);
        account.expects(&self.uploads);
    }

    /// What its client gives up while a write waits, in a drain, and what it begins. h2 does not read then if it
    /// has something to say by itself, as GOAWAY, and so hears of neither before the peer takes bytes again.
    #[cold]
    pub(super) fn looks_ahead(&self) {
        let account = &self.account;
        let seen = &account.seen;
        let is_due = !seen.is_unwatched() || seen.takes_look();
        let Some(socket) = self.socket.as_ref().filter(|_| is_due) else {
            return;
        };
        seen.watch(false);
        let bytes = socket.peek(AHEAD);
        let mut ahead = self.uploads.clone();
        let mut wanted = account.wanted();
        wanted.looks_ahead();
        if ahead.is_in_head() {
            wanted.begins_ahead(ahead.newest());
        }
        ahead.came(&bytes, false, |change| match change {
            Change::Begins(stream) => wanted.begins_ahead(stream),
            Change::Resets { stream, .. } => wanted.given_up_ahead(stream),
        });
        if ahead.is_in_head() {
            wanted.ends_in_head(ahead.newest());
        }
        if let Some(last) = self.frames.as_ref().and_then(|it| it.last_begun()) {
            wanted.none_beyond(last);
        }
    }

    /// The same, of a connection whose frames are worth a look: `bytes` are what was held back, and what
    /// came behind it from `new` on. How many of them, at their end, are held back now.
    #[cold]
    pub(super) fn came_at_the_end(&mut self, bytes: &mut [u8], new: usize) -> usize {
        let position = self.uploads.position();
        if self.account.has(flag::REFUSING) {
            self.last.get_or_insert(self.uploads.last_whole());
        }
        self.came(bytes.get(new..).unwrap_or_default());
        let Some(frames) = &mut self.frames else {
            return 0;
        };
        let Came { beyond, held } = frames.came(bytes, position);
        let has_agreed = frames.has_agreed();
        if let Some(last) = frames.last_begun() {
            self.account.wanted().none_beyond(last);
        }
        self.account.refused(beyond);
        if has_agreed && !self.account.has(flag::AGREED) {
            self.account.comes_to_its_end(flag::AGREED);
        }
        held
    }

    /// Reads on behind what was held back.
    #[cold]
    pub(super) fn poll_held(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut room = [0; ROOM];
        loop {
            let mut read = ReadBuf::new(&mut room);
            ready!(self.with(Side::Read, cx, |socket, cx| {
                socket.poll_read(cx, &mut read)
            }))?;
            let new = read.filled();
            let held = self.frames.as_mut().map(|frames| frames.take_held());
            let mut bytes = held.unwrap_or_default();
            let before = bytes.len();
            if new.is_empty() {
                // What is missing never comes: h2 hears of that itself.
                self.account.raise(flag::PEER_ENDED);
            } else {
                bytes.extend_from_slice(new);
                let held = self.came_at_the_end(&mut bytes, before);
                bytes.truncate(bytes.len() - held);
                if bytes.is_empty() {
                    continue;
                }
            }
            self.prefix = Bytes::from(bytes);
            let len = self.prefix.len().min(buf.remaining());
            buf.put_slice(&self.prefix.split_to(len));
            return Poll::Ready(Ok(()));
        }
    }

    /// Names the last stream that was served, if nobody has: the peer did not answer the PING
    /// before in its time. What it has sent beyond that stream, and will never be told of, it may send again
    /// elsewhere (RFC 9113, 6.8). If the kernel takes no more, so be it.
    #[cold]
    pub(super) fn name_last(&self, socket: &mut Io) {
        let named = self.frames.as_ref().is_some_and(|it| it.has_named_last());
        if !named && self.ends.is_between() {
            let last = self.last.unwrap_or(self.uploads.last_whole());
            let frame = last_goaway(last);
            let mut nobody = Context::from_waker(Waker::noop());
            drop(Pin::new(socket).poll_write(&mut nobody, &frame));
        }
    }
}
