//! Who lives: the names of tasks or threads, each from its start to its very end (floor 1).
//!
//! **Invariant:** no lock is taken while an entry merely lives, only when it comes and goes.

use std::borrow::Cow;
use std::collections::BTreeSet;
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
    present: Mutex<Present>,
    count: AtomicUsize,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Present {
    names: Slab<TaskName>,
    /// Those of them that nobody waits for.
    left: BTreeSet<usize>,
}

impl Present {
    fn waited_for(&self) -> usize {
        self.names.len() - self.left.len()
    }
}

impl Roll {
    /// Counts `name` until the entry is dropped.
    pub(crate) fn enter(&self, name: TaskName) -> Entry {
        let mut present = self.inner.present();
        let key = present.names.insert(name);
        let count = present.waited_for();
        self.inner.count.store(count, Ordering::SeqCst);
        drop(present);
        Entry {
            inner: Arc::clone(&self.inner),
            key,
        }
    }

    /// Counts those of this name no more that live now.
    pub(crate) fn leave(&self, name: &TaskName) {
        let mut present = self.inner.present();
        let Present { names, left } = &mut *present;
        let named = names.iter().filter(|(_, known)| *known == name);
        left.extend(named.map(|(key, _)| key));
        let count = present.waited_for();
        self.inner.count.store(count, Ordering::SeqCst);
        drop(present);
        if count == 0 {
            self.inner.emptied.notify_waiters();
        }
    }

    /// How many there are, without those that were left.
    pub(crate) fn count(&self) -> usize {
        self.inner.count.load(Ordering::SeqCst)
    }

    /// Sorted by name, then number; without those that were left.
    pub(crate) fn names(&self) -> Vec<TaskName> {
        let present = self.inner.present();
        let counted = present.names.iter();
        let counted = counted.filter(|(key, _)| !present.left.contains(key));
        let mut names: Vec<TaskName> = counted.map(|(_, name)| name.clone()).collect();
        drop(present);
        names.sort();
        names
    }

    /// Everybody who is there, also those that were left; in no order.
    fn everybody(&self) -> Vec<TaskName> {
        let present = self.inner.present();
        present.names.iter().map(|(_, name)| name.clone()).collect()
    }

    /// Resolves when nobody is there who counts.
    pub(crate) async fn empty(&self) {
        loop {
            // Listening before looking, so that the last one cannot leave in between.
            let emptied = self.inner.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// The rolls of the tasks and threads of one server, for whoever asks after its end. It keeps nothing
/// of the runtime.
#[derive(Clone, Debug)]
pub(crate) struct Rolls {
    pub(super) tasks: Roll,
    pub(super) threads: Roll,
}

impl Rolls {
    /// The names of all tasks and threads that live, sorted; also of those that were left.
    pub(crate) fn everybody(&self) -> Vec<TaskName> {
        let mut names = self.tasks.everybody();
        names.extend(self.threads.everybody());
        names.sort();
        names
    }
}

impl Inner {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
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
        let present = self.inner.present();
        present
            .names
            .get(self.key)
            .cloned()
            .unwrap_or_else(|| TaskName::from("unknown"))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut present = self.inner.present();
        let name = present.names.try_remove(self.key);
        let was_left = present.left.remove(&self.key);
        let count = present.waited_for();
        self.inner.count.store(count, Ordering::SeqCst);
        drop(present);
        drop(name);
        if count == 0 && !was_left {
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
    fn one_who_is_left_is_not_waited_for_and_its_later_end_is_nobodys_news() {
        let roll = Roll::default();
        let stuck = roll.enter("stuck".into());
        let other = roll.enter("other".into());
        let mut empty = tokio_test::task::spawn(roll.empty());
        assert_eq!(empty.poll(), Poll::Pending);
        roll.leave(&"stuck".into());
        assert_eq!((roll.count(), roll.names()), (1, vec!["other".into()]));
        roll.leave(&"nobody".into());
        assert!(!empty.is_woken());
        let threads = Roll::default();
        let _thread = threads.enter("more".into());
        let tasks = roll.clone();
        let rolls = Rolls { tasks, threads };
        assert_eq!(
            rolls.everybody(),
            ["more".into(), "other".into(), "stuck".into()]
        );
        drop(other);
        assert!(empty.is_woken());
        assert_eq!(empty.poll(), Poll::Ready(()));
        // Its place may be taken by another one of the same name, who counts.
        drop(stuck);
        let again = roll.enter("stuck".into());
        assert_eq!(roll.count(), 1);
        drop(again);
        assert_eq!(roll.count(), 0);
    }

    #[test]
    fn leaving_the_last_one_ends_the_wait() {
        let roll = Roll::default();
        let _stuck = roll.enter("stuck".into());
        let mut empty = tokio_test::task::spawn(roll.empty());
        assert_eq!(empty.poll(), Poll::Pending);
        roll.leave(&"stuck".into());
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
