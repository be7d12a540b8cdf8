//! Whole processes, real signals: what an operator sees.
//!
//! **Invariant:** bounds of time are those of the plan and some patience, never tight: only the
//! kernel's clock is used here, on a machine that may be busy.

#[path = "process/descriptors.rs"]
mod descriptors;
#[path = "process/examples.rs"]
mod examples;
#[path = "process/grpc.rs"]
mod grpc;
#[path = "process/inherited.rs"]
mod inherited;
#[path = "process/launched.rs"]
mod launched;
#[path = "process/planned.rs"]
mod planned;
#[path = "process/refused.rs"]
mod refused;
#[path = "process/scene.rs"]
mod scene;
#[path = "process/signalled.rs"]
mod signalled;
#[path = "process/stuck.rs"]
mod stuck;
#[path = "process/told.rs"]
mod told;
#[path = "process/websocket.rs"]
mod websocket;

use std::io::Write;

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

/// Says that a test has nothing to judge on this machine. Not captured with the output of the test,
/// so that it is read.
fn not_tested(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    drop(writeln!(std::io::stderr(), "{name}: not tested, {why}"));
}
