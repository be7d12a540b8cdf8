//! What came of a race.
//!
//! **Invariant:** what the report, the server's events and the client tell of one thing agrees.

use lamplighter::{HookOutcome, Phase, ServerEventKind, SignalTaken};
use lamplighter_sim::Run;
use lamplighter_sim::trace::{ClientSaw, WhatHappened};

use super::expected::Settled;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) answered: bool,
    pub(crate) cut: bool,
    pub(crate) cancelled: bool,
    /// When the drain began, when hooks did, and when the hook was settled.
    pub(crate) drains: u128,
    pub(crate) hooks: u128,
    pub(crate) settled: u128,
    pub(crate) outcome: Settled,
    pub(crate) second: Option<SignalTaken>,
}

impl Came {
    /// Reads it off the run; the parts that tell of one thing must agree.
    pub(crate) fn read(run: &Run) -> Result<Self, String> {
        let report = run.report.as_ref().ok_or("it never ends")?;
        let when = |wanted: &dyn Fn(&ServerEventKind) -> bool| {
            let entry = run
                .trace
                .iter()
                .find(|entry| entry.server().is_some_and(wanted));
            entry.map(|entry| entry.at.as_millis())
        };
        let phase = |wanted: Phase| {
            let begins = when(&|event| *event == ServerEventKind::Phase(wanted));
            begins.ok_or_else(|| format!("no {wanted}"))
        };
        let clients = run.trace.iter().filter_map(|entry| match entry.what {
            WhatHappened::Client(saw) => Some(saw),
            _ => None,
        });
        let answers = |saw: &ClientSaw| {
            let grpc = matches!(
                saw,
                ClientSaw::Answered {
                    grpc: None | Some(0),
                    ..
                }
            );
            grpc && matches!(saw, ClientSaw::Answered { status: 200, .. })
        };
        let loses = |saw: &ClientSaw| matches!(saw, ClientSaw::Lost { .. });
        let failed = |saw: &ClientSaw| matches!(saw, ClientSaw::Answered { .. }) && !answers(saw);
        let answered = clients.clone().any(|saw| answers(&saw));
        let lost = clients.clone().any(|saw| loses(&saw) || failed(&saw));
        let connections = report.connections();
        let tally = connections.tally;
        let cut = tally.cut == 1;
        let named = connections.cut.len() as u64 + connections.cut_unnamed;
        if (answered, lost) != (!cut, cut) || named != tally.cut || tally.begun != 1 {
            return Err(format!(
                "answered {answered}, lost {lost}, named {named}: {tally:?}"
            ));
        }
        let settled =
            |event: &ServerEventKind| matches!(event, ServerEventKind::HookSettled { .. });
        let outcome = report.hooks()[0]
            .outcome
            .as_ref()
            .ok_or("the hook is not settled")?;
        let mut signals = run.trace.iter().filter_map(|entry| match entry.server() {
            Some(ServerEventKind::Signal { taken, .. }) => Some(*taken),
            _ => None,
        });
        Ok(Self {
            answered,
            cut,
            cancelled: when(&|event| *event == ServerEventKind::Cancelled).is_some(),
            drains: phase(Phase::Draining)?,
            hooks: phase(Phase::RunningHooks)?,
            settled: when(&settled).ok_or("the hook is not settled")?,
            outcome: match outcome {
                HookOutcome::Ok => Settled::Ok,
                HookOutcome::TimedOut => Settled::TimedOut,
                HookOutcome::Abandoned => Settled::Abandoned,
                other => return Err(format!("the hook is {other}")),
            },
            second: signals.nth(1),
        })
    }
}
