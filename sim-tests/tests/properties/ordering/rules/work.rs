//! The rules of work and of hooks: both end, and the one before the other.
//!
//! **Invariant:** what a hook, a worker or a handler says of itself counts, and is held against what the
//! server says of it.

use lamplighter::{ConnectionEnd, HookOutcome, Phase, ServerEventKind as Said, WorkerOutcome};
use lamplighter_sim::trace::{HandlerSaw, HookSaw, WorkerSaw};
use lamplighter_sim::{ClientDoes, Hook, HookDoes};

use super::Life;

pub(crate) fn hooks(life: &Life<'_>) -> Result<(), String> {
    let begins = life.phase(Phase::RunningHooks);
    let ends = life.phase(Phase::Disposing);
    let place_of = |name: &str| {
        name.strip_prefix('h')
            .and_then(|it| it.parse::<usize>().ok())
    };
    let mut settled = Vec::new();
    let mut started = Vec::new();
    for (place, event) in life.server() {
        match event {
            Said::HookStarted(name) => {
                if begins.is_none_or(|begins| place < begins) || ends.is_some_and(|it| place > it) {
                    return Err(format!("{name} starts outside of its phase"));
                }
                if let Some(number) = place_of(name.as_str()) {
                    let mut after = life.scenario.hooks[number].comes_after(number);
                    if let Some(early) = after.find(|it| !settled.contains(&Hook::name(*it))) {
                        return Err(format!("{name} starts before h{early} is settled"));
                    }
                    if started.contains(&number) {
                        return Err(format!("{name} starts twice"));
                    }
                    started.push(number);
                }
            }
            Said::HookSettled { hook, outcome } => {
                let never = matches!(outcome, HookOutcome::NotStarted | HookOutcome::Abandoned);
                let known = place_of(hook.as_str()).is_none_or(|number| started.contains(&number));
                if !known && !never {
                    return Err(format!("{hook} is {outcome} and was never started"));
                }
                if ends.is_some_and(|ends| place > ends) {
                    return Err(format!("{hook} is settled when all is disposed of"));
                }
                if hook.as_str() != "late" && settled.iter().any(|it| it == hook.as_str()) {
                    return Err(format!("{hook} is settled twice"));
                }
                settled.push(hook.as_str().to_owned());
            }
            _ => {}
        }
    }
    let unsettled = (0..life.scenario.hooks.len()).find(|it| !settled.contains(&Hook::name(*it)));
    unsettled.map_or(Ok(()), |it| Err(format!("h{it} is never settled")))
}

pub(crate) fn hooks_themselves(life: &Life<'_>) -> Result<(), String> {
    let says = life.hooks();
    for (number, hook) in (0..).zip(&life.scenario.hooks) {
        let name = Hook::name(usize::from(number));
        let is_own = |it: &lamplighter::HookName| it.as_str() == name;
        let started = life.places(|event| matches!(event, Said::HookStarted(it) if is_own(it)));
        let settled = life.server().find_map(|(place, event)| match event {
            Said::HookSettled { hook, outcome } if is_own(hook) => Some((place, outcome)),
            _ => None,
        });
        let says = says.get(&number).map(Vec::as_slice).unwrap_or_default();
        let (Some(started), Some((settled, outcome))) = (started.first(), settled) else {
            if let Some((place, saw)) = says.first() {
                return Err(format!(
                    "{name} says {saw:?} in line {place}, and never started"
                ));
            }
            continue;
        };
        if let Some((place, saw)) = says.iter().find(|(place, _)| place < started) {
            return Err(format!(
                "{name} says {saw:?} in line {place}, before its start"
            ));
        }
        let ended = says.iter().find(|(_, saw)| *saw == HookSaw::Ended);
        let told = matches!(
            outcome,
            HookOutcome::Ok | HookOutcome::Failed(_) | HookOutcome::Panicked(_)
        );
        if told && ended.is_none_or(|(place, _)| *place > settled) {
            return Err(format!("{name} is {outcome} before it has ended"));
        }
        // In the instant of its timeout it may be settled as either, and one that blocks ends when it
        // likes.
        let at = |place: usize| life.trace[place].at;
        let in_time = ended.is_some_and(|(place, _)| at(*place) < at(settled));
        if !told && hook.does != HookDoes::Block && in_time {
            return Err(format!("{name} has ended, and is {outcome}"));
        }
    }
    Ok(())
}

pub(crate) fn workers(life: &Life<'_>) -> Result<(), String> {
    let ready = life.places(|event| *event == Said::Ready);
    let hooks = life.phase(Phase::RunningHooks);
    let stuck = stuck(life);
    for (number, says) in life.workers() {
        let mut begun = says.iter().filter(|(_, saw)| *saw == WorkerSaw::Begun);
        let first = begun.next();
        if first.map(|(place, _)| place) < ready.first() || begun.next().is_some() {
            return Err(format!("w{number} does not begin once, at Ready: {says:?}"));
        }
        order(
            &says,
            &[
                &[WorkerSaw::Begun],
                &[WorkerSaw::HeardDraining, WorkerSaw::HeardCancelled],
                &[WorkerSaw::Ended, WorkerSaw::Dropped],
            ],
        )
        .map_err(|how| format!("w{number}: {how}"))?;
        let ended = says.last().map(|(place, _)| *place);
        if !stuck && (ended > hooks || first.map(|it| it.0) == ended) {
            return Err(format!("w{number} lives on while hooks run: {says:?}"));
        }
    }
    Ok(())
}

/// Whether somebody was given up.
fn stuck(life: &Life<'_>) -> bool {
    let stuck = |event: &Said| {
        matches!(
            event,
            Said::WorkerEnded {
                how: WorkerOutcome::Stuck,
                ..
            } | Said::ConnectionClosed {
                end: ConnectionEnd::Stuck,
                ..
            }
        )
    };
    !life.places(stuck).is_empty()
}

/// Whether what was seen goes through these stages without going back, one of the last at the end.
fn order<T: Copy + PartialEq + std::fmt::Debug>(
    says: &[(usize, T)],
    stages: &[&[T]],
) -> Result<(), String> {
    let mut at = 0;
    for (place, saw) in says {
        let Some(stage) = stages.iter().position(|stage| stage.contains(saw)) else {
            return Err(format!("{saw:?} in line {place}"));
        };
        if stage < at || (stage == at && stage + 1 == stages.len()) {
            return Err(format!("{saw:?} in line {place} comes too late: {says:?}"));
        }
        at = stage;
    }
    Ok(())
}

pub(crate) fn handlers(life: &Life<'_>) -> Result<(), String> {
    let hooks = life.phase(Phase::RunningHooks);
    let draining = life.phase(Phase::Draining);
    let cancelled = life.places(|event| *event == Said::Cancelled);
    let stuck = stuck(life);
    for (id, says) in life.handlers() {
        let place = |wanted: HandlerSaw| says.iter().find(|(_, it)| *it == wanted).map(|it| it.0);
        let begun = place(HandlerSaw::Begun);
        if begun != says.first().map(|it| it.0) {
            return Err(format!("{id} does not begin with its beginning: {says:?}"));
        }
        if let Some(heard) = place(HandlerSaw::HeardDraining)
            && draining.is_none_or(|draining| heard < draining)
        {
            return Err(format!("{id} hears of a drain that has not begun"));
        }
        if let Some(heard) = place(HandlerSaw::HeardCancelled)
            && cancelled.first().is_none_or(|cancelled| heard < *cancelled)
        {
            return Err(format!("{id} hears that time is up before it is"));
        }
        let ends = |saw: HandlerSaw| {
            matches!(
                saw,
                HandlerSaw::Finished | HandlerSaw::Panics | HandlerSaw::Dropped
            )
        };
        let ended = says.iter().position(|(_, saw)| ends(*saw));
        // A task that holds an upgraded connection is the application's own.
        let client = &life.scenario.clients[usize::from(id.client)].does;
        let upgraded = matches!(client, ClientDoes::Websocket { .. });
        let late = ended.is_none_or(|ended| hooks.is_some_and(|hooks| says[ended].0 > hooks));
        if late && !stuck && !upgraded {
            return Err(format!("{id} lives on while hooks run: {says:?}"));
        }
        if let (Some(answered), Some(finished)) =
            (place(HandlerSaw::Answered), place(HandlerSaw::Finished))
            && finished < answered
        {
            return Err(format!("{id} finishes an answer that it has not begun"));
        }
    }
    Ok(())
}
