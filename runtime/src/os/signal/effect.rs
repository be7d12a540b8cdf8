//! The effect that a signal has while nobody listens to it (floor 1).
//!
//! A handler, once installed, cannot be taken back by safe code. So each kind of signal gets one
//! handler for ever, which consults a switch: on, it does what the kernel would have done without
//! it.
//!
//! **Invariant:** the default effect comes first: a signal that ends the process reaches no pipe.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use lamplighter_lifecycle::Signal;
use signal_hook::{flag, low_level};

use crate::os::process::{Dispositions, is_pid_one, number};

/// What a kind of signal did before it was first armed, and does again when nobody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// What the kernel does with a signal that nobody handles.
    Default,
    /// What the kernel does not do: it throws away such signals to process 1, which would leave a
    /// container that only SIGKILL ends. The process exits with 128 + number instead.
    Exit,
    /// Nothing of ours: it was ignored, or somebody else's handler was there and still runs.
    Untouched,
}

impl Effect {
    /// Installs the switch for `signal`, on. Must come before the signal's pipe.
    pub(super) fn install(signal: Signal) -> io::Result<Self> {
        let (number, switch) = (number(signal), switch(signal));
        let now = Dispositions::now();
        let effect = if now.catches(signal) || now.ignores(signal) {
            Self::Untouched
        } else if is_pid_one() {
            Self::Exit
        } else {
            Self::Default
        };
        switch.store(true, Ordering::SeqCst);
        match effect {
            Self::Default => flag::register_conditional_default(number, switch).map(drop)?,
            Self::Exit => {
                flag::register_conditional_shutdown(number, 128 + number, switch).map(drop)?;
            }
            Self::Untouched => {}
        }
        Ok(effect)
    }

    /// Does to the process what the signal would have done, for one that came when its pipe was
    /// still there and its last listener was not.
    #[expect(
        clippy::disallowed_methods,
        reason = "ending the process is what the signal does"
    )]
    pub(super) fn apply(self, signal: Signal) {
        match self {
            Self::Default => {
                // The table of the crate has every signal that can be named here.
                drop(low_level::emulate_default_handler(number(signal)));
            }
            Self::Exit => low_level::exit(128 + number(signal)),
            Self::Untouched => {}
        }
    }
}

/// From now on `signal` is listened to: it has no effect of its own.
pub(super) fn suspend(signal: Signal) {
    switch(signal).store(false, Ordering::SeqCst);
}

/// From now on `signal` has its effect again.
pub(super) fn restore(signal: Signal) {
    switch(signal).store(true, Ordering::SeqCst);
}

fn switch(signal: Signal) -> &'static AtomicBool {
    static SIGTERM: AtomicBool = AtomicBool::new(false);
    static SIGINT: AtomicBool = AtomicBool::new(false);
    static SIGQUIT: AtomicBool = AtomicBool::new(false);
    static SIGHUP: AtomicBool = AtomicBool::new(false);
    static SIGUSR1: AtomicBool = AtomicBool::new(false);
    static SIGUSR2: AtomicBool = AtomicBool::new(false);
    match signal {
        Signal::Sigterm => &SIGTERM,
        Signal::Sigint => &SIGINT,
        Signal::Sigquit => &SIGQUIT,
        Signal::Sighup => &SIGHUP,
        Signal::Sigusr1 => &SIGUSR1,
        Signal::Sigusr2 => &SIGUSR2,
    }
}
