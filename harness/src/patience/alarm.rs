//! Alarms that ring after real time: one thread for all waits of the process.
//!
//! **Invariant:** a wait that ends in time wakes nobody, but for the first in as long as it may take.
//! **Invariant:** the thread has a name of its own: it is no server's, whoever has started it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Resolves after real time; polled from anywhere, under any clock.
#[derive(Debug)]
pub(super) struct Alarm {
    /// `None`: further off than an instant can be.
    at: Option<Instant>,
    /// Where it is set, once somebody has waited for it.
    set: Option<Key>,
}

/// When an alarm rings, and which of those that ring then it is.
type Key = (Instant, u64);

impl Alarm {
    /// Rings in this much time from now.
    pub(super) fn after(time: Duration) -> Self {
        Self {
            at: Instant::now().checked_add(time),
            set: None,
        }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        let key = *self.set.get_or_insert_with(|| (at, BELL.number()));
        BELL.set(key, context.waker());
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(key) = self.set {
            BELL.unset(key);
        }
    }
}

/// All alarms that somebody waits for.
static BELL: LazyLock<Bell> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "a test that cannot have a bound is not to run without one"
    )]
    thread::Builder::new()
        .name(String::from("patience"))
        .spawn(|| BELL.ring())
        .expect("a thread that keeps the bounds of tests");
    Bell::default()
});

#[derive(Debug, Default)]
struct Bell {
    alarms: Mutex<Alarms>,
    earlier: Condvar,
}

#[derive(Debug, Default)]
struct Alarms {
    waiting: BTreeMap<Key, Waker>,
    made: u64,
    /// When the thread looks next by itself; `None`: when it is told.
    looks: Option<Instant>,
}

impl Bell {
    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        let mut alarms = self.alarms();
        alarms.made += 1;
        alarms.made
    }

    /// Rings this one at its time for this waker, and no longer for the one before.
    fn set(&self, key: Key, waker: &Waker) {
        let mut alarms = self.alarms();
        // Also where it has just rung for the one before.
        let before = alarms.waiting.insert(key, waker.clone());
        if alarms.looks.is_none_or(|looks| key.0 < looks) {
            // Until it has looked, it needs no other call.
            alarms.looks = Some(key.0);
            self.earlier.notify_one();
        }
        drop(alarms);
        // Not under the lock: a waker is somebody else's code.
        drop(before);
    }

    fn unset(&self, key: Key) {
        let unset = self.alarms().waiting.remove(&key);
        drop(unset);
    }

    /// Rings whatever is due, for ever.
    fn ring(&self) {
        let mut alarms = self.alarms();
        loop {
            let now = Instant::now();
            let later = alarms.waiting.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut alarms.waiting, later);
            alarms.looks = alarms.waiting.first_key_value().map(|(key, _)| key.0);
            if !due.is_empty() {
                drop(alarms);
                due.into_values().for_each(Waker::wake);
                alarms = self.alarms();
                continue;
            }
            alarms = match alarms.looks {
                Some(at) => {
                    let rest = at.saturating_duration_since(now);
                    let waited = self.earlier.wait_timeout(alarms, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let told = self.earlier.wait(alarms);
                    told.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::patience::PATIENCE;

    /// Has somebody wait for it whom nobody can wake.
    fn set(alarm: &mut Alarm) {
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(Pin::new(alarm).poll(&mut nobody).is_pending());
    }

    #[tokio::test]
    async fn what_is_due_earlier_rings_earlier_though_it_was_set_later() {
        let mut late = Alarm::after(Duration::from_secs(3600));
        set(&mut late);
        let soon = Alarm::after(Duration::from_millis(1));
        tokio::time::timeout(PATIENCE, soon).await.unwrap();
        set(&mut late);
    }

    #[tokio::test]
    async fn an_alarm_wakes_whoever_waited_for_it_last() {
        let mut alarm = Alarm::after(Duration::from_millis(20));
        set(&mut alarm);
        tokio::time::timeout(PATIENCE, alarm).await.unwrap();
    }

    #[test]
    fn an_alarm_that_nobody_waits_for_any_more_is_forgotten() {
        let mut alarm = Alarm::after(PATIENCE);
        set(&mut alarm);
        let key = alarm.set.unwrap();
        assert!(BELL.alarms().waiting.contains_key(&key));
        drop(alarm);
        assert!(!BELL.alarms().waiting.contains_key(&key));
    }

    #[test]
    fn an_alarm_beyond_all_instants_is_never_set() {
        let mut alarm = Alarm::after(Duration::MAX);
        set(&mut alarm);
        assert_eq!(alarm.set, None);
    }
}
