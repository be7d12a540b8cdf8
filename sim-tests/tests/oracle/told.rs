//! What was told while it happened: a report that says otherwise is found, and so is a stop that waits
//! for clients that are gone.
//!
//! **Invariant:** each is the ordinary life with one thing done to it, and the law is named that it breaks.

use std::time::Duration;

use lamplighter::{
    Cause, Failure, HookOutcome, Phase, ServerEventKind, Signal, SignalTaken, WorkerOutcome,
};
use lamplighter_sim::Run;
use lamplighter_sim::trace::{Entry, WhatHappened};

use super::{fault, place};

const REPORT: &str = "a report of all";

/// Tells of one thing more, just before what stands at this place.
fn tell(run: &mut Run, place: usize, kind: ServerEventKind) {
    if let Some(mut entry) = run.trace.get(place).cloned() {
        event(&mut entry, kind);
        run.trace.insert(place, entry);
    }
}

fn event(entry: &mut Entry, kind: ServerEventKind) {
    if let WhatHappened::Server(event) = &mut entry.what {
        event.kind = kind;
    }
}

#[test]
fn a_report_of_another_cause_than_was_told_is_found() {
    let law = fault(|run| {
        let stopping = place(run, |event| matches!(event, ServerEventKind::Stopping(_)));
        event(
            &mut run.trace[stopping],
            ServerEventKind::Stopping(Cause::Signal(Signal::Sigint)),
        );
    });
    assert_eq!(law.unwrap(), REPORT);
}

#[test]
fn a_report_that_has_not_a_failure_that_was_told_is_found() {
    let law = fault(|run| {
        let stop = place(run, |event| *event == ServerEventKind::Stop);
        let failure = Failure::Worker {
            worker: "reaper".into(),
            outcome: WorkerOutcome::Failed("out of scythes".into()),
        };
        tell(run, stop, ServerEventKind::Error([failure].into()));
    });
    assert_eq!(law.unwrap(), REPORT);
}

#[test]
fn a_report_that_settles_a_hook_in_another_way_is_found() {
    let law = fault(|run| {
        let settled = place(run, |event| {
            matches!(event, ServerEventKind::HookSettled { .. })
        });
        if let WhatHappened::Server(event) = &mut run.trace[settled].what
            && let ServerEventKind::HookSettled { outcome, .. } = &mut event.kind
        {
            *outcome = HookOutcome::Failed("disk full".into());
        }
    });
    assert_eq!(law.unwrap(), REPORT);
}

#[test]
fn a_report_that_does_not_know_a_worker_is_found() {
    let law = fault(|run| {
        let stop = place(run, |event| *event == ServerEventKind::Stop);
        let how = WorkerOutcome::Ok;
        let worker = "reaper".into();
        tell(run, stop, ServerEventKind::WorkerEnded { worker, how });
    });
    assert_eq!(law.unwrap(), REPORT);
}

#[test]
fn a_report_that_is_silent_on_a_third_signal_is_found() {
    let law = fault(|run| {
        let stop = place(run, |event| *event == ServerEventKind::Stop);
        let third = ServerEventKind::Signal {
            signal: Signal::Sigterm,
            taken: SignalTaken::Third,
        };
        tell(run, stop, third);
    });
    assert_eq!(law.unwrap(), REPORT);
}

#[test]
fn a_stop_that_waits_for_clients_that_are_gone_is_found() {
    let law = fault(|run| {
        let disposing = ServerEventKind::Phase(Phase::Disposing);
        let disposing = place(run, |event| *event == disposing);
        for entry in &mut run.trace[disposing..] {
            entry.at += Duration::from_millis(1);
        }
    });
    assert_eq!(law.unwrap(), "no idle waiting");
}
