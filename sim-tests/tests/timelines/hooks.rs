//! Hooks: their order, and what the others owe to one that does not return as it should.

use lamplighter_sim::{Budget, HookDoes, Scenario};

use crate::stage::{hook, sigterm, timeline};

#[test]
fn hooks_in_order() {
    let scenario = Scenario {
        hooks: vec![
            hook(0b000, 100, HookDoes::Ok),
            hook(0b001, 50, HookDoes::Ok),
            hook(0b001, 80, HookDoes::Ok),
            hook(0b110, 10, HookDoes::Ok),
        ],
        acts: vec![sigterm(10)],
        ..Scenario::default()
    };
    let description = "A diamond of hooks: h1 and h2 after h0 and side by side, h3 when both are \
                       settled.";
    timeline("hooks_in_order", description, &scenario);
}

#[test]
fn hooks_that_do_not_return() {
    let scenario = Scenario {
        plan: Budget {
            hooks_ms: 1_000,
            ..Budget::default()
        },
        hooks: vec![
            hook(0b0000, 10, HookDoes::Fail),
            hook(0b0001, 10, HookDoes::Panic),
            hook(0b0010, 0, HookDoes::Hang),
            hook(0b0100, 10, HookDoes::Ok),
        ],
        acts: vec![sigterm(10)],
        ..Scenario::default()
    };
    let description = "A chain of a failing, a panicking and a hanging hook: each is settled, and none \
                       of them keeps the last one from running; the hanging one has its fair share of \
                       the time that is left.";
    timeline("hooks_that_do_not_return", description, &scenario);
}
