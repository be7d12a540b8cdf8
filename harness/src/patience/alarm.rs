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

/// What has come of setting an alarm.
#[derive(Debug)]
struct Set {
    /// Who waited for it until now.
    before: Option<Waker>,
    /// Whether the thread looks too late for it, unless it is told.
    is_next: bool,
}

impl Alarms {
    /// Rings this one at its time for this waker, and no longer for the one before.
    fn set(&mut self, key: Key, waker: Waker) -> Set {
        let is_next = self.looks.is_none_or(|looks| key.0 < looks);
        if is_next {
            // Until it has looked, it needs no other call.
            self.looks = Some(key.0);
        }
        Set {
            // None also where it has just rung for the one before.
            before: self.waiting.insert(key, waker),
            is_next,
        }
    }

    /// Takes out whatever is due, since somebody looks.
    fn due(&mut self, now: Instant) -> BTreeMap<Key, Waker> {
        let later = self.waiting.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.waiting, later);
        self.looks = self.waiting.first_key_value().map(|(key, _)| key.0);
        due
    }
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

    fn set(&self, key: Key, waker: &Waker) {
        let mut alarms = self.alarms();
        let set = alarms.set(key, waker.clone());
        drop(alarms);
        if set.is_next {
            self.earlier.notify_one();
        }
        // Not under the lock: a waker is somebody else's code.
        drop(set.before);
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
            let due = alarms.due(now);
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

    #[test]
    fn the_thread_is_told_only_of_what_is_due_before_it_looks_by_itself() {
        let now = Instant::now();
        let [soon, late, later] = [1, 2, 3].map(|hours| now + Duration::from_secs(hours * 3600));
        let mut alarms = Alarms::default();
        let mut is_next = |at, number| alarms.set((at, number), Waker::noop().clone()).is_next;
        assert!(is_next(late, 1));
        assert!(!is_next(later, 2));
        assert!(is_next(soon, 3));
        // Told already, it has not looked yet.
        assert!(!is_next(late, 4));
        let due = alarms.due(soon);
        assert_eq!(due.into_keys().collect::<Vec<_>>(), [(soon, 3)]);
        assert_eq!(alarms.looks, Some(late));
        let due = alarms.due(later).into_keys().map(|(_, number)| number);
        assert_eq!(due.collect::<Vec<_>>(), [1, 4, 2]);
        assert_eq!(alarms.looks, None);
        let set = alarms.set((later, 5), Waker::noop().clone());
        assert!(set.is_next);
    }

    #[tokio::test]
    async fn alarms_ring_one_after_the_other() {
        let begun = Instant::now();
        for _ in 0..20 {
            let alarm = Alarm::after(Duration::from_millis(1));
            tokio::time::timeout(PATIENCE, alarm).await.unwrap();
        }
        // One that nobody rings is found due when the time is up.
        assert!(begun.elapsed() < PATIENCE);
    }

    #[tokio::test]
    async fn an_alarm_wakes_whoever_waited_for_it_last() {
        let mut alarm = Alarm::after(Duration::from_millis(20));
        set(&mut alarm);
        let begun = Instant::now();
        tokio::time::timeout(PATIENCE, alarm).await.unwrap();
        assert!(begun.elapsed() < PATIENCE);
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
