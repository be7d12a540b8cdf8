//! The rules of the order: what may follow what.
//!
//! **Invariant:** a rule says in its error what stands where it must not.

#[path = "rules/work.rs"]
mod work;

use lamplighter::{Phase, ServerEventKind as Said, SignalTaken};
use lamplighter_sim::trace::{ClientSaw, WhatHappened, WorldDid};

use super::life::Life;

/// A rule, and what it is called.
type Rule = (&'static str, fn(&Life<'_>) -> Result<(), String>);

pub(crate) const ALL: [Rule; 9] = [
    ("time goes forward", time),
    ("each step has its successors", steps),
    ("signals are counted in order", signals),
    ("hooks wait for those before them", work::hooks),
    ("a hook does what is said of it", work::hooks_themselves),
    ("workers end before hooks begin", work::workers),
    ("handlers end before hooks begin", work::handlers),
    ("connections open and close", connections),
    ("clients are answered once", clients),
];

fn time(life: &Life<'_>) -> Result<(), String> {
    let back = life.trace.windows(2).find(|pair| pair[0].at > pair[1].at);
    back.map_or(Ok(()), |pair| {
        Err(format!("{:?} after {:?}", pair[1].at, pair[0].at))
    })
}

/// The large steps of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begins,
    Start,
    Ready,
    Stopping,
    Error,
    Stop,
    Phase(Phase),
}

impl Step {
    const fn of(event: &Said) -> Option<Self> {
        match event {
            Said::Start => Some(Self::Start),
            Said::Ready => Some(Self::Ready),
            Said::Stopping(_) => Some(Self::Stopping),
            Said::Error(_) => Some(Self::Error),
            Said::Stop => Some(Self::Stop),
            Said::Phase(phase) => Some(Self::Phase(*phase)),
            _ => None,
        }
    }

    /// What may come next. A failed start has no `Stopping`, and ends with its error.
    const fn next(self) -> &'static [Self] {
        use Phase as P;
        match self {
            Self::Begins => &[Self::Phase(P::Starting), Self::Stopping],
            Self::Phase(P::Starting) => &[Self::Start],
            // A callback that panics is told of at once.
            Self::Start => &[
                Self::Error,
                Self::Phase(P::Running),
                Self::Stopping,
                Self::Phase(P::LameDuck),
            ],
            Self::Phase(P::Running) => &[Self::Ready],
            Self::Ready => &[Self::Error, Self::Stopping],
            Self::Stopping => &[Self::Phase(P::LameDuck)],
            Self::Phase(P::LameDuck) => &[Self::Phase(P::Draining)],
            Self::Phase(P::Draining) => &[Self::Phase(P::ForceClosing)],
            Self::Phase(P::ForceClosing) => &[Self::Phase(P::RunningHooks)],
            Self::Phase(P::RunningHooks) => &[Self::Phase(P::Disposing)],
            Self::Phase(P::Disposing) => &[Self::Error, Self::Stop],
            Self::Phase(_) | Self::Error | Self::Stop => &[],
        }
    }
}

fn steps(life: &Life<'_>) -> Result<(), String> {
    let (mut last, mut before) = (Step::Begins, Step::Begins);
    let mut stopping = false;
    for (_, event) in life.server() {
        if last == Step::Stop {
            return Err(format!("`{event}` after the stop"));
        }
        let Some(step) = Step::of(event) else {
            continue;
        };
        // An early error is beside the point: what comes next is what could have come instead of it.
        let from = if last == Step::Error { before } else { last };
        let again = last == Step::Error && step == Step::Error && stopping;
        if !from.next().contains(&step) || again {
            return Err(format!("{step:?} after {last:?}"));
        }
        stopping |= step == Step::Stopping;
        if step != Step::Error {
            before = step;
        }
        last = step;
    }
    // A life without a `Stopping` is a failed start.
    let ends = if stopping { Step::Stop } else { Step::Error };
    if last != ends {
        return Err(format!("it ends with {last:?}"));
    }
    let returned =
        |entry: &lamplighter_sim::Entry| entry.what == WhatHappened::World(WorldDid::Returned);
    let returned = life.trace.iter().position(returned);
    let said = life.server().last().map(|(place, _)| place);
    if returned < said {
        return Err("what was called returns before the last event".to_owned());
    }
    Ok(())
}

fn signals(life: &Life<'_>) -> Result<(), String> {
    let called = life.places(|event| matches!(event, Said::Phase(_) | Said::Stopping(_)));
    let called = called.first().copied();
    let counts = [SignalTaken::First, SignalTaken::Second, SignalTaken::Third];
    let (mut counted, mut last) = (0, None);
    for (place, event) in life.server() {
        let Said::Signal { taken, .. } = event else {
            continue;
        };
        let at = life.trace[place].at.as_millis();
        let expected = match counts.get(counted) {
            None => SignalTaken::Ignored,
            Some(_) if last.is_some_and(|last| at - last <= 300) => SignalTaken::Repeated,
            // Of a server that nobody has started there is nothing to force.
            Some(_) if counted > 0 && called.is_none_or(|called| place < called) => {
                SignalTaken::Ignored
            }
            Some(next) => *next,
        };
        if *taken != expected {
            return Err(format!("the signal at {at} ms is {taken}, not {expected}"));
        }
        if counts.contains(taken) {
            counted += 1;
            last = Some(at);
        }
    }
    Ok(())
}

fn connections(life: &Life<'_>) -> Result<(), String> {
    let closed = life.places(|event| *event == Said::ListenersClosed);
    if closed.len() > 1 {
        return Err("the listeners are closed twice".to_owned());
    }
    let disposing = life.phase(Phase::Disposing);
    let (mut open, mut opened) = (Vec::new(), Vec::new());
    for (place, event) in life.server() {
        match event {
            Said::ConnectionOpened { connection, .. } => {
                if opened.contains(connection) {
                    return Err(format!("{connection} opens twice"));
                }
                if closed.first().is_some_and(|closed| place > *closed) {
                    return Err(format!("{connection} opens when the listeners are closed"));
                }
                opened.push(*connection);
                open.push(*connection);
            }
            Said::ConnectionClosed { connection, .. } => {
                let Some(known) = open.iter().position(|it| it == connection) else {
                    return Err(format!("{connection} closes and is not open"));
                };
                open.remove(known);
                if disposing.is_some_and(|disposing| place > disposing) {
                    return Err(format!("{connection} closes when all is disposed of"));
                }
            }
            _ => {}
        }
    }
    open.first()
        .map_or(Ok(()), |left| Err(format!("{left} is never closed")))
}

fn clients(life: &Life<'_>) -> Result<(), String> {
    let handlers = life.handlers();
    for (client, says) in life.clients() {
        let done = says.iter().position(|(_, saw)| *saw == ClientSaw::Done);
        if done.is_some_and(|done| done + 1 != says.len()) {
            return Err(format!("client#{client} goes on after its end: {says:?}"));
        }
        let mut settled = Vec::new();
        let mut asked = Vec::new();
        for (place, saw) in &says {
            match saw {
                ClientSaw::Asked(request) => asked.push((*request, *place)),
                ClientSaw::Answered { request, .. } | ClientSaw::Lost { request, .. } => {
                    if settled.contains(request) {
                        return Err(format!("{client}/{request} is settled twice"));
                    }
                    settled.push(*request);
                }
                ClientSaw::Head { request, .. } if settled.contains(request) => {
                    return Err(format!("{client}/{request} has a head after its end"));
                }
                _ => {}
            }
        }
        for (id, says) in handlers.iter().filter(|(id, _)| id.client == client) {
            let asked = asked.iter().find(|(request, _)| *request == id.request);
            if asked.is_none_or(|(_, asked)| *asked > says[0].0) {
                return Err(format!("{id} is handled before it is asked"));
            }
        }
    }
    Ok(())
}
