//! Signals that this process inherited as blocked (floor 1).
//!
//! A parent that takes its own signals from a descriptor or by `sigwait` blocks them, and a child
//! inherits that through `exec` (signal(7)). Blocked in every thread, a signal waits for ever: such a
//! server would be deaf to SIGTERM.
//!
//! **Invariant:** no other thread's mask is changed: one that takes a signal is enough for the process.

use lamplighter_lifecycle::Signal;
use nix::sys::signal::{SigSet, Signal as OsSignal};

use crate::os::log;

/// Lets this thread take `signals`; without effect on those that it takes already.
pub(super) fn unblock(signals: impl Iterator<Item = Signal>) {
    let wanted: SigSet = signals.map(os_signal).collect();
    if let Err(error) = wanted.thread_unblock() {
        // Nothing can be wrong with these arguments.
        log::warn!(target: "lamplighter::os", %error, "unblocking signals");
    }
}

const fn os_signal(signal: Signal) -> OsSignal {
    match signal {
        Signal::Sigterm => OsSignal::SIGTERM,
        Signal::Sigint => OsSignal::SIGINT,
        Signal::Sigquit => OsSignal::SIGQUIT,
        Signal::Sighup => OsSignal::SIGHUP,
        Signal::Sigusr1 => OsSignal::SIGUSR1,
        Signal::Sigusr2 => OsSignal::SIGUSR2,
    }
}
