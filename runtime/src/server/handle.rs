//! The handle that everybody may hold, before, during and after the run (floor 3).
//!
//! **Invariant:** it keeps nothing alive and stops nothing when dropped. **Invariant:** a stop
//! begins when it is called, not when its future is polled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lamplighter_lifecycle::{Cause, HookError, Input, Phase, ServerState, Signal};

use super::error::ServerError;
use super::events::Events;
use super::hook::{HookResult, IntoHook};
use super::life::Life;
use super::report::Report;
use super::running::Ready;
use super::worker::worker_run;
use crate::os::tasks::Rolls;
use crate::transport::{Health, ShutdownSignal, Sink, current_server};

/// A server seen from anywhere: from before its start until after its end.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    pub(crate) life: Arc<Life>,
}

impl ServerHandle {
    pub(crate) const fn new(life: Arc<Life>) -> Self {
        Self { life }
    }

    /// Where the server is in its life.
    #[must_use]
    pub fn state(&self) -> ServerState {
        self.life.state()
    }

    /// Where the server is in its life, with the parts of a stop told apart.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.life.phase()
    }

    /// How many requests are in flight: begun, last byte of the answer not yet handed to the
    /// kernel. Workers are not among them.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.life.in_flight()
    }

    /// Begins a graceful stop, now, from any state.
    ///
    /// Before the start, the stop is carried out by the `start()`, `run()` or `Server::stop()`
    /// that follows. While a stop is under way it changes nothing, but that it ends the wait of a
    /// [`drain`](Self::drain). It never shortens a deadline.
    pub fn stop(&self) -> Stopping {
        self.begin(Input::Stop(Cause::Requested(None)))
    }

    /// Begins a graceful stop, now, and says why in the report.
    pub fn stop_because(&self, why: impl Into<String>) -> Stopping {
        self.begin(Input::Stop(Cause::Requested(Some(why.into().into()))))
    }

    /// Does what a second signal does: `cancelled()` now, what is left of the work is cut after the
    /// plan's `cancel_lead`, and the hooks run with their full time.
    pub fn force(&self) -> Stopping {
        self.begin(Input::Force)
    }

    fn begin(&self, input: Input) -> Stopping {
        self.life.input(input);
        Stopping::new(&self.life)
    }

    /// Begins to drain, now: no new connections, work in flight finishes, without a deadline.
    /// Resolves when no work is left; from within the server's own requests and workers, which
    /// cannot wait for their own end, as soon as the drain has begun. The hooks wait for a stop or a
    /// signal.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; the drain goes on.
    pub fn drain(&self) -> impl Future<Output = ()> + Send + 'static {
        self.life.input(Input::Drain);
        let life = Arc::clone(&self.life);
        async move {
            if current_server().as_ref() == Some(&life.key) {
                return life.stop_begun().await;
            }
            drop(life.progress().wait_for(|progress| progress.drained).await);
        }
    }

    /// Gives this server alone a signal, as if the process had got it.
    ///
    /// It counts as a stop signal, whichever signals the server listens to. One that comes within 300 ms of
    /// the one before is taken for the same, since wrappers of a process send them twice.
    pub fn signal(&self, signal: Signal) {
        self.life.input(Input::Signal(signal));
    }

    /// Resolves once the server is in this phase, or past it, and has told whoever is to know:
    /// callbacks, listeners, connections, workers. A request that is sent from then on is answered as
    /// the phase says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn reached(&self, phase: Phase) {
        drop(self.life.acted().wait_for(|acted| *acted >= phase).await);
    }

    /// Resolves with the complete report when the server has stopped; stops nothing. From within
    /// the server's own hooks, callbacks, workers and requests it resolves once a stop has begun,
    /// with the report so far: they cannot wait for their own end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn wait(&self) -> Report {
        Stopping::new(&self.life).await
    }

    /// All the facts so far; the complete report once the server has stopped.
    pub fn report(&self) -> Report {
        self.life.report()
    }

    /// What the server could not end and has left behind, as far as it lives now: by name, such as
    /// `hook flush`, whose thread still blocks, or `connection#7`, whose handler never awaits. Empty until
    /// the server has stopped, and for one that has stopped well.
    ///
    /// The report says what was left in the moment of the end; a thread may come to its own later on,
    /// and then it is not here any more. Tasks that a handler has spawned by itself are not known.
    #[must_use]
    pub fn left_behind(&self) -> Vec<String> {
        if !self.life.is_finished() {
            return Vec::new();
        }
        let rolls = self.life.rolls.get().map(Rolls::everybody);
        let names = rolls.unwrap_or_default().into_iter();
        names.map(|name| name.to_string()).collect()
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.life.subscribe()
    }

    /// What handlers, streams and workers of this server listen to.
    #[must_use]
    pub fn shutdown_signal(&self) -> ShutdownSignal {
        self.life.signal.clone()
    }

    /// The health of this server.
    #[must_use]
    pub fn health(&self) -> Health {
        self.life.health.clone()
    }

    /// Registers a cleanup step.
    ///
    /// Until Ready, `after` may name hooks that are registered later. One that is added while the
    /// server is stopping runs, if the hooks have not begun yet.
    ///
    /// # Errors
    ///
    /// A cycle, with its path; a name or timeout that cannot be; a server whose hooks run already.
    /// Nothing is changed then.
    #[doc(alias = "on_shutdown")]
    pub fn hook<M>(&self, hook: impl IntoHook<M>) -> Result<(), HookError> {
        self.life.register_hook(hook.into_hook())
    }

    /// Registers a background task: it starts at Ready, is in flight until it returns, and is
    /// aborted by the force close.
    ///
    /// It is given the signal to listen to: one that does not end at `draining()` holds the drain. One
    /// that returns an error or panics is not started again: the failure is told at once
    /// ([`on_error`](Self::on_error), the log) and stands in [`Report::failures`], and neither makes a
    /// stop unclean nor changes its exit code.
    /// Tasks spawned by any other means are invisible to the server, and to its stop.
    ///
    /// # Errors
    ///
    /// A server that is draining, or past that.
    pub fn worker<F, Fut, R>(&self, name: impl Into<String>, worker: F) -> Result<(), HookError>
    where
        F: FnOnce(ShutdownSignal) -> Fut + Send + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: HookResult,
    {
        let name: String = name.into();
        self.life.register_worker(name.into(), worker_run(worker))
    }

    /// Is told when the start begins. Callbacks run in order of registration, before the step that
    /// they announce proceeds, and have to return: one that blocks delays everything.
    pub fn on_start(&self, callback: impl FnMut() + Send + 'static) {
        self.life.callbacks.start.push(Box::new(callback));
    }

    /// Is told when the server is bound, accepting and ready.
    pub fn on_ready(&self, callback: impl FnMut(&Ready) + Send + 'static) {
        self.life.callbacks.ready.push(Box::new(callback));
    }

    /// Is told when a stop has begun; readiness is off already.
    pub fn on_stopping(&self, callback: impl FnMut(&Cause) + Send + 'static) {
        self.life.callbacks.stopping.push(Box::new(callback));
    }

    /// Is told when the server has stopped, with the complete report; last of all.
    pub fn on_stop(&self, callback: impl FnMut(&Report) + Send + 'static) {
        self.life.callbacks.stop.push(Box::new(callback));
    }

    /// Is told what failed: at once before a stop, all at once at its end.
    pub fn on_error(&self, callback: impl FnMut(&ServerError) + Send + 'static) {
        self.life.callbacks.error.push(Box::new(callback));
    }
}

/// A stop that has begun. Resolves with its report; dropping it changes nothing.
///
/// Awaited from within the server's own hooks, callbacks, workers or requests, where it would wait
/// for itself, it resolves as soon as the stop has begun and connections and workers know of it,
/// with the report so far: [`Report::is_complete`] is `false` then.
#[must_use = "the stop goes on without it; `drop` it, or await it to know how the stop ended"]
pub struct Stopping {
    future: Pin<Box<dyn Future<Output = Report> + Send>>,
}

impl Stopping {
    pub(crate) fn new(life: &Arc<Life>) -> Self {
        let life = Arc::clone(life);
        Self {
            future: Box::pin(async move {
                if current_server().as_ref() == Some(&life.key) {
                    life.stop_begun().await;
                    return life.report();
                }
                let report = life.finished().wait_for(Option::is_some).await.clone();
                report.unwrap_or_else(|| life.report())
            }),
        }
    }
}

impl Future for Stopping {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        self.future.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Stopping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stopping").finish_non_exhaustive()
    }
}
