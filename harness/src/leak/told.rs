//! What a report tells of leaks: accounts that do not come out even, and names for what is left.
//!
//! **Invariant:** what ended, by force, with an error or late, is no leak.

use std::sync::Arc;

use lamplighter::{ConnectionsReport, HookReport, Report, WorkerReport};

use super::Leak;

pub(super) fn told(report: &Report) -> Vec<Leak> {
    let mut leaks = Vec::new();
    leaks.extend(connections(report.connections()));
    leaks.extend(report.workers().iter().filter_map(worker));
    leaks.extend(report.hooks().iter().filter_map(hook));
    leaks
}

pub(super) fn connections(report: &ConnectionsReport) -> Option<Leak> {
    let ended = report.ends.iter().sum();
    let (accepted, open) = (report.accepted, report.open);
    (ended != accepted || open != 0).then_some(Leak::Connections {
        accepted,
        ended,
        open,
    })
}

pub(super) fn worker(report: &WorkerReport) -> Option<Leak> {
    let runs = report.outcome.is_none();
    runs.then(|| Leak::Worker(Arc::clone(&report.name)))
}

pub(super) fn hook(report: &HookReport) -> Option<Leak> {
    let unsettled = report.outcome.is_none();
    unsettled.then(|| Leak::Hook(report.name.to_string()))
}

/// Work that lives still: its name, and what the report knows of it besides.
pub(super) fn stuck(report: &Report, name: &str) -> Leak {
    let mut cut = report.connections().cut.iter();
    // The task of `conn#7` is `connection#7`.
    let cut = name.strip_prefix("connection").and_then(|number| {
        cut.find(|cut| cut.connection.to_string().strip_prefix("conn") == Some(number))
    });
    Leak::Stuck(cut.map_or_else(
        || name.to_owned(),
        |cut| {
            let route = cut.work.template.as_deref();
            let route = route.unwrap_or("of an unknown route");
            format!("{} with a {} {route}", cut.connection, cut.work.method)
        },
    ))
}
