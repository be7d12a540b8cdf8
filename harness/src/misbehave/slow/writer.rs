//! A client that sends its request a few bytes at a time.
//!
//! **Invariant:** whatever comes back meanwhile is read at once, so that it is slow in one direction.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::time::Duration;

use bytes::{Buf, Bytes};

use super::{Habit, Progress, Slow, check_pace};
use crate::misbehave::Misbehave;
use crate::patience::fail;
use crate::probe::Probe;

/// What a slow writer sends, how much at a time, and how often.
///
/// One byte a second unless told otherwise: slow enough to hold a server that waits for all of it,
/// and never silent for long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a plan does nothing: give it to `Misbehave::slow_writer`"]
pub struct SlowWriter {
    bytes: Bytes,
    chunk: usize,
    every: Duration,
}

impl SlowWriter {
    /// Sends exactly these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            chunk: 1,
            every: Duration::from_secs(1),
        }
    }

    /// Sends a GET for this path.
    pub fn get(path: &str) -> Self {
        Self::new(format!("GET {path} HTTP/1.1\r\nhost: slow\r\n\r\n"))
    }

    /// Sends a POST to this path with a body of so many bytes, its head as slowly as its body.
    pub fn post(path: &str, body: usize) -> Self {
        let head = format!("POST {path} HTTP/1.1\r\nhost: slow\r\ncontent-length: {body}\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.resize(bytes.len() + body, b'x');
        Self::new(bytes)
    }

    /// So many bytes at a time. 1 unless told otherwise.
    pub const fn chunk(mut self, bytes: usize) -> Self {
        self.chunk = bytes;
        self
    }

    /// This much time from one chunk to the next. A second unless told otherwise.
    pub const fn every(mut self, time: Duration) -> Self {
        self.every = time;
        self
    }
}

impl Misbehave {
    /// Sends a request a few bytes at a time, and goes on reading what comes after that.
    ///
    /// # Panics
    ///
    /// If nobody listens, or if the pace is none: no bytes, or no time between them.
    #[track_caller]
    pub fn slow_writer(&self, plan: SlowWriter) -> impl Future<Output = Slow> + use<> {
        let SlowWriter {
            bytes,
            chunk,
            every,
        } = plan;
        let here = Location::caller();
        if let Err(error) = check_pace(chunk, every) {
            fail(here, &format!("a slow writer: {error}"));
        }
        let connected = self.connects(here, None);
        let habit = Writes { rest: bytes, chunk };
        async move { Slow::new(connected.await, every, habit) }
    }
}

struct Writes {
    rest: Bytes,
    chunk: usize,
}

impl Habit for Writes {
    fn turn(&mut self, probe: &mut Probe, progress: &mut Progress) -> io::Result<()> {
        progress.taken += probe.read_now(usize::MAX)?.moved;
        let chunk = self.rest.slice(..self.chunk.min(self.rest.len()));
        let sent = probe.write_now(&chunk)?;
        self.rest.advance(sent);
        progress.sent += sent;
        Ok(())
    }
}
