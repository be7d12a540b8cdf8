//! Traces that are broken in their times, or by what comes when it must not.
//!
//! **Invariant:** each is the ordinary life with one thing done to it, and the law is named that it breaks.

use std::time::Duration;

use lamplighter::{HookOutcome, Phase, ServerEventKind};
use lamplighter_sim::Run;
use lamplighter_sim::trace::{ClientSaw, HandlerSaw, WhatHappened, Who, WorldDid};

use super::{fault, place};

/// Makes everything from this place on come later.
fn delay(run: &mut Run, from: usize, by: Duration) {
    let late = run.trace.iter_mut().skip(from);
    late.for_each(|entry| entry.at += by);
}

fn is_phase(phase: Phase) -> impl Fn(&ServerEventKind) -> bool {
    move |event| *event == ServerEventKind::Phase(phase)
}

/// Settles the first hook in another way.
fn settle_as(run: &mut Run, instead: HookOutcome) {
    let settled = place(run, |event| {
        matches!(event, ServerEventKind::HookSettled { .. })
    });
    if let Some(entry) = run.trace.get_mut(settled)
        && let WhatHappened::Server(event) = &mut entry.what
        && let ServerEventKind::HookSettled { outcome, .. } = &mut event.kind
    {
        *outcome = instead;
    }
}

#[test]
fn a_phase_that_took_longer_than_its_report_says_is_found() {
    let law = fault(|run| {
        let returned = run
            .trace
            .iter()
            .rposition(|entry| entry.what == WhatHappened::World(WorldDid::Returned));
        delay(run, returned.unwrap(), Duration::from_millis(1));
    });
    assert_eq!(law.unwrap(), "phases move forward");
}

#[test]
fn a_phase_that_lives_on_what_another_has_left_is_found() {
    let law = fault(|run| {
        let disposing = place(run, is_phase(Phase::Disposing));
        delay(run, disposing, Duration::from_millis(30));
    });
    assert_eq!(law.unwrap(), "each phase within its share");
}

#[test]
fn a_start_that_outlasts_its_timeout_is_found() {
    let law = fault(|run| {
        let ready = place(run, is_phase(Phase::Running));
        delay(run, ready, Duration::from_secs(31));
    });
    assert_eq!(law.unwrap(), "every life ends");
}

#[test]
fn a_client_that_nobody_takes_in_is_found() {
    let law = fault(|run| {
        let opened = place(run, |event| {
            matches!(event, ServerEventKind::ConnectionOpened { .. })
        });
        run.trace.remove(opened);
    });
    assert_eq!(law.unwrap(), "who connects is accepted");
}

#[test]
fn a_hook_that_is_given_up_without_a_third_signal_is_found() {
    let law = fault(|run| settle_as(run, HookOutcome::Abandoned));
    assert_eq!(law.unwrap(), "no hook given up before its time");
}

#[test]
fn a_hook_that_is_skipped_in_an_open_window_is_found() {
    let law = fault(|run| settle_as(run, HookOutcome::NotStarted));
    assert_eq!(law.unwrap(), "no hook given up before its time");
}

#[test]
fn a_hook_that_is_timed_out_before_its_fair_part_is_over_is_found() {
    let law = fault(|run| settle_as(run, HookOutcome::TimedOut));
    assert_eq!(law.unwrap(), "no hook given up before its time");
}

#[test]
fn a_handler_that_hears_of_draining_in_the_lame_duck_is_found() {
    let law = fault(|run| {
        let heard = run
            .trace
            .iter()
            .position(|entry| entry.what == HandlerSaw::Begun.into());
        let mut heard = run.trace[heard.unwrap()].clone();
        let lame_duck = place(run, is_phase(Phase::LameDuck));
        heard.at = run.trace[lame_duck].at;
        heard.what = HandlerSaw::HeardDraining.into();
        run.trace.insert(lame_duck + 1, heard);
    });
    assert_eq!(law.unwrap(), "draining, then cancelled");
}

#[test]
fn a_handler_that_is_called_when_hooks_run_is_found() {
    let law = fault(|run| {
        let begun = run
            .trace
            .iter()
            .position(|entry| entry.what == HandlerSaw::Begun.into());
        let mut begun = run.trace[begun.unwrap()].clone();
        let hook = place(run, |event| {
            matches!(event, ServerEventKind::HookStarted(_))
        });
        begun.at = run.trace[hook].at;
        run.trace.insert(hook + 1, begun);
    });
    assert_eq!(law.unwrap(), "no hook while work lives");
}

#[test]
fn a_client_that_is_let_in_when_the_life_is_over_is_found() {
    let law = fault(|run| {
        let mut late = run.trace[run.trace.len() - 1].clone();
        late.who = Who::Client(0);
        for saw in [ClientSaw::Dialled, ClientSaw::Connected] {
            late.what = saw.into();
            run.trace.push(late.clone());
        }
    });
    assert_eq!(law.unwrap(), "nothing left");
}
