//! Log lines that cannot stop what they tell of (floor 1).
//!
//! A subscriber is the user's, and may panic: tracing-subscriber's own does when standard error is
//! closed. That must not end the driver of a stop, an accept loop, or a drop.
//!
//! **Invariant:** whatever a subscriber does, the code after a log line runs.

use std::panic::{AssertUnwindSafe, catch_unwind};

mod home;

pub(crate) use home::Home;

/// Writes a line; one whose subscriber panics is lost.
pub(crate) fn line(write: impl FnOnce()) {
    // A second panic while the first one unwinds would end the process.
    if std::thread::panicking() {
        return;
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(write)) {
        // What it panicked with may panic in turn when it is dropped.
        drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
    }
}

macro_rules! error_ {
    ($($line:tt)*) => { $crate::os::log::line(|| ::tracing::error!($($line)*)) };
}
macro_rules! warn_ {
    ($($line:tt)*) => { $crate::os::log::line(|| ::tracing::warn!($($line)*)) };
}
macro_rules! info_ {
    ($($line:tt)*) => { $crate::os::log::line(|| ::tracing::info!($($line)*)) };
}
macro_rules! debug_ {
    ($($line:tt)*) => { $crate::os::log::line(|| ::tracing::debug!($($line)*)) };
}
macro_rules! trace_ {
    ($($line:tt)*) => { $crate::os::log::line(|| ::tracing::trace!($($line)*)) };
}
pub(crate) use {debug_ as debug, error_ as error, info_ as info, trace_ as trace, warn_ as warn};

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;

    #[test]
    fn a_subscriber_that_panics_loses_its_line_and_nothing_else() {
        line(|| resume_unwind(Box::new("standard error is closed")));
    }
}
