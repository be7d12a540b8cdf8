//! What was not clean, a line each: for a person at a terminal who has no log (floor 3).
//!
//! **Invariant:** what the report's own line says is not said again.
//! **Invariant:** a line is a line, whatever an error's text has in it, and there is a bound to them.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use lamplighter_lifecycle::{
    ConnectionId, Event, Failure, HookOutcome, HookReport, Instant, Machine, PeerAddr, Phase,
    Report, SignalTaken, Work, WorkerOutcome,
};

/// More lines are for a log, or for the report as JSON.
const MOST_LINES: usize = 50;

/// What to look for in code that did not end when it was aborted.
const STUCK: &str = "stuck: cut, and still there: it blocks its thread, or loops without an .await \
                     that waits, which is where an abort takes hold";

/// Less than that is a busy machine's.
const OVERRUN: Duration = Duration::from_secs(1);

/// What became of requests that failed, and where the rest is to be had.
const FAILED: &str = "the application panicked, or gave an error in place of an answer or of its rest; \
                      a tracing subscriber, where one is installed, is told the route and the error of each";

/// Of a stop that came first.
const NOT_READY: &str =
    "it was not ready yet: its checks had not passed, or its start was under way";

/// The lines below the report's own, each with its line break.
pub(super) fn of(report: &Report) -> String {
    let mut lines = Vec::new();
    // The reason of a failed start is in the report's own line.
    let failures = report.failures.iter();
    let failures = failures.filter(|failure| !matches!(failure, Failure::Start(_)));
    lines.extend(failures.map(|failure| line(failure, of_hook(report, failure))));
    if report.outcome.stopped_before_ready && report.outcome.start_failure.is_none() {
        lines.push(line(NOT_READY, ""));
    }
    lines.extend(cut_requests(report));
    for worker in &report.workers {
        if let Some(outcome @ (WorkerOutcome::Cut | WorkerOutcome::Stuck)) = &worker.outcome {
            lines.push(line(format_args!("worker {} {outcome}", worker.name), ""));
        }
    }
    lines.extend(why_cut(report));
    lines.extend(why_abandoned(report));
    lines.extend(late(report));
    let failed = report.connections.tally.failed;
    if failed > 0 {
        let requests = if failed == 1 { "request" } else { "requests" };
        lines.push(line(
            format_args!("{failed} {requests} failed: {FAILED}"),
            "",
        ));
    }
    let stuck = report.outcome.stuck > 0;
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    if more > 0 {
        lines.push(line(format_args!("and {more} more"), ""));
    }
    if stuck {
        lines.push(line(STUCK, ""));
    }
    lines.concat()
}

/// What is to be added of a hook: that it did not end with the stop, and how long it had.
fn of_hook(report: &Report, failure: &Failure) -> String {
    let Failure::Hook { hook, .. } = failure else {
        return String::new();
    };
    let known = report.hooks.iter().find(|known| known.name == *hook);
    let Some(known) = known.filter(|known| known.started.is_some()) else {
        // One that nobody has run was not given up in the middle.
        let abandoned = known.is_some_and(|known| known.outcome == Some(HookOutcome::Abandoned));
        return if abandoned { ", before it began" } else { "" }.to_owned();
    };
    let running = if known.still_running {
        ", still running"
    } else {
        ""
    };
    let which = match (&known.outcome, known.timeout) {
        (Some(HookOutcome::TimedOut), Some(timeout)) => format!(": its timeout is {timeout:?}"),
        (Some(HookOutcome::TimedOut), None) => ": its share of hooks_timeout".to_owned(),
        _ => String::new(),
    };
    format!("{running}, after {:.1?}{which}", known.took)
}

/// The requests that are in flight, and that nobody will have the time to cut: a line for each kind.
pub(in crate::server) struct InFlight<'a> {
    requests: Vec<(Work, &'a PeerAddr)>,
    now: Instant,
}

/// Those of `work` whose connections are not given up already: they are told of with what was cut.
pub(in crate::server) fn in_flight(
    machine: &Machine,
    work: Vec<(ConnectionId, Work)>,
    now: Instant,
) -> InFlight<'_> {
    let work = work.into_iter();
    let requests = work.filter_map(|(connection, work)| Some((work, machine.peer(connection)?)));
    InFlight {
        requests: requests.collect(),
        now,
    }
}

impl InFlight<'_> {
    pub(in crate::server) const fn count(&self) -> usize {
        self.requests.len()
    }
}

impl Display for InFlight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.requests.iter();
        let requests = requests.map(|(work, peer)| (work, *peer, self.now, "in flight"));
        let lines = by_kind(requests);
        f.write_str(
            &lines
                .get(..MOST_LINES.min(lines.len()))
                .unwrap_or_default()
                .concat(),
        )
    }
}

/// The lines for the requests that were cut.
pub(in crate::server) fn cut(report: &Report) -> String {
    let mut lines = cut_requests(report);
    lines.truncate(MOST_LINES);
    lines.concat()
}

/// What a piece of work has in common with others.
type Kind<'a> = (String, &'a str, Option<&'a str>, &'a str);

/// Requests by their kind: how many, what became of them, and for how long the oldest had been there by
/// then.
fn by_kind<'a>(
    requests: impl Iterator<Item = (&'a Work, &'a PeerAddr, Instant, &'a str)>,
) -> Vec<String> {
    let mut kinds: BTreeMap<Kind<'_>, (usize, Duration, &PeerAddr)> = BTreeMap::new();
    for (work, peer, at, what) in requests {
        let kind = (
            work.protocol.to_string(),
            &*work.method,
            work.template.as_deref(),
            what,
        );
        let age = at.since(work.begun_at);
        let (count, oldest, whose) = kinds.entry(kind).or_insert((0, Duration::ZERO, peer));
        *count += 1;
        if age > *oldest {
            (*oldest, *whose) = (age, peer);
        }
    }
    let lines = kinds.into_iter().map(|(kind, (count, oldest, whose))| {
        let (protocol, method, template, what) = kind;
        let space = if template.is_some() { " " } else { "" };
        let template = template.unwrap_or_default();
        line(
            format_args!("{count} {protocol} {method}{space}{template} {what}"),
            format_args!(", the oldest after {oldest:.3?} ({whose})"),
        )
    });
    lines.collect()
}

/// Requests that were cut.
fn cut_requests(report: &Report) -> Vec<String> {
    let cut = report.connections.cut.iter().map(|cut| {
        let what = if cut.stuck { "stuck" } else { "cut" };
        (&cut.work, &cut.peer, cut.at, what)
    });
    let mut lines = by_kind(cut);
    let unnamed = report.connections.cut_unnamed;
    if unnamed > 0 {
        lines.push(line(format_args!("{unnamed} more cut"), ""));
    }
    lines
}

/// What has ended the wait for work: an event of the stop, or, where there is none, its deadline.
fn why_cut(report: &Report) -> Option<String> {
    if report.outcome.cut == 0 {
        return None;
    }
    let by = report.timeline.entries().find_map(|(_, event)| {
        if let Event::Signal {
            signal,
            taken: SignalTaken::Second,
        } = event
        {
            return Some(format!("a second signal, {signal}"));
        }
        matches!(event, Event::Force).then(|| "force()".to_owned())
    });
    let by = by.unwrap_or_else(|| {
        let timeout = report.drain_timeout;
        format!("the end of drain_timeout, which is {timeout:?}")
    });
    let phases = report.phases.iter();
    let drain = phases.filter(|phase| matches!(phase.phase, Phase::LameDuck | Phase::Draining));
    let after: Duration = drain.map(|phase| phase.took).sum();
    Some(line(format_args!("cut by {by}, after {after:.1?}"), ""))
}

/// That the stop took longer than its plan allows: under `block_on` the process would have ended before. Or
/// that a hook that has timed out may be the victim of others.
fn late(report: &Report) -> Option<String> {
    let (took, stalled) = (report.total, report.stalled);
    let why = format!("its threads were blocked, or the process was stopped, for {stalled:.1?}");
    let overrun = report.budget.filter(|budget| took > *budget + OVERRUN);
    if let Some(budget) = overrun {
        let text = format_args!("the stop took {took:.1?} and had {budget:.1?}: {why}");
        return Some(line(text, ""));
    }
    let timed_out = |hook: &HookReport| hook.outcome == Some(HookOutcome::TimedOut);
    if stalled >= OVERRUN && report.hooks.iter().any(timed_out) {
        let text = format_args!("{why} or more: a hook that timed out may have had no turn");
        return Some(line(text, ""));
    }
    None
}

/// The signal that has given up on the hooks, if one has.
fn why_abandoned(report: &Report) -> Option<String> {
    let third = report.timeline.entries().find_map(|(at, event)| {
        if let Event::Signal {
            signal,
            taken: SignalTaken::Third,
        } = event
        {
            return Some((at, signal));
        }
        None
    });
    let (at, signal) = third?;
    let after = at.since(report.began);
    Some(line(
        format_args!("given up by a third signal, {signal}, after {after:.1?}"),
        "",
    ))
}

fn line(text: impl Display, end: impl Display) -> String {
    let mut line = String::from("  ");
    for character in format!("{text}{end}").chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    // Writing to a string does not fail.
    let _ok = writeln!(line);
    line
}
