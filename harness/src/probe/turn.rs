//! A probe that never waits: it does what can be done now, for clients that do a little at a time.
//!
//! **Invariant:** nothing in here waits, and no clock rests because of it.

use std::io::{self, ErrorKind};

use bytes::{Buf, BufMut, BytesMut};

use super::{Probe, ROOM, Seen};

/// What one turn has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How many bytes were moved.
    pub(crate) moved: usize,
    /// Whether it was the last: the connection has ended.
    pub(crate) ended: bool,
}

impl Probe {
    /// Reads what is there, at most `limit` bytes; what is seen in it is in [`seen`](Self::seen).
    pub(crate) fn read_now(&mut self, limit: usize) -> io::Result<Turn> {
        let mut turn = Turn::default();
        while turn.moved < limit && !turn.ended {
            let room = ROOM.min(limit - turn.moved);
            let mut came = BytesMut::with_capacity(room);
            let length = match self.wire.try_read_buf(&mut (&mut came).limit(room)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                length => length,
            };
            turn.moved += came.len();
            if let Some(seen) = self.takes(length.map(|_| came.freeze()))? {
                turn.ended = seen.is_end();
                // What has come in frames is seen before the end that came behind it.
                self.see_frames();
                self.seen.push(seen);
            }
            self.see_frames();
        }
        Ok(turn)
    }

    /// Sends bytes that have gone before these, and what there is room for of these; how many of
    /// these went.
    pub(crate) fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while !self.outbox.is_empty() {
            match self.wrote(self.wire.try_write(&self.outbox))? {
                0 => return Ok(0),
                sent => self.outbox.advance(sent),
            }
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.wrote(self.wire.try_write(rest))? {
                0 => break,
                sent => rest.advance(sent),
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn see_frames(&mut self) {
        while let Some(seen) = self.frame() {
            self.seen.push(seen);
        }
    }

    fn wrote(&mut self, sent: io::Result<usize>) -> io::Result<usize> {
        match sent {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            sent => self.sends(sent),
        }
    }

    /// How the connection has ended, if that has been seen.
    pub(crate) fn end_seen(&self) -> Option<Seen> {
        self.seen.last().filter(|seen| seen.is_end()).cloned()
    }
}
