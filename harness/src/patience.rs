//! How long a test waits, and what it says when it gives up.
//!
//! **Invariant:** the bound is real time, also under a paused clock, where a wait of that clock's own
//! would end at once.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;

/// How long any single wait may take: far longer than anything that works needs on a machine that
/// is busy, far shorter than anybody looks at a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Awaits `future`, for at most [`PATIENCE`] of real time.
///
/// Under a paused clock virtual time goes on meanwhile.
///
/// # Panics
///
/// When the time is up, naming `what` was waited for and where.
#[track_caller]
pub fn within<F: Future>(what: impl Display, future: F) -> impl Future<Output = F::Output> {
    let here = Location::caller();
    async move {
        match bounded(PATIENCE, future).await {
            Some(output) => output,
            None => fail(here, &format!("waited {PATIENCE:?} for {what}")),
        }
    }
}

/// The output of `future`; `None` if it takes longer than `limit` of real time.
pub(crate) async fn bounded<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut alarm = Alarm::set(limit, Clock::Runs);
    tokio::select! {
        biased;
        output = future => Some(output),
        () = alarm.rings() => None,
    }
}

/// As [`bounded`], but a paused clock stands still meanwhile: the kernel brings what is waited for,
/// and a paused clock would jump to its next timer before the kernel had a chance.
pub(crate) async fn bounded_at_rest<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut alarm = Alarm::set(limit, Clock::Rests);
    tokio::select! {
        biased;
        output = future => Some(output),
        () = alarm.rings() => None,
    }
}

/// What a paused clock does while a test waits.
enum Clock {
    Runs,
    Rests,
}

/// Rings once, after real time. Dropped, it lets go of its thread.
struct Alarm {
    _set: mpsc::Sender<()>,
    rings: oneshot::Receiver<()>,
}

impl Alarm {
    fn set(limit: Duration, clock: Clock) -> Self {
        let (set, unset) = mpsc::channel::<()>();
        let (ring, rings) = oneshot::channel();
        let wait = move || {
            if unset.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                // Whoever waited may have been dropped in this very moment.
                let _gone = ring.send(());
            }
        };
        match clock {
            Clock::Runs => drop(std::thread::spawn(wait)),
            // A paused clock does not jump while a blocking task of its runtime is at work.
            Clock::Rests => drop(tokio::task::spawn_blocking(wait)),
        }
        Self { _set: set, rings }
    }

    async fn rings(&mut self) {
        if (&mut self.rings).await.is_err() {
            // Its thread is gone without a ring: the runtime is shutting down.
            std::future::pending::<()>().await;
        }
    }
}

/// Fails the test that called from `here`.
#[expect(
    clippy::panic,
    reason = "a fixture fails its test the way assertions do"
)]
pub(crate) fn fail(here: &Location<'_>, message: &str) -> ! {
    panic!("{here}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_does_not_use_up_patience() {
        let year = tokio::time::sleep(Duration::from_secs(365 * 24 * 60 * 60));
        within("a year to pass", year).await;
    }

    #[tokio::test]
    async fn a_wait_that_is_too_long_ends() {
        let limit = Duration::from_millis(1);
        let never = std::future::pending::<()>();
        assert_eq!(bounded(limit, never).await, None);
        let never = std::future::pending::<()>();
        assert_eq!(bounded_at_rest(limit, never).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_rests_while_the_kernel_is_waited_for() {
        let begun = tokio::time::Instant::now();
        let (tx, rx) = oneshot::channel();
        let elsewhere = std::thread::spawn(move || tx.send(()).unwrap());
        let timer = tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)));
        bounded_at_rest(PATIENCE, rx).await.unwrap().unwrap();
        elsewhere.join().unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        timer.await.unwrap();
    }
}
