//! How long a test waits, and what it says when it gives up.
//!
//! **Invariant:** the bound is real time, also under a paused clock, where a wait of that clock's own
//! would end at once.
//! **Invariant:** under a clock that runs, a wait takes no thread; under one that is paused, at most one
//! of its runtime's, and that only while it waits for the kernel.

mod alarm;
mod rest;

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::time::Duration;

use self::alarm::Alarm;
use self::rest::Rest;

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
    let alarm = Alarm::after(limit);
    tokio::select! {
        biased;
        output = future => Some(output),
        () = alarm => None,
    }
}

/// As [`bounded`], but a paused clock stands still meanwhile: the kernel brings what is waited for,
/// and a paused clock would jump to its next timer before the kernel had a chance.
pub(crate) async fn bounded_at_rest<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut rest = None;
    let at_rest = poll_fn(move |context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            // Before the runtime has a chance to find that there is nothing to do.
            rest.get_or_insert_with(|| Rest::of_clock(limit));
        }
        polled
    });
    bounded(limit, at_rest).await
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

    use tokio::sync::oneshot;

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
    async fn a_wait_at_rest_that_is_too_long_ends() {
        let never = std::future::pending::<()>();
        assert_eq!(bounded_at_rest(Duration::from_millis(1), never).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_rests_while_the_kernel_is_waited_for() {
        let begun = tokio::time::Instant::now();
        let (tx, rx) = oneshot::channel();
        let elsewhere = std::thread::spawn(move || {
            // Long enough for the runtime to find that there is nothing to do.
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime
                .unwrap()
                .block_on(Alarm::after(Duration::from_millis(20)));
            tx.send(()).unwrap();
        });
        let timer = tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)));
        bounded_at_rest(PATIENCE, rx).await.unwrap().unwrap();
        elsewhere.join().unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        timer.await.unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_thousand_waits_take_no_thread_of_their_own() {
        // The thread of the alarms is there before the mark: a thread goes by the name of the one that
        // starts it until it has run for the first time, and for good where it is given none.
        assert_eq!(
            bounded(Duration::from_millis(1), std::future::pending::<()>()).await,
            None
        );
        let mark = format!("wait#{}", std::process::id());
        std::fs::write("/proc/thread-self/comm", &mark).unwrap();
        let mut waits = tokio::task::JoinSet::new();
        let gate = std::sync::Arc::new(tokio::sync::Barrier::new(1001));
        for wait in 0..1000 {
            let gate = std::sync::Arc::clone(&gate);
            waits.spawn(async move {
                if wait % 2 == 0 {
                    bounded(PATIENCE, gate.wait()).await.is_some()
                } else {
                    bounded_at_rest(PATIENCE, gate.wait()).await.is_some()
                }
            });
        }
        // One turn for each: they wait, all of them.
        tokio::task::yield_now().await;
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let marked = threads.filter_map(|thread| {
            let name = std::fs::read_to_string(thread.unwrap().path().join("comm"));
            name.ok().filter(|name| name.trim_end() == mark)
        });
        assert_eq!(marked.count(), 1);
        gate.wait().await;
        assert!(waits.join_all().await.into_iter().all(|in_time| in_time));
    }
}
