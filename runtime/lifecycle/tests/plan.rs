//! The rules of a plan, one by one (floor 0).
//!
//! **Invariant:** every rule has a test that names it and a message that is compared as a whole.

#[path = "plan/explained.rs"]
mod explained;
#[path = "plan/properties.rs"]
mod properties;

use std::time::Duration;

use lamplighter_lifecycle::{
    Budget, LameDuckReadiness, OnDeadline, Plan, PlanError, WhileDraining,
};

const ZERO: Duration = Duration::ZERO;
const NANOSECOND: Duration = Duration::from_nanos(1);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn refusal(plan: &Plan) -> String {
    let check = plan.check();
    check.map_or_else(|error| error.to_string(), |()| String::from("it holds"))
}

// ---- what is left alone -------------------------------------------------------------------------

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let budget = Plan::new().budget().unwrap();
    assert_eq!(budget.grace_period(), None);
    assert_eq!(budget.lame_duck(), ZERO);
    assert_eq!(budget.drain_timeout(), secs(30));
    assert_eq!(budget.cancel_lead(), millis(100));
    assert_eq!(budget.hooks_timeout(), secs(4));
    assert_eq!(budget.margin(), secs(1));
    assert_eq!(budget.drain_spread(), ZERO);
    assert_eq!(budget.pre_stop(), ZERO);
    assert_eq!(budget.start_timeout(), secs(30));
    assert_eq!(budget.ready_timeout(), secs(3));
    assert_eq!(budget.on_deadline(), OnDeadline::ForceClose);
    assert_eq!(budget.while_draining(), WhileDraining::Serve);
    assert_eq!(budget.total(), secs(35));
}

#[test]
fn the_default_budget_is_that_of_the_default_plan() {
    assert_eq!(Plan::new().budget(), Ok(Budget::default()));
}

#[test]
fn each_setting_reaches_the_budget_and_no_other() {
    let plain = Budget::default();
    let plan = Plan::new()
        .lame_duck(secs(5))
        .drain_timeout(secs(20))
        .cancel_lead(millis(300))
        .hooks_timeout(secs(7))
        .margin(secs(2))
        .drain_spread(secs(6))
        .pre_stop(secs(8))
        .start_timeout(secs(40))
        .ready_timeout(secs(9))
        .on_deadline(OnDeadline::KeepWaiting)
        .while_draining(WhileDraining::Reject)
        .lame_duck_readiness(LameDuckReadiness::Held);
    let budget = plan.budget().unwrap();
    assert_eq!(budget.lame_duck(), secs(5));
    assert_eq!(budget.drain_timeout(), secs(20));
    assert_eq!(budget.cancel_lead(), millis(300));
    assert_eq!(budget.hooks_timeout(), secs(7));
    assert_eq!(budget.margin(), secs(2));
    assert_eq!(budget.drain_spread(), secs(6));
    assert_eq!(budget.pre_stop(), secs(8));
    assert_eq!(budget.start_timeout(), secs(40));
    assert_eq!(budget.ready_timeout(), secs(9));
    assert_eq!(budget.on_deadline(), OnDeadline::KeepWaiting);
    assert_eq!(budget.while_draining(), WhileDraining::Reject);
    assert_eq!(budget.lame_duck_readiness(), LameDuckReadiness::Held);
    assert_ne!(budget, plain);
}

#[test]
fn a_default_written_out_gives_the_same_budget_but_another_plan() {
    let (silent, explicit) = (Plan::new(), Plan::new().drain_timeout(secs(30)));
    assert_eq!(silent.budget(), explicit.budget());
    assert_ne!(silent, explicit);
}

// ---- the grace period ---------------------------------------------------------------------------

#[test]
fn the_drain_gets_what_the_others_leave_of_the_grace_period() {
    for (plan, drain) in [
        (Plan::within(secs(30)), secs(25)),
        (Plan::within(secs(30)).lame_duck(secs(5)), secs(20)),
        (Plan::within(secs(28)).lame_duck(secs(5)), secs(18)),
        (Plan::within(secs(10)), secs(5)),
        (Plan::within(secs(120)), secs(115)),
        (
            Plan::within(secs(30)).hooks_timeout(ZERO).margin(ZERO),
            secs(30),
        ),
        (Plan::within(secs(5) + NANOSECOND), NANOSECOND),
        (Plan::within(Plan::MAX), Plan::MAX - secs(5)),
    ] {
        let budget = plan.budget().unwrap();
        assert_eq!(budget.drain_timeout(), drain, "{plan:?}");
        assert_eq!(Some(budget.total()), budget.grace_period(), "{plan:?}");
    }
}

#[test]
fn a_drain_that_was_set_is_never_fitted() {
    let plan = Plan::within(secs(30)).drain_timeout(secs(10));
    let budget = plan.budget().unwrap();
    assert_eq!(budget.drain_timeout(), secs(10));
    assert_eq!(budget.total(), secs(15));
}

#[test]
fn a_sum_over_the_grace_period_is_refused_with_the_sum() {
    let plan = Plan::within(secs(30))
        .lame_duck(secs(5))
        .drain_timeout(secs(25));
    assert_eq!(
        plan.check(),
        Err(PlanError::OverBudget {
            lame_duck: secs(5),
            drain_timeout: secs(25),
            hooks_timeout: secs(4),
            margin: secs(1),
            needed: secs(35),
            grace_period: secs(30),
        })
    );
    assert_eq!(
        refusal(&plan),
        "lame_duck 5 s + drain_timeout 25 s + hooks_timeout 4 s + margin 1 s = 35 s, \
         allowed is at most the grace_period of 30 s: \
         make drain_timeout or lame_duck or hooks_timeout or margin shorter, by 5 s in all, or the \
         grace_period at least 35 s; a drain_timeout that is left out takes what the others leave"
    );
    assert_eq!(plan.lame_duck(ZERO).check(), Ok(()));
}

#[test]
fn a_grace_period_that_leaves_no_drain_is_refused_instead_of_draining_for_nothing() {
    let plan = Plan::within(secs(5));
    assert_eq!(
        plan.check(),
        Err(PlanError::NoTimeToDrain {
            lame_duck: ZERO,
            hooks_timeout: secs(4),
            margin: secs(1),
            needed: secs(5),
            grace_period: secs(5),
        })
    );
    assert_eq!(
        refusal(&plan),
        "the grace_period is 5 s, allowed is more than 5 s, or hooks_timeout or margin shorter: \
         lame_duck 0 s + hooks_timeout 4 s + margin 1 s leave nothing of it for the drain_timeout"
    );
    // Who says that there shall be none gets none.
    assert_eq!(plan.drain_timeout(ZERO).check(), Ok(()));
}

#[test]
fn hooks_and_margin_keep_their_defaults_under_a_small_grace_period() {
    assert!(matches!(
        Plan::within(millis(1)).check(),
        Err(PlanError::NoTimeToDrain { hooks_timeout, margin, .. })
            if hooks_timeout == secs(4) && margin == secs(1)
    ));
    let small = Plan::within(secs(2))
        .hooks_timeout(millis(500))
        .margin(millis(500));
    assert_eq!(small.budget().unwrap().drain_timeout(), secs(1));
}

#[test]
fn pre_stop_is_no_part_of_the_budget() {
    let budget = Plan::within(secs(30)).pre_stop(secs(60)).budget().unwrap();
    assert_eq!(budget.total(), secs(30));
    assert_eq!(budget.pre_stop(), secs(60));
}

// ---- waiting without end ------------------------------------------------------------------------

#[test]
fn keep_waiting_within_a_grace_period_is_refused() {
    let plan = Plan::within(secs(30)).on_deadline(OnDeadline::KeepWaiting);
    assert_eq!(
        plan.check(),
        Err(PlanError::KeepWaitingWithinGracePeriod {
            grace_period: secs(30)
        })
    );
    assert_eq!(
        refusal(&plan),
        "on_deadline is KeepWaiting within a grace_period of 30 s, which ends such a wait by \
         SIGKILL before any hook has run; allowed is KeepWaiting without a grace_period, or \
         ForceClose"
    );
    let without = Plan::new().on_deadline(OnDeadline::KeepWaiting);
    assert_eq!(without.check(), Ok(()));
}

// ---- zero ---------------------------------------------------------------------------------------

#[test]
fn zero_means_none_where_none_makes_sense() {
    let plan = Plan::new()
        .lame_duck(ZERO)
        .pre_stop(ZERO)
        .margin(ZERO)
        .cancel_lead(ZERO)
        .drain_spread(ZERO)
        .drain_timeout(ZERO)
        .hooks_timeout(ZERO);
    let budget = plan.budget().unwrap();
    assert_eq!(budget.total(), ZERO);
    assert_eq!(budget.cancel_lead(), ZERO);
    assert_eq!(budget.force_share(), ZERO);
    assert_eq!(budget.dispose_share(), ZERO);
    assert_eq!(budget.join_share(), ZERO);
    assert_eq!(budget.seal_share(), ZERO);
    assert_eq!(budget.linger_without_hooks(), ZERO);
}

#[test]
fn zero_is_refused_where_nothing_could_succeed() {
    for (plan, setting) in [
        (Plan::within(ZERO), "grace_period"),
        (Plan::new().start_timeout(ZERO), "start_timeout"),
        (Plan::new().ready_timeout(ZERO), "ready_timeout"),
    ] {
        assert_eq!(
            refusal(&plan),
            format!("{setting} is 0 s, allowed is anything above zero up to 30 days")
        );
    }
}

// ---- limits -------------------------------------------------------------------------------------

#[test]
fn more_than_thirty_days_is_refused_for_each_setting_and_thirty_are_not() {
    type Set = fn(Duration) -> Plan;
    let all: [(&str, Set); 10] = [
        ("grace_period", Plan::within),
        ("lame_duck", |time| Plan::new().lame_duck(time)),
        ("drain_timeout", |time| Plan::new().drain_timeout(time)),
        ("cancel_lead", |time| Plan::new().cancel_lead(time)),
        ("hooks_timeout", |time| Plan::new().hooks_timeout(time)),
        ("margin", |time| Plan::new().margin(time)),
        ("drain_spread", |time| {
            Plan::new().drain_timeout(Plan::MAX).drain_spread(time / 2)
        }),
        ("pre_stop", |time| Plan::new().pre_stop(time)),
        ("start_timeout", |time| Plan::new().start_timeout(time)),
        ("ready_timeout", |time| {
            Plan::new().start_timeout(Plan::MAX).ready_timeout(time)
        }),
    ];
    for (setting, plan) in all {
        assert_eq!(plan(Plan::MAX).check(), Ok(()), "{setting}");
        assert!(
            refusal(&plan(Duration::MAX)).starts_with(&format!("{setting} is ")),
            "{setting}"
        );
    }
    assert_eq!(
        refusal(&Plan::new().margin(secs(31 * 24 * 60 * 60))),
        "margin is 31 days, allowed are at most 30 days"
    );
    assert_eq!(
        Plan::new().lame_duck(Plan::MAX + NANOSECOND).check(),
        Err(PlanError::TooLong {
            setting: "lame_duck",
            value: Plan::MAX + NANOSECOND,
            allowed: Plan::MAX,
        })
    );
}

#[test]
fn cancel_lead_is_limited_to_a_tenth_of_the_drain_without_an_error() {
    for (lead, drain, limited) in [
        (secs(5), secs(10), secs(1)),
        (secs(1), secs(10), secs(1)),
        (millis(999), secs(10), millis(999)),
        (millis(100), millis(500), millis(50)),
        (secs(1), ZERO, ZERO),
    ] {
        let plan = Plan::new().cancel_lead(lead).drain_timeout(drain);
        assert_eq!(plan.budget().unwrap().cancel_lead(), limited);
    }
    let fitted = Plan::within(secs(5) + millis(10)).budget().unwrap();
    assert_eq!(fitted.cancel_lead(), millis(1));
}

#[test]
fn drain_spread_beyond_half_of_the_drain_is_refused() {
    let half = Plan::new().drain_spread(secs(15));
    assert_eq!(half.check(), Ok(()));
    let more = half.drain_spread(secs(15) + millis(1));
    assert_eq!(
        refusal(&more),
        "drain_spread is 15.001 s, allowed is at most half of the drain_timeout of 30 s: 15 s"
    );
    // What counts is the drain that the grace period leaves.
    assert_eq!(
        Plan::within(secs(30)).drain_spread(secs(15)).check(),
        Err(PlanError::SpreadTooLong {
            drain_spread: secs(15),
            drain_timeout: secs(25),
            allowed: millis(12_500),
        })
    );
    assert!(
        Plan::new()
            .drain_timeout(ZERO)
            .drain_spread(NANOSECOND)
            .check()
            .is_err()
    );
}

#[test]
fn ready_timeout_lies_inside_start_timeout() {
    let short = Plan::new().start_timeout(secs(2));
    assert_eq!(short.budget().unwrap().ready_timeout(), secs(2));
    assert_eq!(short.clone().ready_timeout(secs(2)).check(), Ok(()));
    assert_eq!(
        refusal(&short.ready_timeout(secs(3))),
        "ready_timeout is 3 s, allowed is at most the start_timeout of 2 s, which contains it"
    );
    assert_eq!(
        Plan::new().ready_timeout(secs(40)).check(),
        Err(PlanError::ReadyBeyondStart {
            ready_timeout: secs(40),
            start_timeout: secs(30),
        })
    );
}

#[test]
fn the_margin_is_shared_out_as_documented() {
    let budget = Plan::new().margin(secs(1)).budget().unwrap();
    assert_eq!(budget.force_share(), millis(250));
    assert_eq!(budget.dispose_share(), millis(500));
    assert_eq!(budget.join_share(), millis(100));
    assert_eq!(budget.seal_share(), millis(150));
    assert_eq!(budget.linger_without_hooks(), millis(500));
}

#[test]
fn linger_without_hooks_takes_at_most_a_second_and_never_the_disposal_s_time() {
    let wide = Plan::new().margin(secs(10)).budget().unwrap();
    assert_eq!(wide.linger_without_hooks(), secs(1));
    let no_window = Plan::new().margin(secs(1)).hooks_timeout(ZERO);
    assert_eq!(
        no_window.budget().unwrap().linger_without_hooks(),
        millis(250)
    );
}
