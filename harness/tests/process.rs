//! Whole processes, real signals: what an operator sees.
//!
//! **Invariant:** bounds of time are those of the plan and some patience, never tight: only the
//! kernel's clock is used here, on a machine that may be busy.

#[path = "process/launched.rs"]
mod launched;
#[path = "process/refused.rs"]
mod refused;
#[path = "process/signalled.rs"]
mod signalled;
#[path = "process/stuck.rs"]
mod stuck;

use lamplighter_harness::Program;

/// The quickstart on a free port.
fn quickstart() -> Program {
    Program::example("lamplighter", "quickstart").env("PORT", 0)
}

/// A server that misbehaves as these arguments say.
fn unruly<'a>(args: impl IntoIterator<Item = &'a str>) -> Program {
    Program::example("lamplighter-harness", "unruly").args(args)
}

/// Asserts that these texts stand in `text` in this order, with or without others between them.
#[track_caller]
fn assert_in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for word in expected {
        let found = rest.split_once(word);
        assert!(found.is_some(), "no {word:?} in its place in:\n{text}");
        rest = found.map_or("", |(_, after)| after);
    }
}
