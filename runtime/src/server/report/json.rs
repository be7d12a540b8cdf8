//! A report as JSON, for those who collect reports (floor 3).
//!
//! **Invariant:** nothing is in it that the report does not say; times are milliseconds since the
//! cause, with three decimals.

use std::collections::BTreeMap;
use std::time::Duration;

use lamplighter_lifecycle::{ConnectionEnd, CutWork, Instant, Report, Tally};
use serde::Serialize;

/// The report, as it is written.
pub(super) fn of(report: &Report) -> String {
    let json = Json::of(report);
    // Numbers and texts: serialising them into memory does not fail.
    serde_json::to_string(&json).unwrap_or_default()
}

#[derive(Serialize)]
struct Json<'a> {
    complete: bool,
    cause: Option<String>,
    clean: bool,
    exit_code: u8,
    total_ms: f64,
    budget_ms: Option<f64>,
    stalled_ms: f64,
    outcome: Outcome<'a>,
    phases: Vec<Phase>,
    longest_phase: Option<String>,
    connections: Connections<'a>,
    hooks: Vec<Hook>,
    workers: Vec<Worker<'a>>,
    failures: Vec<String>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    cut: u64,
    stuck: u64,
    hooks_not_ok: u64,
    abandoned: bool,
    start_failure: Option<&'a str>,
    stopped_before_ready: bool,
    listener_failed: bool,
}

#[derive(Serialize)]
struct Phase {
    phase: String,
    began_ms: f64,
    took_ms: f64,
}

#[derive(Serialize)]
struct Connections<'a> {
    accepted: u64,
    open: u64,
    ends: BTreeMap<String, u64>,
    requests: Requests,
    cut: Vec<Cut<'a>>,
    cut_unnamed: u64,
    turned_away: u64,
}

#[derive(Serialize)]
struct Requests {
    begun: u64,
    answered: u64,
    cut: u64,
    aborted: u64,
    failed: u64,
    late_unprocessed: u64,
    refused_retryable: u64,
}

#[derive(Serialize)]
struct Cut<'a> {
    connection: String,
    peer: String,
    protocol: String,
    method: &'a str,
    route: Option<&'a str>,
    at_ms: f64,
    age_ms: f64,
    stuck: bool,
}

#[derive(Serialize)]
struct Hook {
    name: String,
    outcome: Option<String>,
    started_ms: Option<f64>,
    took_ms: f64,
    still_running: bool,
}

#[derive(Serialize)]
struct Worker<'a> {
    name: &'a str,
    outcome: Option<String>,
}

impl<'a> Json<'a> {
    fn of(report: &'a Report) -> Self {
        let since = |at: Instant| milliseconds(at.since(report.began));
        let outcome = &report.outcome;
        Self {
            complete: report.complete,
            cause: report.cause.as_ref().map(ToString::to_string),
            clean: outcome.is_clean(),
            exit_code: outcome.exit_code(),
            total_ms: milliseconds(report.total),
            budget_ms: report.budget.map(milliseconds),
            stalled_ms: milliseconds(report.stalled),
            outcome: Outcome {
                cut: outcome.cut,
                stuck: outcome.stuck,
                hooks_not_ok: outcome.hooks_not_ok,
                abandoned: outcome.abandoned,
                start_failure: outcome
                    .start_failure
                    .as_ref()
                    .map(lamplighter_lifecycle::StartFailure::message),
                stopped_before_ready: outcome.stopped_before_ready,
                listener_failed: outcome.listener_failed,
            },
            phases: report
                .phases
                .iter()
                .map(|phase| Phase {
                    phase: phase.phase.to_string(),
                    began_ms: since(phase.began),
                    took_ms: milliseconds(phase.took),
                })
                .collect(),
            longest_phase: report.longest_phase().map(|phase| phase.phase.to_string()),
            connections: Connections::of(report),
            hooks: report
                .hooks
                .iter()
                .map(|hook| Hook {
                    name: hook.name.as_str().to_owned(),
                    outcome: hook.outcome.as_ref().map(ToString::to_string),
                    started_ms: hook.started.map(since),
                    took_ms: milliseconds(hook.took),
                    still_running: hook.still_running,
                })
                .collect(),
            workers: report
                .workers
                .iter()
                .map(|worker| Worker {
                    name: &worker.name,
                    outcome: worker.outcome.as_ref().map(ToString::to_string),
                })
                .collect(),
            failures: report.failures.iter().map(ToString::to_string).collect(),
        }
    }
}

impl<'a> Connections<'a> {
    fn of(report: &'a Report) -> Self {
        let connections = &report.connections;
        Self {
            accepted: connections.accepted,
            open: connections.open,
            ends: ConnectionEnd::ALL
                .into_iter()
                .map(|end| (end.to_string(), connections.ended(end)))
                .collect(),
            requests: Requests::of(&connections.tally),
            cut: connections
                .cut
                .iter()
                .map(|cut| Cut::of(cut, report.began))
                .collect(),
            cut_unnamed: connections.cut_unnamed,
            turned_away: connections.turned_away,
        }
    }
}

impl Requests {
    const fn of(tally: &Tally) -> Self {
        Self {
            begun: tally.begun,
            answered: tally.answered,
            cut: tally.cut,
            aborted: tally.aborted,
            failed: tally.failed,
            late_unprocessed: tally.late_unprocessed,
            refused_retryable: tally.refused_retryable,
        }
    }
}

impl<'a> Cut<'a> {
    fn of(cut: &'a CutWork, began: Instant) -> Self {
        Self {
            connection: cut.connection.to_string(),
            peer: cut.peer.to_string(),
            protocol: cut.work.protocol.to_string(),
            method: &cut.work.method,
            route: cut.work.template.as_deref(),
            at_ms: milliseconds(cut.at.since(began)),
            age_ms: milliseconds(cut.at.since(cut.work.begun_at)),
            stuck: cut.stuck,
        }
    }
}

/// With three decimals, as everywhere.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
