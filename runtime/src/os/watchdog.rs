//! The thread beside `block_on` that ends the process when a stop does not end in its budget
//! (floor 1).
//!
//! A server that has been started registers here and says when a stop begins and how long it may
//! take. The thread counts that down in real time, so it works when every worker of the runtime is
//! blocked, and it leaves out time in which the process was frozen.
//!
//! **Invariant:** nothing here ends a process because of a server that does not run on the runtime
//! of a `block_on`: such a server was promised nothing.
//! **Invariant:** nothing that can block stands between the end of a budget and the end of the
//! process: what is printed is printed elsewhere, and waited for [`LAST_WORDS`] at most.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;

use super::clock::Ticks;
use super::tasks::os_thread;

mod end;

use end::{Printer, Reason};

/// What the watchdog knows about a server.
pub(crate) trait Guarded: Send + Sync + 'static {
    /// What is known about a stop that did not end: the phase, what it waited for, what is stuck.
    ///
    /// Called on a thread of its own just before the process ends, with [`LAST_WORDS`] to return;
    /// it should try locks and not wait for them.
    fn partial_report(&self) -> String;
}

/// Registers a server that runs on the current runtime. Until the guard is dropped it counts as live.
///
/// # Panics
///
/// Outside of a runtime.
pub(crate) fn watch(guarded: Arc<dyn Guarded>) -> WatchGuard {
    let runtime = Handle::current().id();
    let mut registry = registry();
    let id = registry.next_id;
    registry.next_id += 1;
    registry.entries.push(Entry {
        id,
        guarded,
        runtime,
        stop: Stop::NotBegun,
        reason: Reason::Budget,
    });
    WatchGuard { id }
}

/// A server's line to the watchdog. Dropping it says that the server has stopped.
#[must_use = "dropping it says that the server has stopped"]
pub(crate) struct WatchGuard {
    id: u64,
}

impl WatchGuard {
    /// A stop has begun that may take as long as it takes: `block_on` waits for it from now on.
    pub(crate) fn stop_began(&self) {
        self.update(|entry| {
            if entry.stop == Stop::NotBegun {
                entry.stop = Stop::Unlimited;
            }
        });
    }

    /// A stop has begun, or got a tighter deadline, and has this much left of its budget from now.
    ///
    /// [`PAST_BUDGET`] later the process ends. Calls can only make the end come earlier.
    pub(crate) fn budget_left(&self, left: Duration) {
        self.limit(left.saturating_add(PAST_BUDGET), Reason::Budget);
    }

    /// Everything was abandoned, as the third signal asks: the process ends in
    /// [`AFTER_ABANDON`] unless the server has stopped by then.
    pub(crate) fn abandoned(&self) {
        self.limit(AFTER_ABANDON, Reason::Abandoned);
    }

    fn limit(&self, limit: Duration, reason: Reason) {
        self.update(|entry| {
            let (left, reason) = match entry.stop {
                // More time than there was is never given.
                Stop::Limited { left, .. } if left <= limit => (left, entry.reason),
                Stop::NotBegun | Stop::Unlimited | Stop::Limited { .. } => (limit, reason),
            };
            entry.stop = Stop::Limited { left, fresh: true };
            entry.reason = reason;
        });
    }

    fn update(&self, change: impl FnOnce(&mut Entry)) {
        let mut registry = registry();
        if let Some(entry) = registry
            .entries
            .iter_mut()
            .find(|entry| entry.id == self.id)
        {
            change(entry);
        }
        let counts = registry.thread.is_some();
        drop(registry);
        if counts {
            WAKE.notify_all();
        }
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        let mut registry = registry();
        let gone = registry
            .entries
            .iter()
            .position(|entry| entry.id == self.id)
            .map(|at| registry.entries.remove(at));
        drop(registry);
        // Outside of the lock, since it may own anything.
        drop(gone);
        STOPPED.notify_waiters();
    }
}

impl fmt::Debug for WatchGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchGuard").field("id", &self.id).finish()
    }
}

/// One running `block_on`. While there is one, the watchdog's thread runs.
pub(crate) struct Companion {
    runtime: Id,
}

impl Companion {
    /// Starts the thread unless another `block_on` has done so.
    ///
    /// # Errors
    ///
    /// When the OS gives no thread.
    pub(crate) fn start(runtime: &Handle) -> io::Result<Self> {
        let mut registry = registry();
        if registry.thread.is_none() {
            registry.epoch += 1;
            let epoch = registry.epoch;
            let printer = Printer::start()?;
            registry.thread = Some(os_thread("lamp-watchdog", move || run(epoch, printer))?);
        }
        registry.companions.push(runtime.id());
        Ok(Self {
            runtime: runtime.id(),
        })
    }

    /// Resolves when no stop that has begun on this runtime is under way.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub(crate) async fn stops_ended(&self) {
        loop {
            // Listening before looking, so that the last one cannot stop in between.
            let stopped = STOPPED.notified();
            if !registry().is_stopping(self.runtime) {
                return;
            }
            stopped.await;
        }
    }
}

impl Drop for Companion {
    /// Ends the thread if this was the last one, and forgets the servers whose runtime ends with
    /// this `block_on`: nothing can carry their stops on.
    fn drop(&mut self) {
        let mut registry = registry();
        if let Some(at) = registry
            .companions
            .iter()
            .position(|id| *id == self.runtime)
        {
            registry.companions.swap_remove(at);
        }
        let (gone, kept) = std::mem::take(&mut registry.entries)
            .into_iter()
            .partition::<Vec<_>, _>(|entry| entry.runtime == self.runtime);
        registry.entries = kept;
        let thread = if registry.companions.is_empty() {
            registry.epoch += 1;
            registry.thread.take()
        } else {
            None
        };
        drop(registry);
        drop(gone);
        WAKE.notify_all();
        if let Some(thread) = thread {
            // It waits for nothing but us, unless it is just ending the process.
            drop(thread.join());
        }
    }
}

/// How long after the end of a budget the process ends: a stop may use up its budget to the last
/// moment and still end by itself.
pub(crate) const PAST_BUDGET: Duration = Duration::from_millis(200);

/// How long after everything was abandoned the process ends.
pub(crate) const AFTER_ABANDON: Duration = Duration::from_secs(1);

/// How long the printing of the partial reports is waited for, which takes some microseconds where
/// somebody reads: a machine on which everybody waits for a turn is where a stop comes to this, and
/// what it waited for is to be read there too. With [`PAST_BUDGET`] well within the 2 s that a platform
/// is told to add to the budget.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(if cfg!(test) { 1000 } else { 500 });

/// How often the thread wakes up during a stop: what a freeze can count for at most, together with
/// [`Ticks::SLACK`].
const TICK: Duration = Duration::from_millis(50);

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    entries: Vec::new(),
    next_id: 0,
    companions: Vec::new(),
    epoch: 0,
    thread: None,
});

/// Something changed for the thread.
static WAKE: Condvar = Condvar::new();

/// A server has stopped.
static STOPPED: Notify = Notify::const_new();

struct Registry {
    entries: Vec<Entry>,
    next_id: u64,
    /// The runtimes of the running `block_on`s.
    companions: Vec<Id>,
    /// The thread of an earlier epoch ends itself.
    epoch: u64,
    thread: Option<JoinHandle<()>>,
}

struct Entry {
    id: u64,
    guarded: Arc<dyn Guarded>,
    runtime: Id,
    stop: Stop,
    /// Why the process ends with its limit.
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    NotBegun,
    Unlimited,
    Limited {
        left: Duration,
        /// Set since the thread last counted, so that what it counts next was partly before.
        fresh: bool,
    },
}

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    fn is_stopping(&self, runtime: Id) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.stop != Stop::NotBegun && entry.runtime == runtime)
    }

    /// Counts `elapsed` down for those on the runtime of a `block_on`; the shortest time left, if
    /// there is any limit.
    fn count_down(&mut self, elapsed: Duration) -> Option<Duration> {
        let companions = &self.companions;
        self.entries
            .iter_mut()
            .filter(|entry| companions.contains(&entry.runtime))
            .filter_map(|entry| entry.stop.count_down(elapsed))
            .min()
    }

    /// Why a process whose time is up is ended.
    fn reason(&self) -> Reason {
        let over =
            |entry: &&Entry| matches!(entry.stop, Stop::Limited { left, .. } if left.is_zero());
        let first = self.entries.iter().find(over);
        first.map_or(Reason::Budget, |entry| entry.reason)
    }

    /// Every server whose stop is under way, those that nobody promised anything among them.
    fn stopping(&self) -> Vec<Arc<dyn Guarded>> {
        self.entries
            .iter()
            .filter(|entry| entry.stop != Stop::NotBegun)
            .map(|entry| Arc::clone(&entry.guarded))
            .collect()
    }
}

impl Stop {
    fn count_down(&mut self, elapsed: Duration) -> Option<Duration> {
        let Self::Limited { left, fresh } = self else {
            return None;
        };
        if !std::mem::take(fresh) {
            *left = left.saturating_sub(elapsed);
        }
        Some(*left)
    }
}

/// The thread.
fn run(epoch: u64, printer: Printer) {
    let mut ticks = Ticks::start();
    let mut meant = Duration::ZERO;
    let mut registry = registry();
    while registry.epoch == epoch {
        registry = match registry.count_down(ticks.count(meant)) {
            Some(Duration::ZERO) => {
                let (stopping, reason) = (registry.stopping(), registry.reason());
                drop(registry);
                printer.end_process(stopping, reason)
            }
            Some(left) => {
                meant = left.min(TICK);
                WAKE.wait_timeout(registry, meant)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => {
                // Whatever limit comes next is fresh, so this wait counts for nobody.
                meant = Duration::ZERO;
                WAKE.wait(registry).unwrap_or_else(PoisonError::into_inner)
            }
        };
    }
    drop(registry);
    printer.end();
}

#[cfg(all(test, unix))]
mod tests;
