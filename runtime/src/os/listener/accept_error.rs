//! What an error of `accept` means: pass over it, wait, or give the listener up (floor 1).
//!
//! **Invariant:** an error that cannot happen again at once is never waited out, and one that can is
//! never retried at once: the first would delay others, the second spins.

use std::io::{self, ErrorKind};
use std::time::Duration;

use rustix::io::Errno;

/// What an error of `accept` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptError {
    /// One connection, which is gone already. Accept the next one at once.
    PerConnection,
    /// Something that the machine or the process lacks for now, or that nobody has heard of. Wait
    /// before the next try: see [`Backoff`].
    Resource,
    /// The listener. It will never accept again.
    Fatal,
}

impl AcceptError {
    pub(crate) fn classify(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(errno) => Self::of_errno(errno),
            // Made by a listener that is no socket.
            None => Self::of_kind(error.kind()),
        }
    }

    /// Whether descriptors ran out, of the process or of the machine.
    pub(crate) fn lacks_descriptors(error: &io::Error) -> bool {
        matches!(
            Errno::from_io_error(error),
            Some(Errno::MFILE | Errno::NFILE)
        )
    }

    const fn of_errno(errno: Errno) -> Self {
        match errno {
            Errno::CONNABORTED | Errno::CONNRESET | Errno::INTR | Errno::PROTO => {
                Self::PerConnection
            }
            // Linux hands out errors that a new connection met on the network (`accept(2)`).
            Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::TIMEDOUT => Self::PerConnection,
            #[cfg(target_os = "linux")]
            Errno::NONET => Self::PerConnection,
            Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP | Errno::FAULT => {
                Self::Fatal
            }
            // EMFILE, ENFILE, ENOBUFS, ENOMEM; and EPERM, which a firewall or security module says
            // before it takes the connection out of the queue.
            _ => Self::Resource,
        }
    }

    fn of_kind(kind: ErrorKind) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what nobody has heard of is waited out"
        )]
        match kind {
            ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut => Self::PerConnection,
            ErrorKind::NotConnected
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::InvalidInput
            | ErrorKind::Unsupported => Self::Fatal,
            _ => Self::Resource,
        }
    }
}

/// How long to wait after errors in a row: 1 ms, doubling to 1 s.
///
/// Short at first, since descriptors often come back at once; bounded, so that a server that ran out
/// of them is back a second after they are. Whoever waits must race the stop.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    errors: u32,
}

impl Backoff {
    /// How long to wait now.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = Duration::from_millis(1 << self.errors.min(10)).min(Duration::from_secs(1));
        self.errors = self.errors.saturating_add(1);
        wait
    }

    /// A connection was accepted: the next error begins a new row.
    pub(crate) const fn reset(&mut self) {
        self.errors = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_told_apart() {
        for (expected, errnos) in [
            (
                AcceptError::PerConnection,
                [
                    Errno::CONNABORTED,
                    Errno::INTR,
                    Errno::PROTO,
                    Errno::CONNRESET,
                ],
            ),
            (
                AcceptError::Resource,
                [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM],
            ),
            (
                AcceptError::Fatal,
                [Errno::BADF, Errno::INVAL, Errno::NOTSOCK, Errno::OPNOTSUPP],
            ),
        ] {
            for errno in errnos {
                assert_eq!(AcceptError::classify(&errno.into()), expected, "{errno}");
            }
        }
    }

    #[test]
    fn errors_of_a_listener_that_is_no_socket_are_told_apart_by_kind() {
        for (kind, expected) in [
            (ErrorKind::ConnectionReset, AcceptError::PerConnection),
            (ErrorKind::BrokenPipe, AcceptError::Fatal),
            (ErrorKind::Other, AcceptError::Resource),
        ] {
            let error = io::Error::new(kind, "made by hand");
            assert_eq!(AcceptError::classify(&error), expected, "{kind}");
        }
    }

    #[test]
    fn an_error_nobody_has_heard_of_is_waited_out() {
        let error = io::Error::from_raw_os_error(4095);
        assert_eq!(AcceptError::classify(&error), AcceptError::Resource);
    }

    #[test]
    fn only_lacking_descriptors_is_lacking_descriptors() {
        assert!(AcceptError::lacks_descriptors(&Errno::MFILE.into()));
        assert!(AcceptError::lacks_descriptors(&Errno::NFILE.into()));
        assert!(!AcceptError::lacks_descriptors(&Errno::NOMEM.into()));
    }

    #[test]
    fn waits_double_from_a_millisecond_to_a_second_until_one_is_accepted() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..12).map(|_| backoff.next_wait().as_millis()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000]);
        for _ in 0..100 {
            assert_eq!(backoff.next_wait(), Duration::from_secs(1));
        }
        backoff.reset();
        assert_eq!(backoff.next_wait(), Duration::from_millis(1));
    }
}
