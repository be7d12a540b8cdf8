//! What this process inherited and how it was built: facts that a start warns about (floor 1).
//!
//! **Invariant:** nothing here changes the process.

#[cfg(unix)]
use std::sync::OnceLock;

#[cfg(unix)]
use lamplighter_lifecycle::Signal;

/// Whether this is the first process of its namespace, as the main program of a container is.
///
/// The kernel throws away signals to process 1 that it has no handler for: without armed signals
/// not even SIGTERM ends it.
pub(crate) fn is_pid_one() -> bool {
    std::process::id() == 1
}

/// Whether the program was built with `panic = "abort"`, under which no panic can be caught.
pub(crate) const fn panics_abort() -> bool {
    cfg!(panic = "abort")
}

/// How much memory the process has in RAM, in bytes; `None` where the kernel does not say so in
/// `/proc/self/status`.
pub(crate) fn resident_bytes() -> Option<u64> {
    resident_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// How the process treats its signals, as the bit masks of `/proc/self/status`.
///
/// Elsewhere than on Linux nobody can tell without `unsafe`: nothing counts as ignored or caught.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dispositions {
    ignored: u64,
    caught: u64,
}

#[cfg(unix)]
impl Dispositions {
    /// Reads them as they are now.
    pub(crate) fn now() -> Self {
        std::fs::read_to_string("/proc/self/status")
            .map(|status| Self::parse(&status))
            .unwrap_or_default()
    }

    /// As they were when this was first called, which is before the first signal is armed.
    pub(crate) fn inherited() -> Self {
        static INHERITED: OnceLock<Dispositions> = OnceLock::new();
        *INHERITED.get_or_init(Self::now)
    }

    pub(crate) const fn ignores(self, signal: Signal) -> bool {
        self.ignored & bit(signal) != 0
    }

    pub(crate) const fn catches(self, signal: Signal) -> bool {
        self.caught & bit(signal) != 0
    }

    /// Whether nobody has said what is to become of the signal of this number.
    pub(crate) const fn leaves_to_the_kernel(self, number: i32) -> bool {
        (self.ignored | self.caught) & bit_of(number) == 0
    }

    fn parse(status: &str) -> Self {
        let mask = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
                .unwrap_or(0)
        };
        Self {
            ignored: mask("SigIgn:"),
            caught: mask("SigCgt:"),
        }
    }
}

/// The kernel's number of `signal`.
#[cfg(unix)]
pub(crate) const fn number(signal: Signal) -> i32 {
    use signal_hook::consts;
    match signal {
        Signal::Sigterm => consts::SIGTERM,
        Signal::Sigint => consts::SIGINT,
        Signal::Sigquit => consts::SIGQUIT,
        Signal::Sighup => consts::SIGHUP,
        Signal::Sigusr1 => consts::SIGUSR1,
        Signal::Sigusr2 => consts::SIGUSR2,
    }
}

/// Signal n is bit n - 1 of the masks.
#[cfg(unix)]
const fn bit(signal: Signal) -> u64 {
    bit_of(number(signal))
}

#[cfg(unix)]
const fn bit_of(number: i32) -> u64 {
    1 << (number - 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes_or_not_at_all() {
        assert_eq!(
            resident_of("Name:\tserver\nVmRSS:\t    1234 kB\n"),
            Some(1234 * 1024)
        );
        assert_eq!(resident_of("Name:\tserver\nVmRSS:\t1234\n"), None);
        assert_eq!(resident_of(""), None);
    }

    #[test]
    fn masks_of_the_status_file_name_their_signals() {
        // As a shell without job control leaves its background jobs: SIGINT and SIGQUIT ignored.
        let status = "Name:\tserver\nSigBlk:\t0000000000000000\n\
                      SigIgn:\t0000000000000006\nSigCgt:\t0000000180004001\n";
        let dispositions = Dispositions::parse(status);
        assert!(dispositions.ignores(Signal::Sigint));
        assert!(dispositions.ignores(Signal::Sigquit));
        assert!(!dispositions.ignores(Signal::Sighup));
        assert!(dispositions.catches(Signal::Sighup));
        assert!(dispositions.catches(Signal::Sigterm));
        assert!(!dispositions.catches(Signal::Sigint));
    }

    #[test]
    fn a_status_file_that_says_nothing_ignores_nothing() {
        assert_eq!(
            Dispositions::parse("Name:\tserver\nSigIgn:\tnot hex"),
            Dispositions::default()
        );
    }
}
