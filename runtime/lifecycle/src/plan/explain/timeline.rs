//! The latest moment at which each part of a stop begins (floor 0).
//!
//! **Invariant:** a stop without a latest end is never shown with one.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::plan::amount::Amount;
use crate::plan::{Budget, LameDuckReadiness, OnDeadline, WhileDraining};

pub(super) fn write(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    headline(f, budget)?;
    table(budget).write(f)?;
    footnote(f, budget)
}

fn headline(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    let total = budget.total();
    writeln!(
        f,
        "A start of at most {}, of which {} for readiness.",
        Amount(budget.start_timeout()),
        Amount(budget.ready_timeout())
    )?;
    match budget.on_deadline() {
        OnDeadline::ForceClose => {
            write!(f, "A stop of at most {} from cause to end", Amount(total))?;
        }
        OnDeadline::KeepWaiting => {
            f.write_str("A stop without a latest end (on_deadline = KeepWaiting)")?;
        }
    }
    match budget.grace_period() {
        None => f.write_str(".\n\n"),
        Some(grace_period) if grace_period == total => {
            f.write_str(", which is all of its grace period.\n\n")
        }
        Some(grace_period) => write!(
            f,
            ", {} less than its grace period of {}.\n\n",
            Amount(grace_period - total),
            Amount(grace_period)
        ),
    }
}

fn footnote(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    f.write_str(
        "\nThese are the latest moments: a line ends as soon as nothing is left to do in it. Only the\n\
         lame duck always takes all of its time. An indented line is part of the phase before it.\n",
    )?;
    if budget.on_deadline() == OnDeadline::KeepWaiting {
        write!(
            f,
            "A second signal forces. The first signal during a stop with another cause gives the wait\n\
             an end, and the stop then lasts at most {} from that signal.\n",
            Amount(budget.total())
        )?;
    }
    Ok(())
}

fn table(budget: &Budget) -> Table {
    let (drain, lead) = (budget.drain_timeout(), budget.cancel_lead());
    let mut table = Table::default();

    table.row("lame duck", budget.lame_duck(), lame_duck(budget));
    table.advance(budget.lame_duck());
    match budget.on_deadline() {
        OnDeadline::ForceClose => {
            table.row("draining", drain, draining(budget));
            spread(&mut table, budget);
            table.advance(drain - lead);
            table.row("  cancelled", lead, "what is left hears that time is up");
            table.advance(lead);
            table.row("force close", budget.force_share(), "what is left is cut");
        }
        OnDeadline::KeepWaiting => {
            table.row_without_limit("draining", draining(budget));
            spread(&mut table, budget);
            table.lose_count();
            table.row("  cancelled", lead, "only if a signal ends the wait");
            table.row(
                "force close",
                budget.force_share(),
                "only if a signal ends the wait",
            );
        }
    }
    table.advance(budget.force_share());
    table.row("hooks", budget.hooks_timeout(), "each after those it names");
    table.advance(budget.hooks_timeout());
    table.row(
        "  join",
        budget.join_share(),
        "hooks out of time are aborted",
    );
    table.advance(budget.join_share());
    table.row(
        "dispose",
        budget.dispose_share(),
        "contexts destroyed, tasks joined, sockets closed",
    );
    table.advance(budget.dispose_share());
    table.row("report", budget.seal_share(), "sealed, logged, announced");
    table.advance(budget.seal_share());
    table.end();
    table
}

fn lame_duck(budget: &Budget) -> &'static str {
    if budget.lame_duck().is_zero() {
        return "none: accepting ends with readiness";
    }
    match budget.lame_duck_readiness() {
        LameDuckReadiness::Off => "not ready; still accepting and serving",
        LameDuckReadiness::Held => "still ready, accepting and serving",
    }
}

fn draining(budget: &Budget) -> &'static str {
    let waits = budget.on_deadline() == OnDeadline::KeepWaiting;
    match budget.while_draining() {
        _ if budget.drain_timeout().is_zero() && !waits => {
            "one graceful pass: each connection is told and polled once"
        }
        WhileDraining::Serve => "no new connections; work in flight finishes",
        WhileDraining::Reject => "late requests get 503; work in flight finishes",
    }
}

fn spread(table: &mut Table, budget: &Budget) {
    if !budget.drain_spread().is_zero() {
        table.row(
            "  spread",
            budget.drain_spread(),
            "streams, upgrades, h2 connections are told one by one",
        );
    }
}

/// The lines of the timeline, and how far it has come.
struct Table {
    rows: Vec<Row>,
    /// Since the cause, at the latest; `None` once that depends on the work.
    at: Option<Duration>,
}

struct Row {
    from: String,
    limit: String,
    phase: &'static str,
    what: &'static str,
}

impl Default for Table {
    fn default() -> Self {
        let heading = Row {
            from: "from".into(),
            limit: "at most".into(),
            phase: "",
            what: "",
        };
        Self {
            rows: Vec::from([heading]),
            at: Some(Duration::ZERO),
        }
    }
}

impl Table {
    fn row(&mut self, phase: &'static str, limit: Duration, what: &'static str) {
        self.push(phase, Amount(limit).to_string(), what);
    }

    fn row_without_limit(&mut self, phase: &'static str, what: &'static str) {
        self.push(phase, "no limit".into(), what);
    }

    fn end(&mut self) {
        self.push("end", String::new(), "");
    }

    fn push(&mut self, phase: &'static str, limit: String, what: &'static str) {
        let from = self
            .at
            .map_or_else(|| "then".into(), |at| Amount(at).to_string());
        self.rows.push(Row {
            from,
            limit,
            phase,
            what,
        });
    }

    fn advance(&mut self, by: Duration) {
        self.at = self.at.map(|at| at + by);
    }

    fn lose_count(&mut self) {
        self.at = None;
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |cell: fn(&Row) -> &str| {
            let widths = self.rows.iter().map(|row| cell(row).chars().count());
            widths.max().unwrap_or(0)
        };
        let (from, limit) = (widest(|row| &row.from), widest(|row| &row.limit));
        let phase = widest(|row| row.phase);
        for row in &self.rows {
            let line = format!(
                "  {:from$}  {:limit$}  {:phase$}  {}",
                row.from, row.limit, row.phase, row.what
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
