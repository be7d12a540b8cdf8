//! Clients that do a little at a time: one sends slowly, one reads slowly.
//!
//! **Invariant:** the only clock is tokio's, so that paused time is theirs as well.
//! **Invariant:** a turn waits for nothing, and the socket is closed when its client is dropped.

mod reader;
mod writer;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

pub use reader::SlowReader;
pub use writer::SlowWriter;

use crate::patience::{PATIENCE, bounded, fail};
use crate::probe::{Probe, Seen};

/// A client that does a little at a time, by itself, until it is dropped.
///
/// It is a task of the runtime that it was made in, and gets on whenever that runtime does. Its time
/// is tokio's: under a paused clock its turns come as virtual time goes on.
#[must_use = "dropping it closes its connection"]
pub struct Slow {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    /// `None` once the test has it, or the client is dropped.
    probe: Mutex<Option<Probe>>,
    progress: watch::Sender<Progress>,
}

/// How far a client is.
#[derive(Clone, Debug, Default)]
struct Progress {
    sent: usize,
    taken: usize,
    end: Option<Seen>,
    failed: Option<Arc<io::Error>>,
}

/// What a client does in its turn.
trait Habit: Send + 'static {
    fn turn(&mut self, probe: &mut Probe, progress: &mut Progress) -> io::Result<()>;
}

impl Shared {
    fn probe(&self) -> MutexGuard<'_, Option<Probe>> {
        self.probe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One turn; whether there is another.
    fn turn(&self, habit: &mut impl Habit) -> bool {
        let mut probe = self.probe();
        let Some(probe) = probe.as_mut() else {
            return false;
        };
        let mut progress = self.progress.borrow().clone();
        if let Err(error) = habit.turn(probe, &mut progress) {
            progress.failed = Some(Arc::new(error));
        }
        progress.end = progress.end.or_else(|| probe.end_seen());
        let goes_on = progress.failed.is_none() && progress.end.is_none();
        self.progress.send_replace(progress);
        goes_on
    }
}

impl Slow {
    /// Lets this client do its habit from now on, a first turn at once.
    fn new(probe: Probe, every: Duration, mut habit: impl Habit) -> Self {
        let shared = Arc::new(Shared {
            probe: Mutex::new(Some(probe)),
            progress: watch::Sender::default(),
        });
        let turns = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut ticks = interval(every);
            // A client that was late is not faster for it afterwards.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if !turns.turn(&mut habit) {
                    return;
                }
            }
        });
        Self { shared, task }
    }

    /// How many bytes it has sent by its own habit.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.shared.progress.borrow().sent
    }

    /// How many bytes it has taken by its own habit: read, or over HTTP/2 granted anew.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.shared.progress.borrow().taken
    }

    /// Everything that came so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let probe = self.shared.probe();
        probe
            .as_ref()
            .map_or_else(Vec::new, |probe| probe.seen().to_vec())
    }

    /// Resolves once it has sent so many bytes.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`] of real time, or if its connection ended first; with how far it is.
    #[track_caller]
    pub fn has_sent(&self, bytes: usize) -> impl Future<Output = ()> {
        let here = Location::caller();
        self.reaches(here, format!("{bytes} bytes to be sent"), move |progress| {
            progress.sent >= bytes
        })
    }

    /// Resolves once it has taken so many bytes.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`] of real time, or if its connection ended first; with how far it is.
    #[track_caller]
    pub fn has_taken(&self, bytes: usize) -> impl Future<Output = ()> {
        let here = Location::caller();
        self.reaches(
            here,
            format!("{bytes} bytes to be taken"),
            move |progress| progress.taken >= bytes,
        )
    }

    /// Resolves once it has seen the end of its connection: [`Seen::Fin`] or [`Seen::Rst`], at the
    /// pace at which it reads.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`] of real time, with how far it is.
    #[track_caller]
    pub fn end(&self) -> impl Future<Output = Seen> {
        let here = Location::caller();
        let ended = self.reaches(
            here,
            String::from("the end of the connection"),
            |progress| progress.end.is_some(),
        );
        async move {
            ended.await;
            let end = self.shared.progress.borrow().end.clone();
            end.unwrap_or(Seen::Fin)
        }
    }

    /// It is slow no more: from here on it does what the test tells it to do.
    ///
    /// # Panics
    ///
    /// Never: there is a connection as long as there is its client.
    #[must_use]
    pub fn hurry(self) -> Probe {
        self.task.abort();
        let probe = self.shared.probe().take();
        match probe {
            Some(probe) => probe,
            None => fail(Location::caller(), "a client without a connection"),
        }
    }

    async fn reaches(
        &self,
        here: &'static Location<'static>,
        what: String,
        holds: impl Fn(&Progress) -> bool,
    ) {
        let mut changes = self.shared.progress.subscribe();
        let over = |progress: &Progress| {
            holds(progress) || progress.end.is_some() || progress.failed.is_some()
        };
        let held = match bounded(PATIENCE, changes.wait_for(over)).await {
            Some(reached) => reached.is_ok_and(|progress| holds(&progress)),
            None => fail(here, &format!("waited {PATIENCE:?} for {what}; {self:?}")),
        };
        if !held {
            fail(here, &format!("it was over before {what}; {self:?}"));
        }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.task.abort();
        // Now, not when its task is looked after.
        drop(self.shared.probe().take());
    }
}

impl fmt::Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = self.shared.progress.borrow().clone();
        f.debug_struct("Slow")
            .field("sent", &progress.sent)
            .field("taken", &progress.taken)
            .field("end", &progress.end)
            .field("failed", &progress.failed)
            .finish()
    }
}

/// What is wrong with a pace that is none.
pub(super) fn check_pace(bytes: usize, every: Duration) -> Result<(), String> {
    if bytes == 0 {
        return Err(String::from(
            "0 bytes at a time is no pace; allowed is 1 or more",
        ));
    }
    if every == Duration::ZERO {
        return Err(String::from(
            "every 0 ns is no pace; allowed is more than none, and a Probe is as fast as it can",
        ));
    }
    Ok(())
}
