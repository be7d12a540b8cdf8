//! Listeners, connections, workers and the start, as their inputs tell them (tests of floor 0).
//!
//! **Invariant:** a connection's requests all have an end once it has one.

use lamplighter_lifecycle::{
    ConnectionEnd, ConnectionId, Input, Instant, Phase, Tally, WorkerEnd, WorkerId, WorkerOutcome,
};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Listeners {
    #[default]
    None,
    Open,
    Closing,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    Waiting,
    Running,
    Ended(WorkerOutcome),
}

/// One piece of cut work: when it began, its connection, whether it was stuck.
pub(crate) type Cut = (Instant, ConnectionId, bool);

#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    pub(crate) start_alive: bool,
    pub(crate) listeners: Listeners,
    pub(crate) open: BTreeMap<ConnectionId, Option<(Tally, Vec<Instant>)>>,
    pub(crate) accepted: u64,
    pub(crate) turned_away: u64,
    pub(crate) ends: BTreeMap<ConnectionEnd, u64>,
    pub(crate) tally: Tally,
    pub(crate) cut: Vec<Cut>,
    /// How many requests were cut since a stop began: before, only limits of a connection cut.
    pub(crate) cut_in_stop: u64,
    pub(crate) workers: Vec<Worker>,
    pub(crate) workers_cut: u64,
    pub(crate) stuck: u64,
    pub(crate) listener_failed: bool,
    /// The connections that were given up in this moment, and the cut requests of the one that
    /// was closed in it.
    pub(crate) stuck_now: Vec<ConnectionId>,
    pub(crate) all_stuck: Vec<ConnectionId>,
    pub(crate) last_cut: u64,
    /// What could not be ended was left when the hooks began.
    pub(crate) gave_up: bool,
}

/// What an input means for the list of failures.
#[derive(Debug, Default)]
pub(crate) struct Consequence {
    pub(crate) listener_failed: bool,
    pub(crate) worker_failed: Option<WorkerOutcome>,
}

impl Work {
    pub(crate) fn is_left(&self) -> bool {
        self.start_alive
            || matches!(self.listeners, Listeners::Open | Listeners::Closing)
            || !self.open.is_empty()
            || self.running_workers() > 0
    }

    pub(crate) fn running_workers(&self) -> usize {
        self.workers
            .iter()
            .filter(|worker| **worker == Worker::Running)
            .count()
    }

    /// Whether this `Bound` counts: the start lives, and has not said it before.
    pub(super) fn bind(&mut self, phase: Phase) -> bool {
        if !self.start_alive || self.listeners != Listeners::None {
            return false;
        }
        self.listeners = if phase == Phase::Starting {
            Listeners::Open
        } else {
            Listeners::Closing
        };
        true
    }

    /// Whether a listener that breaks now is missed: it is open, or about to be said to be.
    fn may_lose_a_listener(&self, phase: Phase) -> bool {
        match self.listeners {
            Listeners::Open => true,
            Listeners::None => self.start_alive && phase == Phase::Starting,
            Listeners::Closing | Listeners::Closed => false,
        }
    }

    /// Takes in an input, where a server may `goes_on` with the listeners that are left.
    pub(super) fn take(&mut self, phase: Phase, input: &Input, goes_on: bool) -> Consequence {
        let mut means = Consequence::default();
        match input {
            Input::StartFailed(_) | Input::StartEnded => self.start_alive = false,
            Input::ListenersClosed if self.listeners == Listeners::Closing => {
                self.listeners = Listeners::Closed;
            }
            Input::ListenerFailed { left, .. } if self.may_lose_a_listener(phase) => {
                means.listener_failed = true;
                self.listener_failed |= *left == 0 || !goes_on;
            }
            Input::ConnectionsTurnedAway(count)
                if (Phase::Starting..=Phase::ForceClosing).contains(&phase) =>
            {
                self.turned_away = self.turned_away.saturating_add(*count);
            }
            Input::ConnectionOpened { connection, .. }
                if (Phase::Starting..=Phase::ForceClosing).contains(&phase)
                    && !self.open.contains_key(connection) =>
            {
                self.open.insert(*connection, None);
                self.accepted += 1;
            }
            Input::ConnectionForced {
                connection,
                tally,
                work,
                ..
            } if phase == Phase::ForceClosing => {
                if let Some(known) = self.open.get_mut(connection) {
                    let work = work.iter().map(|work| work.begun_at).collect();
                    *known = Some((*tally, work));
                }
            }
            Input::ConnectionClosed {
                connection,
                end,
                tally,
                cut,
                ..
            } if self.open.remove(connection).is_some() => {
                let cut = cut.iter().map(|work| work.begun_at).collect();
                self.end(*connection, *end, *tally, cut);
                if phase >= Phase::LameDuck {
                    self.cut_in_stop = self.cut_in_stop.saturating_add(self.last_cut);
                }
            }
            Input::WorkerEnded { worker, end } => {
                means.worker_failed = self.end_worker(*worker, end);
            }
            _ => {}
        }
        means
    }

    fn end(
        &mut self,
        connection: ConnectionId,
        end: ConnectionEnd,
        tally: Tally,
        cut: Vec<Instant>,
    ) {
        let by_force = matches!(end, ConnectionEnd::Cut | ConnectionEnd::Stuck);
        let settled = settled(tally, by_force);
        *self.ends.entry(end).or_default() += 1;
        self.tally = sum(self.tally, settled);
        self.last_cut = settled.cut;
        let stuck = end == ConnectionEnd::Stuck;
        let named = usize::try_from(settled.cut).unwrap_or(usize::MAX);
        self.cut.extend(
            cut.into_iter()
                .take(named)
                .map(|at| (at, connection, stuck)),
        );
    }

    fn end_worker(&mut self, worker: WorkerId, end: &WorkerEnd) -> Option<WorkerOutcome> {
        let state = self.workers.get_mut(worker.number() as usize)?;
        if *state != Worker::Running {
            return None;
        }
        let outcome = match end {
            WorkerEnd::Ok => WorkerOutcome::Ok,
            WorkerEnd::Failed(message) => WorkerOutcome::Failed(message.clone()),
            WorkerEnd::Panicked(message) => WorkerOutcome::Panicked(message.clone()),
            WorkerEnd::Aborted => WorkerOutcome::Cut,
        };
        self.workers_cut += u64::from(outcome == WorkerOutcome::Cut);
        *state = Worker::Ended(outcome.clone());
        match outcome {
            WorkerOutcome::Failed(_) | WorkerOutcome::Panicked(_) => Some(outcome),
            WorkerOutcome::Ok | WorkerOutcome::Cut | WorkerOutcome::Stuck => None,
        }
    }

    pub(super) fn register_worker(&mut self) {
        self.workers.push(Worker::Waiting);
    }

    pub(super) fn start_worker(&mut self, worker: WorkerId) {
        let state = &mut self.workers[worker.number() as usize];
        assert_eq!(*state, Worker::Waiting, "{worker:?} is started once");
        *state = Worker::Running;
    }

    /// The hooks begin: what still lives is stuck.
    pub(super) fn give_up(&mut self) {
        self.gave_up = self.is_left();
        let open = core::mem::take(&mut self.open);
        for (connection, forced) in open {
            let (tally, work) = forced.unwrap_or_default();
            self.end(connection, ConnectionEnd::Stuck, tally, work);
            self.cut_in_stop = self.cut_in_stop.saturating_add(self.last_cut);
            self.stuck += 1;
            self.stuck_now.push(connection);
            self.all_stuck.push(connection);
        }
        for worker in &mut self.workers {
            if *worker == Worker::Running {
                *worker = Worker::Ended(WorkerOutcome::Stuck);
                self.stuck += 1;
                self.workers_cut += 1;
            }
        }
        self.start_alive = false;
        if self.listeners == Listeners::Closing {
            self.listeners = Listeners::Closed;
        }
    }
}

/// The counts of a connection that has ended: nothing is in flight any more.
fn settled(mut tally: Tally, by_force: bool) -> Tally {
    let ended = [tally.answered, tally.cut, tally.aborted]
        .into_iter()
        .fold(0, u64::saturating_add);
    if tally.begun > ended {
        let left = tally.begun - ended;
        if by_force {
            tally.cut += left;
        } else {
            tally.aborted += left;
        }
    } else {
        tally.begun = ended;
    }
    tally
}

fn sum(a: Tally, b: Tally) -> Tally {
    let mut sum = Tally::default();
    sum.begun = a.begun.saturating_add(b.begun);
    sum.answered = a.answered.saturating_add(b.answered);
    sum.cut = a.cut.saturating_add(b.cut);
    sum.aborted = a.aborted.saturating_add(b.aborted);
    sum.failed = a.failed.saturating_add(b.failed);
    sum.late_unprocessed = a.late_unprocessed.saturating_add(b.late_unprocessed);
    sum.refused_retryable = a.refused_retryable.saturating_add(b.refused_retryable);
    sum
}
