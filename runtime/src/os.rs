//! What the runtime asks of the operating system: time, signals, tasks, threads, sockets and the
//! end of the process (floor 1).
//!
//! **Invariant:** nothing here knows what a server, a connection or a request is.
//! **Invariant:** time is read, tasks are spawned and signals are caught on this floor only.

pub(crate) mod block_on;
pub(crate) mod clock;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod process;
pub(crate) mod send_queue;
pub(crate) mod signal;
pub(crate) mod tasks;
pub(crate) mod watch;
pub(crate) mod watchdog;

#[cfg(all(test, unix))]
pub(crate) mod test_process;
