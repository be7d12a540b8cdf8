//! One pipe for each kind of signal, written by the signal handler, one byte for each signal
//! (floor 1).
//!
//! A pipe of `pipe(2)`, and no pair of sockets: a socket's byte takes memory that the kernel may not have
//! (`ENOBUFS`), and a handler has nobody to tell. A pipe keeps the page of its first byte, and the next
//! 4 096 that nobody has read find room in it.
//!
//! **Invariant:** signals of different kinds never become one; of one kind they do only as far as
//! the kernel makes them one.
//! **Invariant:** a signal is heard once, also where its byte cannot be read, or not yet.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lamplighter_lifecycle::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, ioctl_fionread};
use signal_hook::SigId;
use signal_hook::low_level::pipe::register;
use signal_hook::low_level::unregister;

use crate::os::log;
use crate::os::process::number;

/// The pipe of one kind of signal. Its handler holds the other end.
#[derive(Debug)]
pub(super) struct Pipe {
    signal: Signal,
    handler: SigId,
    end: Arc<ReadEnd>,
}

impl Pipe {
    /// From now on each `signal` leaves a byte here.
    pub(super) fn open(signal: Signal) -> io::Result<Self> {
        let (end, writer) = pair()?;
        let handler = register(number(signal), writer)?;
        Ok(Self {
            signal,
            handler,
            end: Arc::new(end),
        })
    }

    /// The end to wait on.
    pub(super) fn reader(&self) -> Reader {
        Reader {
            signal: self.signal,
            end: Arc::clone(&self.end),
        }
    }

    /// Takes the pipe away from the handler and says how many signals were left in it.
    ///
    /// Exact: when the handler has been taken out, none of it runs any more.
    pub(super) fn close(self) -> usize {
        unregister(self.handler);
        self.end.take()
    }
}

/// The end of a pipe that the reading thread waits on.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) signal: Signal,
    end: Arc<ReadEnd>,
}

impl Reader {
    /// How many signals have come since the last call.
    pub(super) fn take(&self) -> usize {
        self.end.take()
    }
}

/// A pipe that neither end waits for, and that has its page.
pub(super) fn pair() -> io::Result<(ReadEnd, PipeWriter)> {
    let (reader, mut writer) = pipe()?;
    ioctl_fionbio(&reader, true)?;
    ioctl_fionbio(&writer, true)?;
    writer.write_all(&[0])?;
    (&reader).read_exact(&mut [0])?;
    Ok((ReadEnd::new(reader), writer))
}

/// Where bytes come out, each of which is told once, whether it can be read or not.
#[derive(Debug)]
pub(super) struct ReadEnd<R = PipeReader> {
    reader: R,
    /// How many bytes are in there that were told: reading them failed. Held by whoever reads, so that
    /// two threads never tell the same byte.
    unread: Mutex<usize>,
}

impl<R: AsFd> ReadEnd<R>
where
    for<'a> &'a R: Read,
{
    const fn new(reader: R) -> Self {
        Self {
            reader,
            unread: Mutex::new(0),
        }
    }

    /// Empties it without waiting, and counts the bytes that have come since the last call.
    pub(super) fn take(&self) -> usize {
        let mut unread = self.unread();
        let (taken, failed) = self.drain();
        let left = failed.map_or(0, |error| {
            let left = self.left();
            if left > 0 && *unread == 0 {
                log::warn!(target: "lamplighter::os", %error, "a signal has come and cannot be read");
            }
            left
        });
        let told = std::mem::replace(&mut *unread, left);
        taken.saturating_add(left).saturating_sub(told)
    }

    /// Reads until nothing is left, and says how much that was, and what kept it from reading the rest.
    fn drain(&self) -> (usize, Option<io::Error>) {
        let mut reader = &self.reader;
        let mut taken = 0;
        let mut bytes = [0; 64];
        let mut empty = false;
        loop {
            match reader.read(&mut bytes) {
                Ok(0) => return (taken, None),
                Ok(n) => taken += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Who says so is not believed where bytes are counted. One may have come just now,
                    // which is then read.
                    if self.left() == 0 {
                        return (taken, None);
                    }
                    if std::mem::replace(&mut empty, true) {
                        return (taken, Some(error));
                    }
                }
                Err(error) => return (taken, Some(error)),
            }
        }
    }

    /// How many bytes are in there.
    fn left(&self) -> usize {
        let left = ioctl_fionread(&self.reader).unwrap_or(0);
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

impl<R> ReadEnd<R> {
    /// Whether something is in there that could not be read: to wait for more of it would be to wait for
    /// nothing.
    fn is_unreadable(&self) -> bool {
        *self.unread() > 0
    }

    fn unread(&self) -> MutexGuard<'_, usize> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How soon is tried again what could not be read.
const AGAIN: Duration = Duration::from_millis(20);

/// Waits until a signal or a byte on `control` has come, or for `limit`.
pub(super) fn wait(control: &ReadEnd, readers: &[Reader], limit: Option<Duration>) {
    let ends = || std::iter::once(control).chain(readers.iter().map(|reader| &*reader.end));
    let again = ends().any(ReadEnd::is_unreadable).then_some(AGAIN);
    let limit = limit.into_iter().chain(again).min();
    let mut fds: Vec<PollFd<'_>> = ends()
        .filter(|end| !end.is_unreadable())
        .map(|end| PollFd::new(&end.reader, PollFlags::IN))
        .collect();
    let limit = limit.map(|limit| {
        // Limits here are below a second, far from not fitting.
        Timespec::try_from(limit).unwrap_or_default()
    });
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        // Out of kernel memory; nothing else can go wrong with these arguments.
        Err(error) => {
            log::warn!(target: "lamplighter::os", %error, "waiting for signals");
            std::thread::park_timeout(AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::os::clock::Moment;

    /// A pipe whose bytes cannot be read while the kernel says this.
    struct Deaf {
        reader: PipeReader,
        deaf: AtomicBool,
        says: Errno,
    }

    impl AsFd for Deaf {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.reader.as_fd()
        }
    }

    impl Read for &Deaf {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.deaf.load(Ordering::Relaxed) {
                return Err(self.says.into());
            }
            (&self.reader).read(into)
        }
    }

    fn deaf(says: Errno) -> (ReadEnd<Deaf>, PipeWriter) {
        let (end, writer) = pair().unwrap();
        let reader = Deaf {
            reader: end.reader,
            deaf: AtomicBool::new(true),
            says,
        };
        (ReadEnd::new(reader), writer)
    }

    #[test]
    fn a_pair_is_empty_and_neither_of_its_ends_waits() {
        let (end, mut writer) = pair().unwrap();
        assert_eq!(end.take(), 0);
        let full = loop {
            if let Err(error) = writer.write(&[0; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        assert!(end.take() >= 4096);
    }

    #[test]
    fn what_cannot_be_read_is_told_once_all_the_same() {
        // "Out of memory", and "nothing is there", which is not true.
        for says in [Errno::NOMEM, Errno::AGAIN] {
            let (end, mut writer) = deaf(says);
            assert_eq!(end.take(), 0);
            assert!(!end.is_unreadable());
            writer.write_all(&[0; 2]).unwrap();
            assert_eq!((end.take(), end.take()), (2, 0));
            writer.write_all(&[0]).unwrap();
            assert_eq!((end.take(), end.take()), (1, 0));
            assert!(end.is_unreadable());

            writer.write_all(&[0]).unwrap();
            end.reader.deaf.store(false, Ordering::Relaxed);
            assert_eq!((end.take(), end.take()), (1, 0));
            assert!(!end.is_unreadable());
        }
    }

    #[test]
    fn what_two_threads_read_at_once_is_told_once() {
        let (end, mut writer) = pair().unwrap();
        let (sent, ends) = (4_000, AtomicBool::new(false));
        let told: usize = std::thread::scope(|scope| {
            let readers = [(); 2].map(|()| {
                scope.spawn(|| {
                    let mut told = 0;
                    while !ends.load(Ordering::Acquire) {
                        told += end.take();
                    }
                    told + end.take()
                })
            });
            for _ in 0..sent {
                writer.write_all(&[0]).unwrap();
            }
            ends.store(true, Ordering::Release);
            readers.map(|reader| reader.join().unwrap()).iter().sum()
        });
        assert_eq!(told, sent);
    }

    #[test]
    fn what_cannot_be_read_is_waited_for_in_steps_and_not_without_a_pause() {
        let (control, _waker) = pair().unwrap();
        let (end, mut writer) = pair().unwrap();
        writer.write_all(&[0]).unwrap();
        // As a read that failed leaves it.
        *end.unread() = 1;
        let reader = Reader {
            signal: Signal::Sigterm,
            end: Arc::new(end),
        };
        let began = Moment::now();
        wait(&control, std::slice::from_ref(&reader), None);
        let waited = Moment::now().since(began);
        assert!(waited >= AGAIN, "{waited:?}");
    }
}
