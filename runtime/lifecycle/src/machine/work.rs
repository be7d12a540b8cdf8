//! Work: listeners, connections and workers, and the force close that ends them (floor 0).
//!
//! **Invariant:** no hook starts while work lives, except work that was given up as stuck.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Listeners, Machine, Resort, Timer, WorkerState};
use crate::connections::{ConnectionEnd, ConnectionId, Protocol, Tally, Work};
use crate::effect::{Directive, Effect};
use crate::event::{Event, WorkerOutcome};
use crate::failure::Failure;
use crate::input::{WorkerEnd, WorkerId};
use crate::peer::PeerAddr;
use crate::plan::OnListenerError;
use crate::{Cause, Phase, Step};

impl Machine {
    pub(super) fn on_listeners_closed(&mut self) {
        if self.listeners != Listeners::Closing {
            return;
        }
        self.listeners = Listeners::Closed;
        self.tell(Event::ListenersClosed);
        self.check_drained();
        self.check_forced();
    }

    pub(super) fn on_listener_failed(&mut self, listener: Arc<str>, error: Arc<str>, left: usize) {
        // It may break before the start gets to say that all of them are open.
        let opening = self.listeners == Listeners::None && self.start.live;
        if self.listeners != Listeners::Open && !opening {
            return; // It was about to be closed anyway.
        }
        let goes_on = left > 0 && self.budget.on_listener_error() == OnListenerError::Continue;
        match self.phase {
            Phase::Running | Phase::Starting => {
                self.outcome.listener_failed |= !goes_on;
                let cause = Cause::ListenerFailed(listener.clone());
                self.fail(Failure::Listener { listener, error });
                if !goes_on {
                    self.on_stop(cause);
                }
            }
            Phase::LameDuck => {
                // Nothing is left to wait for at this door; the others go on to the end.
                self.outcome.listener_failed |= !goes_on;
                self.fail(Failure::Listener { listener, error });
            }
            Phase::Created
            | Phase::Draining
            | Phase::ForceClosing
            | Phase::RunningHooks
            | Phase::Disposing
            | Phase::Stopped => {}
        }
    }

    pub(super) fn on_turned_away(&mut self, count: u64) {
        if self.accepts() {
            self.ledger.turn_away(count);
        }
    }

    /// Whether a connection can come in. Later than the force close nothing accepts: what was
    /// accepted while the listeners were being closed by force is cut as well, and counted.
    const fn accepts(&self) -> bool {
        matches!(
            self.phase,
            Phase::Starting
                | Phase::Running
                | Phase::LameDuck
                | Phase::Draining
                | Phase::ForceClosing
        )
    }

    pub(super) fn on_opened(&mut self, connection: ConnectionId, peer: PeerAddr) {
        if !self.accepts() {
            return;
        }
        if self.ledger.open(connection, peer.clone()) && self.observed {
            self.tell(Event::ConnectionOpened { connection, peer });
        }
    }

    pub(super) fn on_forced(
        &mut self,
        connection: ConnectionId,
        protocol: Protocol,
        tally: Tally,
        work: Vec<Work>,
    ) {
        if self.phase == Phase::ForceClosing {
            self.ledger.force(connection, protocol, tally, work);
        }
    }

    pub(super) fn on_closed(
        &mut self,
        connection: ConnectionId,
        protocol: Protocol,
        end: ConnectionEnd,
        tally: Tally,
        cut: Vec<Work>,
    ) {
        let Some(tally) = self.ledger.close(self.now, connection, end, tally, cut) else {
            return;
        };
        if self.stop.is_some() {
            // What a connection cut before at a limit of its own says nothing about the stop.
            self.outcome.cut = self.outcome.cut.saturating_add(tally.cut);
        }
        self.tell_closed(connection, protocol, end, tally);
        self.check_drained();
        self.check_forced();
    }

    fn tell_closed(
        &mut self,
        connection: ConnectionId,
        protocol: Protocol,
        end: ConnectionEnd,
        tally: Tally,
    ) {
        if self.observed || tally.cut > 0 {
            self.tell(Event::ConnectionClosed {
                connection,
                protocol,
                end,
                tally,
            });
        }
    }

    pub(super) fn on_worker_ended(&mut self, id: WorkerId, end: WorkerEnd) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        if worker.state != WorkerState::Running {
            return;
        }
        let name = worker.name.clone();
        let how = match end {
            WorkerEnd::Ok => WorkerOutcome::Ok,
            WorkerEnd::Failed(message) => WorkerOutcome::Failed(message),
            WorkerEnd::Panicked(message) => WorkerOutcome::Panicked(message),
            WorkerEnd::Aborted => {
                self.outcome.cut = self.outcome.cut.saturating_add(1);
                WorkerOutcome::Cut
            }
        };
        if matches!(how, WorkerOutcome::Failed(_) | WorkerOutcome::Panicked(_)) {
            self.fail(Failure::Worker {
                worker: name,
                outcome: how.clone(),
            });
        }
        self.end_worker(id, how);
        self.check_drained();
        self.check_forced();
    }

    fn end_worker(&mut self, id: WorkerId, how: WorkerOutcome) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.state = WorkerState::Ended(how.clone());
            let worker = worker.name.clone();
            self.tell(Event::WorkerEnded { worker, how });
        }
    }

    /// The drain is over: what is left is cut.
    pub(super) fn leave_draining(&mut self) {
        self.timers.disarm(Timer::Cancel);
        self.timers.disarm(Timer::Drain);
        self.timers.disarm(Timer::StartGrace);
        let work = self.has_work();
        if work {
            self.cancel();
        }
        // A wait without end has ended by itself: what follows has its ordinary time.
        let rest = self.now + self.budget.hooks_timeout() + self.budget.margin();
        if let Some(stop) = &mut self.stop {
            stop.ends_by.get_or_insert(rest);
        }
        self.step(Step::DrainOver);
        if !work {
            self.leave_force_closing();
            return;
        }
        self.effects.push_back(Effect::Direct(Directive::Force));
        if matches!(self.listeners, Listeners::Open | Listeners::Closing) {
            self.listeners = Listeners::Closing;
            self.effects.push_back(Effect::DropListeners);
        }
        if self.start.live {
            self.effects.push_back(Effect::DropStart);
        }
        if self.running_workers() > 0 {
            self.effects.push_back(Effect::AbortWorkers);
        }
        self.timers
            .arm(Timer::Force, self.now + self.budget.force_share());
    }

    /// Leaves ForceClosing once nothing of what was cut is left.
    pub(super) fn check_forced(&mut self) {
        if self.phase == Phase::ForceClosing && !self.has_work() {
            self.leave_force_closing();
        }
    }

    /// What was cut and did not end is aborted; what does not even end by that is stuck: it is named,
    /// and left alone.
    pub(super) fn force_timed_out(&mut self) {
        if self.resort == Resort::None && !self.ledger.is_empty() {
            self.resort = Resort::Aborts;
            self.effects.push_back(Effect::AbortConnections);
            // What is aborted gets to say so before it is given up: this fires on the next call.
            self.timers.arm(Timer::Force, self.now);
            return;
        }
        for (connection, protocol, tally) in self.ledger.close_stuck(self.now) {
            self.outcome.cut = self.outcome.cut.saturating_add(tally.cut);
            self.outcome.stuck = self.outcome.stuck.saturating_add(1);
            self.tell(Event::ConnectionClosed {
                connection,
                protocol,
                end: ConnectionEnd::Stuck,
                tally,
            });
        }
        let stuck: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.state == WorkerState::Running)
            .map(|(id, _)| *id)
            .collect();
        for worker in stuck {
            self.outcome.cut = self.outcome.cut.saturating_add(1);
            self.outcome.stuck = self.outcome.stuck.saturating_add(1);
            self.end_worker(worker, WorkerOutcome::Stuck);
        }
        self.start.live = false;
        if self.listeners == Listeners::Closing {
            self.listeners = Listeners::Closed;
        }
        self.leave_force_closing();
    }

    fn leave_force_closing(&mut self) {
        self.timers.disarm(Timer::Force);
        self.step(Step::ForceOver);
        self.begin_hooks();
    }
}
