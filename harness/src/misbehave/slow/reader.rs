//! A client that reads its answer a few bytes at a time.
//!
//! **Invariant:** over HTTP/2 it is the window that is slow: frames are read as they come, so that
//! PING and GOAWAY are never behind a body.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::time::Duration;

use super::{Habit, Progress, Slow, check_pace};
use crate::misbehave::{Misbehave, NARROW, told};
use crate::patience::fail;
use crate::probe::{Manners, Probe, Seen};

/// What a slow reader asks for, how much it takes at a time, how often, and how much may wait for it.
///
/// Unless told otherwise it takes 1 KiB every 100 ms over HTTP/1.1, with room for 4 KiB in its kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a plan does nothing: give it to `Misbehave::slow_reader`"]
pub struct SlowReader {
    path: String,
    take: usize,
    every: Duration,
    receive_buffer: u32,
    window: Option<u32>,
}

impl SlowReader {
    /// Asks for this path.
    pub fn get(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            take: 1024,
            every: Duration::from_millis(100),
            receive_buffer: NARROW,
            window: None,
        }
    }

    /// So many bytes at a time: read from the socket, or over HTTP/2 granted again of what has come.
    /// 1 KiB unless told otherwise.
    pub const fn take(mut self, bytes: usize) -> Self {
        self.take = bytes;
        self
    }

    /// This much time from one to the next. 100 ms unless told otherwise.
    pub const fn every(mut self, time: Duration) -> Self {
        self.every = time;
        self
    }

    /// The size of its socket's receive buffer in bytes (`SO_RCVBUF`), which limits the window of
    /// TCP. 4 KiB unless told otherwise. Without effect on a Unix socket.
    pub const fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// Over HTTP/2, with so many bytes of a body on their way at most
    /// (`SETTINGS_INITIAL_WINDOW_SIZE`; at most 65 535, which is what a connection has).
    pub const fn http2(mut self, window: u16) -> Self {
        self.window = Some(window as u32);
        self
    }
}

impl Misbehave {
    /// Asks for a path, and takes what comes a few bytes at a time.
    ///
    /// # Panics
    ///
    /// If nobody listens, if nobody there speaks HTTP/2 where it was to be HTTP/2, or if the pace is
    /// none: no bytes, or no time between them.
    #[track_caller]
    pub fn slow_reader(&self, plan: SlowReader) -> impl Future<Output = Slow> + use<> {
        let here = Location::caller();
        if let Err(error) = check_pace(plan.take, plan.every) {
            fail(here, &format!("a slow reader: {error}"));
        }
        let connected = self.connects(here, Some(plan.receive_buffer));
        async move {
            let mut probe = connected.await;
            let SlowReader { path, take, .. } = plan;
            if let Some(window) = plan.window {
                told(
                    here,
                    probe.begin_http2(0, Manners::Polite, Some(window)).await,
                );
                let stream = told(here, probe.open_stream(&path).await);
                let habit = Grants {
                    take,
                    stream,
                    looked: 0,
                    owed: 0,
                };
                return Slow::new(probe, plan.every, habit);
            }
            told(here, probe.request(&path).await);
            Slow::new(probe, plan.every, Reads { take })
        }
    }
}

struct Reads {
    take: usize,
}

impl Habit for Reads {
    fn turn(&mut self, probe: &mut Probe, progress: &mut Progress) -> io::Result<()> {
        progress.taken += probe.read_now(self.take)?.moved;
        Ok(())
    }
}

struct Grants {
    take: usize,
    stream: u32,
    /// How much of what was seen has been looked at.
    looked: usize,
    /// How many bytes of a body have come and not been granted again.
    owed: usize,
}

impl Habit for Grants {
    fn turn(&mut self, probe: &mut Probe, progress: &mut Progress) -> io::Result<()> {
        let turn = probe.read_now(usize::MAX)?;
        for seen in probe.seen().iter().skip(self.looked) {
            if let Seen::Data { data, .. } = seen {
                self.owed += data.len();
            }
        }
        self.looked = probe.seen().len();
        let taken = self.take.min(self.owed);
        self.owed -= taken;
        progress.taken += taken;
        if taken > 0 && !turn.ended {
            probe.grant(self.stream, u32::try_from(taken).unwrap_or(u32::MAX));
        }
        probe.write_now(&[]).map(drop)
    }
}
