//! Which signals stop a server, and how they reach its core (floor 3).
//!
//! **Invariant:** what a signal does is the core's to say: here it is only passed on.

use std::sync::Arc;

use lamplighter_lifecycle::{Input, Signal};
use tokio::task::AbortHandle;

use super::error::StartReason;
use super::life::Life;
use crate::os::log;
use crate::os::process;
use crate::os::signal::{self, BoxSignalSource, Subscription};
use crate::os::tasks::Tasks;
use crate::transport::Sink;

/// Which signals stop a server that was told nothing else.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// `start()`: none.
    Started,
    /// `run()`: those that mean "stop" to a process.
    Run,
}

/// What keeps signals coming, until it is dropped.
#[derive(Default)]
pub(crate) enum Signals {
    /// Nothing.
    #[default]
    None,
    /// The process.
    Process {
        #[expect(dead_code, reason = "held for its drop, which ends the subscription")]
        subscription: Subscription,
    },
    /// A task that reads the user's own source.
    Source {
        /// What ends it.
        task: AbortHandle,
    },
}

impl Drop for Signals {
    fn drop(&mut self) {
        if let Self::Source { task } = self {
            task.abort();
        }
    }
}

/// The signals that stop a server, and those that it is only to survive.
fn wanted(stop_on: Option<Vec<Signal>>, mode: Mode) -> (Vec<Signal>, Vec<Signal>) {
    match (stop_on, mode) {
        (Some(signals), Mode::Started) => (signals, Vec::new()),
        (None, Mode::Started) => (Vec::new(), Vec::new()),
        (signals, Mode::Run) => {
            let mut stop = signals.unwrap_or_else(|| vec![Signal::Sigterm, Signal::Sigint]);
            // Operators send it by habit, and its default would end the process, hooks unrun.
            if !stop.contains(&Signal::Sighup) {
                stop.push(Signal::Sighup);
            }
            let survive = [Signal::Sigusr2]
                .into_iter()
                .filter(|signal| !stop.contains(signal))
                .collect();
            (stop, survive)
        }
    }
}

/// Takes a signal in: a stop signal is the core's, any other is only logged.
fn take_signal(life: &Life, stop: &[Signal], signal: Signal) {
    if stop.contains(&signal) {
        life.input(Input::Signal(signal));
    } else {
        log::warn!(
            target: "lamplighter::server",
            %signal,
            "ignored: nothing listens to this signal"
        );
    }
}

/// Listens to the signals of the process.
pub(crate) fn arm_process(
    life: &Arc<Life>,
    stop_on: Option<Vec<Signal>>,
    mode: Mode,
) -> (Signals, Result<(), StartReason>) {
    let (stop, survive) = wanted(stop_on, mode);
    if stop.is_empty() && survive.is_empty() {
        if process::is_pid_one() {
            log::warn!(
                target: "lamplighter::server",
                "this process is PID 1 and listens to no signal: SIGTERM will be ignored"
            );
        }
        return (Signals::default(), Ok(()));
    }
    let all: Vec<Signal> = stop.iter().chain(&survive).copied().collect();
    // Weak: the list of subscribers of the process keeps no server alive.
    let weak = Arc::downgrade(life);
    let subscribed = signal::subscribe(&all, move |arrival| {
        if let Some(life) = weak.upgrade() {
            take_signal(&life, &stop, arrival.signal);
        }
    });
    match subscribed {
        Ok(subscription) => {
            for signal in subscription.ignored() {
                log::info!(
                    target: "lamplighter::server",
                    "{signal} was ignored when this process was started, and is left so: it stops nothing"
                );
            }
            (Signals::Process { subscription }, Ok(()))
        }
        Err(error) => {
            let error = StartReason::Signals(Arc::new(error));
            (Signals::default(), Err(error))
        }
    }
}

/// Listens to a source of signals that the user brought.
pub(crate) fn arm_source(
    life: &Arc<Life>,
    own: &Tasks,
    mut source: BoxSignalSource,
    stop_on: Option<Vec<Signal>>,
    mode: Mode,
) -> (Signals, Result<(), StartReason>) {
    let (stop, survive) = wanted(stop_on, mode);
    let all: Vec<Signal> = stop.iter().chain(&survive).copied().collect();
    if let Err(error) = source.arm(&all) {
        let error = StartReason::Signals(Arc::new(error));
        return (Signals::default(), Err(error));
    }
    let life = Arc::clone(life);
    let task = own.spawn("signals", async move {
        while let Some(signal) = source.next().await {
            take_signal(&life, &stop, signal);
        }
    });
    let task = task.abort_handle();
    (Signals::Source { task }, Ok(()))
}
