//! Hooks, workers, checks and callbacks that do what the scenario says.
//!
//! **Invariant:** each writes down when it begins and how it ends, dropped included.

use std::future::pending;

use lamplighter::{
    Check as ServerCheck, Hook as ServerHook, HookContext, Server, ServerHandle, ShutdownSignal,
};
use tokio::time::Instant;

use super::{Stage, panics, pass};
use crate::scenario::{
    Callback, CallbackDoes, Check, Hook, HookDoes, Moment, Red, Worker, WorkerDoes, millis,
};
use crate::trace::{HookSaw, Trace, WhatHappened, Who, WorkerSaw, WorldDid};

/// Registers everything that the scenario has.
pub(super) fn register(stage: &Stage, server: &Server) {
    let scenario = &stage.scenario;
    for (place, hook) in scenario.hooks.iter().enumerate() {
        let registered = server.hook(hook.to_server(place, &stage.trace));
        debug_assert!(registered.is_ok(), "a hook comes after earlier ones only");
    }
    for (place, worker) in scenario.workers.iter().enumerate() {
        let (worker, trace) = (*worker, stage.trace.clone());
        let handle = server.handle();
        let work = move |signal| work(worker, number(place), handle, signal, trace);
        let registered = server.worker(format!("w{place}"), work);
        debug_assert!(
            registered.is_ok(),
            "a server that is not started refuses none"
        );
    }
    if !scenario.start.checks.is_empty() {
        // The clock of a check is the call's, which comes next.
        let called = Instant::now();
        for (place, check) in scenario.start.checks.iter().enumerate() {
            let check = *check;
            let name = format!("c{place}");
            let ask = move || answer(check, called);
            server.health().check(ServerCheck::new(name, ask));
        }
    }
    for callback in &scenario.callbacks {
        let (trace, handle) = (stage.trace.clone(), server.handle());
        let does = callback.does;
        match callback {
            Callback {
                on: Moment::Start, ..
            } => {
                server.on_start(move || call(does, &handle, &trace));
            }
            Callback {
                on: Moment::Ready, ..
            } => {
                server.on_ready(move |_| call(does, &handle, &trace));
            }
            Callback {
                on: Moment::Stopping,
                ..
            } => {
                server.on_stopping(move |_| call(does, &handle, &trace));
            }
            Callback {
                on: Moment::Error, ..
            } => {
                server.on_error(move |_| call(does, &handle, &trace));
            }
            Callback {
                on: Moment::Stop, ..
            } => {
                server.on_stop(move |_| call(does, &handle, &trace));
            }
        }
    }
}

/// Registers a hook in the middle of a life, and writes down whether it was taken.
pub(crate) fn register_late(handle: &ServerHandle, trace: &Trace) {
    let taken = handle.hook(ServerHook::named("late", || async {})).is_ok();
    trace.record(Who::World, WorldDid::Registered(taken));
}

fn number(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// Writes down how something ended: by itself, or dropped.
struct Watched {
    trace: Trace,
    who: Who,
    ended: WhatHappened,
    dropped: WhatHappened,
    has_ended: bool,
}

impl Watched {
    fn ended(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let what = if self.has_ended {
            &self.ended
        } else {
            &self.dropped
        };
        self.trace.record(self.who, what.clone());
    }
}

impl Hook {
    fn to_server(self, place: usize, trace: &Trace) -> ServerHook {
        let name = Self::name(place);
        let who = Who::Hook(number(place));
        let trace = trace.clone();
        let mut hook = if self.does == HookDoes::Block {
            // Its code runs when its time has passed.
            let block = move |_: HookContext| trace.record(who, HookSaw::Ended);
            ServerHook::blocking(name, block).in_virtual_time(millis(self.takes_ms))
        } else {
            let run = move |context| self.run(who, context, trace);
            ServerHook::named(name, run)
        };
        hook = hook.after(self.comes_after(place).map(Self::name));
        match self.timeout_ms {
            Some(timeout) => hook.timeout(millis(timeout)),
            None => hook,
        }
    }

    async fn run(self, who: Who, context: HookContext, trace: Trace) -> Result<(), &'static str> {
        trace.record(who, HookSaw::Begun);
        let watched = Watched {
            trace: trace.clone(),
            who,
            ended: HookSaw::Ended.into(),
            dropped: HookSaw::Dropped.into(),
            has_ended: false,
        };
        pass(millis(self.takes_ms)).await;
        let handle = context.handle();
        match self.does {
            HookDoes::Ok | HookDoes::Block => {}
            HookDoes::Fail => {
                watched.ended();
                return Err("as the scenario says");
            }
            HookDoes::Panic => {
                watched.ended();
                panics();
            }
            HookDoes::Hang => pending().await,
            HookDoes::Stop => drop(handle.stop().await),
            HookDoes::Force => drop(handle.force()),
            HookDoes::Register => register_late(handle, &trace),
        }
        watched.ended();
        Ok(())
    }
}

async fn work(
    worker: Worker,
    place: u16,
    handle: ServerHandle,
    signal: ShutdownSignal,
    trace: Trace,
) -> Result<(), &'static str> {
    let who = Who::Worker(place);
    trace.record(who, WorkerSaw::Begun);
    let watched = Watched {
        trace: trace.clone(),
        who,
        ended: WorkerSaw::Ended.into(),
        dropped: WorkerSaw::Dropped.into(),
        has_ended: false,
    };
    let takes = pass(millis(worker.takes_ms));
    match worker.does {
        WorkerDoes::HearDraining => {
            signal.draining().await;
            trace.record(who, WorkerSaw::HeardDraining);
            takes.await;
        }
        WorkerDoes::HearCancelled => {
            signal.cancelled().await;
            trace.record(who, WorkerSaw::HeardCancelled);
            takes.await;
        }
        WorkerDoes::Ok => takes.await,
        WorkerDoes::Fail => {
            takes.await;
            watched.ended();
            return Err("as the scenario says");
        }
        WorkerDoes::Panic => {
            takes.await;
            watched.ended();
            panics();
        }
        WorkerDoes::Hang => pending().await,
        WorkerDoes::Stop => {
            takes.await;
            drop(handle.stop().await);
        }
        WorkerDoes::Force => {
            takes.await;
            drop(handle.force());
        }
    }
    watched.ended();
    Ok(())
}

async fn answer(check: Check, called: Instant) -> Result<(), &'static str> {
    let green = called + millis(check.red_ms);
    let is_red = || check.red_ms == u32::MAX || Instant::now() < green;
    if is_red() {
        match check.red {
            Red::Fail => return Err("as the scenario says"),
            Red::Panic => panics(),
            Red::Hang => pending().await,
        }
    }
    Ok(())
}

fn call(does: CallbackDoes, handle: &ServerHandle, trace: &Trace) {
    match does {
        CallbackDoes::Ok => {}
        CallbackDoes::Panic => panics(),
        CallbackDoes::Stop => drop(handle.stop()),
        CallbackDoes::Force => drop(handle.force()),
        CallbackDoes::Drain => drop(handle.drain()),
        CallbackDoes::RegisterHook => register_late(handle, trace),
    }
}
