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

/// The rolls of the tasks and threads of one server. Clones are the same rolls; they keep nothing of the
/// runtime.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rolls(Arc<Both>);

#[derive(Debug, Default)]
struct Both {
    tasks: Roll,
    threads: Roll,
}

/// What lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    Thread,
}

impl Rolls {
    /// Counts `name` until the entry is dropped.
    pub(super) fn enter(&self, kind: Kind, name: TaskName) -> Entry {
        Entry {
            key: self.of(kind).enter(name),
            rolls: self.clone(),
            kind,
        }
    }

    /// Those of this kind.
    pub(super) fn of(&self, kind: Kind) -> &Roll {
        match kind {
            Kind::Task => &self.0.tasks,
            Kind::Thread => &self.0.threads,
        }
    }

    /// The names of all tasks and threads that live, sorted; also of those that were left.
    pub(crate) fn everybody(&self) -> Vec<TaskName> {
        let mut names = self.0.tasks.everybody();
        names.extend(self.0.threads.everybody());
        names.sort();
        names
    }
}

/// Those that live.
#[derive(Debug, Default)]
pub(super) struct Roll {
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
    fn enter(&self, name: TaskName) -> usize {
        let mut present = self.present();
        let key = present.names.insert(name);
        let count = present.waited_for();
        self.count.store(count, Ordering::SeqCst);
        key
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts those of this name no more that live now.
    pub(crate) fn leave(&self, name: &TaskName) {
        let mut present = self.present();
        let Present { names, left } = &mut *present;
        let named = names.iter().filter(|(_, known)| *known == name);
        left.extend(named.map(|(key, _)| key));
        let count = present.waited_for();
        self.count.store(count, Ordering::SeqCst);
        drop(present);
        if count == 0 {
            self.emptied.notify_waiters();
        }
    }

    /// How many there are, without those that were left.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Sorted by name, then number; without those that were left.
    pub(crate) fn names(&self) -> Vec<TaskName> {
        let present = self.present();
        let counted = present.names.iter();
        let counted = counted.filter(|(key, _)| !present.left.contains(key));
        let mut names: Vec<TaskName> = counted.map(|(_, name)| name.clone()).collect();
        drop(present);
        names.sort();
        names
    }

    /// Everybody who is there, also those that were left; in no order.
    fn everybody(&self) -> Vec<TaskName> {
        let present = self.present();
        present.names.iter().map(|(_, name)| name.clone()).collect()
    }

    /// Resolves when nobody is there who counts.
    pub(crate) async fn empty(&self) {
        loop {
            // Listening before looking, so that the last one cannot leave in between.
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// One that lives; its drop is its end.
#[derive(Debug)]
pub(crate) struct Entry {
    rolls: Rolls,
    kind: Kind,
    key: usize,
}

impl Entry {
    pub(crate) fn name(&self) -> TaskName {
        let present = self.rolls.of(self.kind).present();
        present
            .names
            .get(self.key)
            .cloned()
            .unwrap_or_else(|| TaskName::from("unknown"))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let roll = self.rolls.of(self.kind);
        let mut present = roll.present();
        let name = present.names.try_remove(self.key);
        let was_left = present.left.remove(&self.key);
        let count = present.waited_for();
        roll.count.store(count, Ordering::SeqCst);
        drop(present);
        drop(name);
        if count == 0 && !was_left {
            roll.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    #[test]
    fn names_are_told_apart_by_their_number_and_sorted_by_it() {
        let rolls = Rolls::default();
        let roll = rolls.of(Kind::Task);
        let entries: Vec<Entry> = [10, 9, 11]
            .into_iter()
            .map(|n| rolls.enter(Kind::Task, TaskName::numbered("conn", n)))
            .chain([rolls.enter(Kind::Task, TaskName::from("accept".to_owned()))])
            .collect();
        let shown: Vec<String> = roll.names().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["accept", "conn#9", "conn#10", "conn#11"]);
        drop(entries);
        assert_eq!(roll.count(), 0);
    }

    #[test]
    fn an_empty_roll_is_waited_for_until_the_last_one_leaves() {
        let rolls = Rolls::default();
        let roll = rolls.of(Kind::Task);
        let (first, second) = (
            rolls.enter(Kind::Task, "first".into()),
            rolls.enter(Kind::Task, "second".into()),
        );
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
        let rolls = Rolls::default();
        let roll = rolls.of(Kind::Task);
        let stuck = rolls.enter(Kind::Task, "stuck".into());
        let other = rolls.enter(Kind::Task, "other".into());
        let mut empty = tokio_test::task::spawn(roll.empty());
        assert_eq!(empty.poll(), Poll::Pending);
        roll.leave(&"stuck".into());
        assert_eq!((roll.count(), roll.names()), (1, vec!["other".into()]));
        roll.leave(&"nobody".into());
        assert!(!empty.is_woken());
        let _thread = rolls.enter(Kind::Thread, "more".into());
        assert_eq!(
            rolls.everybody(),
            ["more".into(), "other".into(), "stuck".into()]
        );
        drop(other);
        assert!(empty.is_woken());
        assert_eq!(empty.poll(), Poll::Ready(()));
        // Its place may be taken by another one of the same name, who counts.
        drop(stuck);
        let again = rolls.enter(Kind::Task, "stuck".into());
        assert_eq!(roll.count(), 1);
        drop(again);
        assert_eq!(roll.count(), 0);
    }

    #[test]
    fn leaving_the_last_one_ends_the_wait() {
        let rolls = Rolls::default();
        let roll = rolls.of(Kind::Task);
        let _stuck = rolls.enter(Kind::Task, "stuck".into());
        let mut empty = tokio_test::task::spawn(roll.empty());
        assert_eq!(empty.poll(), Poll::Pending);
        roll.leave(&"stuck".into());
        assert_eq!(empty.poll(), Poll::Ready(()));
    }

    #[test]
    fn one_who_comes_after_the_last_one_left_is_waited_for_as_well() {
        let rolls = Rolls::default();
        let roll = rolls.of(Kind::Task);
        let first = rolls.enter(Kind::Task, "first".into());
        let mut empty = tokio_test::task::spawn(roll.empty());
        assert_eq!(empty.poll(), Poll::Pending);
        drop(first);
        let second = rolls.enter(Kind::Task, "second".into());
        assert_eq!(empty.poll(), Poll::Pending);
        drop(second);
        assert_eq!(empty.poll(), Poll::Ready(()));
    }
}
