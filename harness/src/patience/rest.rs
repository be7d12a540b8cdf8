//! A paused clock that stands still while a test waits for the kernel.
//!
//! **Invariant:** a clock that runs is left alone, at the price of a look at it.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

/// The clock of this runtime, at rest. Dropped, it lets it go on.
#[derive(Debug)]
pub(super) struct Rest {
    _held: Option<mpsc::Sender<()>>,
}

impl Rest {
    /// Holds the clock of the current runtime, for so long at most, if it is paused now; one that is
    /// paused only later is not held.
    pub(super) fn of_clock(limit: Duration) -> Self {
        Self {
            _held: is_paused().then(|| {
                let (held, let_go) = mpsc::channel::<()>();
                // A paused clock does not jump while a blocking task of its runtime is at work.
                drop(tokio::task::spawn_blocking(move || {
                    let _let_go = let_go.recv_timeout(limit);
                }));
                held
            }),
        }
    }
}

/// Whether the clock of the current runtime stands still between its turns, which only a runtime of
/// one thread can do.
fn is_paused() -> bool {
    if Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread {
        return false;
    }
    let (real, shown) = (Instant::now(), tokio::time::Instant::now());
    // Two looks may be the same on a clock that is coarse.
    while Instant::now() == real {
        std::hint::spin_loop();
    }
    tokio::time::Instant::now() == shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_stands_is_told_from_one_that_runs() {
        assert!(is_paused());
        tokio::time::resume();
        assert!(!is_paused());
        tokio::time::pause();
        assert!(is_paused());
    }

    #[tokio::test]
    async fn a_clock_that_runs_costs_no_thread() {
        assert!(Rest::of_clock(Duration::from_secs(1))._held.is_none());
    }
}
