//! Who lives: the names of tasks or threads, each from its start to its very end (floor 1).
//!
//! **Invariant:** no lock is taken while an entry merely lives, only when it comes and goes.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;
use tokio::sync::Notify;

/// The name of a task or thread, for reports.
///
/// One made for each connection costs no allocation: [`numbered`](Self::numbered).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskName {
    name: Cow<'static, str>,
    number: Option<u64>,
}

impl TaskName {
    /// `name#number`.
    pub(crate) const fn numbered(name: &'static str, number: u64) -> Self {
        Self {
            name: Cow::Borrowed(name),
            number: Some(number),
        }
    }
}

impl From<&'static str> for TaskName {
    fn from(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            number: None,
        }
    }
}

impl From<String> for TaskName {
    fn from(name: String) -> Self {
        Self {
            name: Cow::Owned(name),
            number: None,
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}#{number}", self.name),
            None => f.pad(&self.name),
        }
    }
}

/// Those that live. Clones are the same roll.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roll {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    names: Mutex<Slab<TaskName>>,
    count: AtomicUsize,
    emptied: Notify,
}

impl Roll {
    /// Counts `name` until the entry is dropped.
    pub(crate) fn enter(&self, name: TaskName) -> Entry {
        let mut names = self.inner.names();
        let key = names.insert(name);
        self.inner.count.store(names.len(), Ordering::SeqCst);
        drop(names);
        Entry {
            inner: Arc::clone(&self.inner),
            key,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.inner.count.load(Ordering::SeqCst)
    }

    /// Sorted by name, then number.
    pub(crate) fn names(&self) -> Vec<TaskName> {
        let mut names: Vec<TaskName> = self
            .inner
            .names()
            .iter()
            .map(|(_, name)| name.clone())
            .collect();
        names.sort();
        names
    }

    /// Resolves when nobody is left.
    pub(crate) async fn empty(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.inner.emptied.notified());
            // Listening before looking, so that the last one cannot leave in between.
            emptied.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Inner {
    fn names(&self) -> MutexGuard<'_, Slab<TaskName>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that lives; its drop is its end.
#[derive(Debug)]
pub(crate) struct Entry {
    inner: Arc<Inner>,
    key: usize,
}

impl Entry {
    pub(crate) fn name(&self) -> TaskName {
        self.inner
            .names()
            .get(self.key)
            .cloned()
            .unwrap_or_else(|| TaskName::from("unknown"))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut names = self.inner.names();
        let name = names.try_remove(self.key);
        let left = names.len();
        self.inner.count.store(left, Ordering::SeqCst);
        drop(names);
        drop(name);
        if left == 0 {
            self.inner.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    #[test]
    fn names_are_told_apart_by_their_number_and_sorted_by_it() {
        let roll = Roll::default();
        let entries: Vec<Entry> = [10, 9, 11]
            .into_iter()
            .map(|n| roll.enter(TaskName::numbered("conn", n)))
            .chain([roll.enter(TaskName::from("accept".to_owned()))])
            .collect();
        let shown: Vec<String> = roll.names().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["accept", "conn#9", "conn#10", "conn#11"]);
        drop(entries);
        assert_eq!(roll.count(), 0);
    }

    #[test]
    fn an_empty_roll_is_waited_for_until_the_last_one_leaves() {
        let roll = Roll::default();
        let (first, second) = (roll.enter("first".into()), roll.enter("second".into()));
        let mut empty = tokio_test::task::spawn(roll.empty());
        assert_eq!(empty.poll(), Poll::Pending);
        drop(first);
        assert!(!empty.is_woken());
        drop(second);
        assert!(empty.is_woken());
        assert_eq!(empty.poll(), Poll::Ready(()));
    }

    #[test]
    fn one_who_comes_after_the_last_one_left_is_waited_for_as_well() {
        let roll = Roll::default();
        let first = roll.enter("first".into());
        let mut empty = tokio_test::task::spawn(roll.empty());
        assert_eq!(empty.poll(), Poll::Pending);
        drop(first);
        let second = roll.enter("second".into());
        assert_eq!(empty.poll(), Poll::Pending);
        drop(second);
        assert_eq!(empty.poll(), Poll::Ready(()));
    }
}
