//! One pipe for each kind of signal, written by the signal handler, one byte for each signal
//! (floor 1).
//!
//! **Invariant:** signals of different kinds never become one; of one kind they do only as far as
//! the kernel makes them one.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use lamplighter_lifecycle::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};

use crate::os::log;
use crate::os::process::number;
use std::time::Duration;

/// The pipe of one kind of signal. Its handler holds the other end.
#[derive(Debug)]
pub(super) struct Pipe {
    signal: Signal,
    handler: SigId,
    reader: Arc<UnixStream>,
}

impl Pipe {
    /// From now on each `signal` leaves a byte here.
    pub(super) fn open(signal: Signal) -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let handler = pipe::register(number(signal), writer)?;
        Ok(Self {
            signal,
            handler,
            reader: Arc::new(reader),
        })
    }

    /// The end to wait on.
    pub(super) fn reader(&self) -> Reader {
        Reader {
            signal: self.signal,
            stream: Arc::clone(&self.reader),
        }
    }

    /// Takes the pipe away from the handler and says how many signals were left in it.
    ///
    /// Exact: when the handler has been taken out, none of it runs any more.
    pub(super) fn close(self) -> usize {
        unregister(self.handler);
        take(&self.reader)
    }
}

/// The end of a pipe that the reading thread waits on.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) signal: Signal,
    stream: Arc<UnixStream>,
}

impl Reader {
    /// How many signals have come since the last call.
    pub(super) fn take(&self) -> usize {
        take(&self.stream)
    }
}

/// Waits until a signal or a byte on `control` has come, or for `limit`.
pub(super) fn wait(control: &UnixStream, readers: &[Reader], limit: Option<Duration>) {
    let mut fds: Vec<PollFd<'_>> = std::iter::once(control)
        .chain(readers.iter().map(|reader| reader.stream.as_ref()))
        .map(|stream| PollFd::new(stream, PollFlags::IN))
        .collect();
    let limit = limit.map(|limit| {
        // Limits here are below a second, far from not fitting.
        Timespec::try_from(limit).unwrap_or_default()
    });
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        // Out of kernel memory; nothing else can go wrong with these arguments.
        Err(error) => log::warn!(target: "lamplighter::os", %error, "waiting for signals"),
    }
}

/// Empties `stream` without waiting and counts the bytes.
pub(super) fn take(mut stream: &UnixStream) -> usize {
    let mut taken = 0;
    let mut bytes = [0; 64];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return taken,
            Ok(n) => taken += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Nothing is left.
            Err(_) => return taken,
        }
    }
}
