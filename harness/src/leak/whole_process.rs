//! What the whole process holds: descriptors, and threads that nobody keeps a list of.
//!
//! Both are the process's, not a server's, so this is for tests that are alone in theirs. A thread is
//! known by its name in the kernel: it takes on that of the thread which starts it, unless it is given
//! one (`prctl(2)`, `PR_SET_NAME`; `clone(2)`).
//!
//! **Invariant:** nothing is said where the system does not show its tables (`/proc`, Linux).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Leak;

/// What the process held before a server started in it.
#[derive(Debug)]
pub(super) struct WholeProcess {
    mark: Mark,
    before: BTreeSet<(String, PathBuf)>,
}

impl WholeProcess {
    pub(super) fn new() -> Self {
        Self {
            mark: Mark::new(),
            before: BTreeSet::new(),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        self.mark.clone()
    }

    /// Called on the thread of the server, once its runtime is made.
    pub(super) fn begin(&mut self) {
        self.mark.set();
        self.before = descriptors();
    }

    /// What is there that was not there before, but for so many threads of the server's runtime that
    /// are known to be left.
    pub(super) fn left(&self, known: usize, grace: Duration) -> Vec<Leak> {
        let begun = Instant::now();
        loop {
            let leaks = self.look(known);
            if leaks.is_empty() || begun.elapsed() >= grace {
                return leaks;
            }
            std::thread::yield_now();
        }
    }

    fn look(&self, known: usize) -> Vec<Leak> {
        let threads = self.mark.others().saturating_sub(known);
        let threads = (threads > 0).then_some(Leak::Started(threads));
        let after = descriptors();
        let new = after.difference(&self.before).cloned();
        let new = new.map(|(fd, of)| Leak::Descriptor { fd, of });
        threads.into_iter().chain(new).collect()
    }
}

/// The name of the threads of one server, and of all that they start without a name.
#[derive(Clone, Debug)]
pub(super) struct Mark(String);

impl Mark {
    /// One that no other server has. At most 15 bytes: more the kernel does not keep.
    fn new() -> Self {
        static MARKS: AtomicUsize = AtomicUsize::new(1);

        Self(format!("lamp#{}", MARKS.fetch_add(1, Ordering::Relaxed)))
    }

    /// Marks the current thread.
    pub(super) fn set(&self) {
        // Without it nothing is found, which is what can be said of a system that has no such table.
        let _unmarked = fs::write("/proc/thread-self/comm", &self.0);
    }

    /// How many threads have the mark, without the current one.
    fn others(&self) -> usize {
        let own = fs::read_link("/proc/thread-self").unwrap_or_default();
        let marked = entries(Path::new("/proc/self/task")).into_iter();
        let marked = marked.filter(|task| {
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            task.file_name() != own.file_name() && name.trim_end() == self.0
        });
        marked.count()
    }
}

/// The open descriptors: their numbers, and what they are open on.
fn descriptors() -> BTreeSet<(String, PathBuf)> {
    // The directory itself is one of them, and closed by the time that its entry is asked.
    let known = entries(Path::new("/proc/self/fd")).into_iter();
    let known = known.filter_map(|entry| {
        let of = fs::read_link(&entry).ok()?;
        let fd = entry.file_name()?.to_string_lossy().into_owned();
        Some((fd, of))
    });
    known.collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}
