//! What holds for any plan at all, and for every plan that holds (floor 0).
//!
//! **Invariant:** what a plan must come to is computed here a second time, in another way.

use std::time::Duration;

use lamplighter_lifecycle::{Budget, OnDeadline, Plan};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::{NANOSECOND, ZERO, millis, secs};

/// What was set; ten numbers and two choices.
#[derive(Clone, Debug)]
struct Settings {
    grace_period: Option<Duration>,
    lame_duck: Option<Duration>,
    drain_timeout: Option<Duration>,
    cancel_lead: Option<Duration>,
    hooks_timeout: Option<Duration>,
    margin: Option<Duration>,
    drain_spread: Option<Duration>,
    pre_stop: Option<Duration>,
    start_timeout: Option<Duration>,
    ready_timeout: Option<Duration>,
    on_deadline: OnDeadline,
}

impl Settings {
    fn plan(&self) -> Plan {
        let set = |plan: Plan, to: Option<Duration>, with: fn(Plan, Duration) -> Plan| match to {
            Some(time) => with(plan, time),
            None => plan,
        };
        let mut plan = self.grace_period.map_or_else(Plan::new, Plan::within);
        plan = set(plan, self.lame_duck, Plan::lame_duck);
        plan = set(plan, self.drain_timeout, Plan::drain_timeout);
        plan = set(plan, self.cancel_lead, Plan::cancel_lead);
        plan = set(plan, self.hooks_timeout, Plan::hooks_timeout);
        plan = set(plan, self.margin, Plan::margin);
        plan = set(plan, self.drain_spread, Plan::drain_spread);
        plan = set(plan, self.pre_stop, Plan::pre_stop);
        plan = set(plan, self.start_timeout, Plan::start_timeout);
        plan = set(plan, self.ready_timeout, Plan::ready_timeout);
        plan.on_deadline(self.on_deadline)
    }

    /// The drain in nanoseconds if the rules allow these settings; written without a look at how
    /// the product does it.
    fn allowed(&self) -> Option<u128> {
        const SECOND: u128 = 1_000_000_000;
        const MONTH: u128 = 30 * 86_400 * SECOND;
        let all = [
            self.grace_period,
            self.lame_duck,
            self.drain_timeout,
            self.cancel_lead,
            self.hooks_timeout,
            self.margin,
            self.drain_spread,
            self.pre_stop,
            self.start_timeout,
            self.ready_timeout,
        ];
        let nanos = |setting: Option<Duration>| setting.map(|time| time.as_nanos());
        let or = |setting, default: u128| nanos(setting).unwrap_or(default);
        let too_long = all
            .into_iter()
            .flatten()
            .any(|time| time.as_nanos() > MONTH);
        let zero =
            [self.grace_period, self.start_timeout, self.ready_timeout].contains(&Some(ZERO));
        let endless = self.on_deadline == OnDeadline::KeepWaiting && self.grace_period.is_some();
        if too_long || zero || endless {
            return None;
        }
        let others =
            or(self.lame_duck, 0) + or(self.hooks_timeout, 4 * SECOND) + or(self.margin, SECOND);
        let drain = match nanos(self.grace_period) {
            None => or(self.drain_timeout, 30 * SECOND),
            Some(grace) => match nanos(self.drain_timeout) {
                Some(drain) => (others + drain <= grace).then_some(drain)?,
                None => grace.checked_sub(others).filter(|drain| *drain > 0)?,
            },
        };
        let spread_fits = or(self.drain_spread, 0) <= drain / 2;
        let ready_fits = or(self.ready_timeout, 1) <= or(self.start_timeout, 30 * SECOND);
        (spread_fits && ready_fits).then_some(drain)
    }
}

/// Any duration at all: the usual ones, the smallest, the largest, whole seconds and fractions.
fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..60_000_u64).prop_map(millis),
        4 => (0..60_u64).prop_map(secs),
        2 => (0..100_u64).prop_map(Duration::from_nanos),
        1 => any::<u64>().prop_map(Duration::from_nanos),
        1 => (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
        1 => Just(Duration::MAX),
        1 => Just(Plan::MAX),
        1 => Just(Plan::MAX + NANOSECOND),
    ]
}

/// Durations with which most plans hold.
fn sensible() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (1..8_000_000_000_u64).prop_map(Duration::from_nanos),
        4 => (1..8_u64).prop_map(secs),
        1 => Just(ZERO),
    ]
}

fn settings<S: Strategy<Value = Duration> + 'static>(
    time: fn() -> S,
) -> impl Strategy<Value = Settings> {
    let ten = (
        option::of(prop_oneof![
            time().boxed(),
            (20..90_u64).prop_map(secs).boxed()
        ]),
        option::of(time()),
        option::of(time()),
        option::of(time()),
        option::of(time()),
        option::of(time()),
        option::weighted(0.3, time()),
        option::of(time()),
        option::weighted(0.3, time()),
        option::weighted(0.3, time()),
    );
    let waiting =
        prop_oneof![4 => Just(OnDeadline::ForceClose), 1 => Just(OnDeadline::KeepWaiting)];
    (ten, waiting).prop_map(|(ten, on_deadline)| Settings {
        grace_period: ten.0,
        lame_duck: ten.1,
        drain_timeout: ten.2,
        cancel_lead: ten.3,
        hooks_timeout: ten.4,
        margin: ten.5,
        drain_spread: ten.6,
        pre_stop: ten.7,
        start_timeout: ten.8,
        ready_timeout: ten.9,
        on_deadline,
    })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    prop_oneof![settings(duration).boxed(), settings(sensible).boxed()]
}

fn parts(budget: &Budget) -> Duration {
    budget.lame_duck()
        + budget.drain_timeout()
        + budget.force_share()
        + budget.hooks_timeout()
        + budget.join_share()
        + budget.dispose_share()
        + budget.seal_share()
}

fn printed_number(text: &str, before: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(before));
    line.and_then(|number| number.parse().ok())
        .unwrap_or(u64::MAX)
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_plan_holds_exactly_if_the_rules_allow_it(settings in any_settings()) {
        let plan = settings.plan();
        let drain = plan.budget().ok().map(|budget| budget.drain_timeout().as_nanos());
        prop_assert_eq!(drain, settings.allowed());
        prop_assert_eq!(plan.check(), plan.budget().map(|_| ()));
    }

    #[test]
    fn the_longest_phases_sum_to_the_total_exactly(settings in settings(sensible)) {
        if let Ok(budget) = settings.plan().budget() {
            prop_assert_eq!(parts(&budget), budget.total());
            let linger = budget.force_share() + budget.linger_without_hooks() + budget.dispose_share();
            prop_assert!(linger <= budget.hooks_timeout() + budget.margin());
            prop_assert!(budget.linger_without_hooks() <= budget.margin() / 2);
            prop_assert!(budget.linger_without_hooks() <= secs(1));
        }
    }

    #[test]
    fn the_total_never_exceeds_the_grace_period(settings in any_settings()) {
        if let Ok(budget) = settings.plan().budget() {
            prop_assert_eq!(budget.grace_period(), settings.grace_period);
            let grace_period = settings.grace_period.unwrap_or(Duration::MAX);
            prop_assert!(budget.total() <= grace_period);
            prop_assert!(u64::try_from(budget.total().as_nanos()).is_ok());
        }
    }

    #[test]
    fn what_is_set_is_kept_and_what_is_not_is_never_zero_by_accident(settings in any_settings()) {
        if let Ok(budget) = settings.plan().budget() {
            let kept = |set: Option<Duration>, default| set.unwrap_or(default);
            prop_assert_eq!(budget.lame_duck(), kept(settings.lame_duck, ZERO));
            prop_assert_eq!(budget.hooks_timeout(), kept(settings.hooks_timeout, secs(4)));
            prop_assert_eq!(budget.margin(), kept(settings.margin, secs(1)));
            prop_assert_eq!(budget.drain_spread(), kept(settings.drain_spread, ZERO));
            prop_assert_eq!(budget.pre_stop(), kept(settings.pre_stop, ZERO));
            prop_assert_eq!(budget.start_timeout(), kept(settings.start_timeout, secs(30)));
            let lead = kept(settings.cancel_lead, millis(100));
            prop_assert_eq!(budget.cancel_lead(), lead.min(budget.drain_timeout() / 10));
            prop_assert!(!budget.ready_timeout().is_zero());
            prop_assert!(budget.ready_timeout() <= budget.start_timeout());
            prop_assert!(settings.drain_timeout.is_some() || !budget.drain_timeout().is_zero());
        }
    }

    #[test]
    fn the_pods_grace_period_is_the_smallest_that_suffices(settings in any_settings()) {
        let plan = settings.plan();
        if let Ok(budget) = plan.budget() {
            let needed = budget.pre_stop() + budget.total() + secs(2);
            let printed = printed_number(&plan.explain().to_string(), "terminationGracePeriodSeconds: ");
            prop_assert!(secs(printed) >= needed, "{printed} s for {needed:?}");
            prop_assert!(secs(printed - 1) < needed, "{printed} s for {needed:?}");
        }
    }

    #[test]
    fn docker_and_systemd_wait_for_the_whole_budget_or_without_limit(settings in any_settings()) {
        let plan = settings.plan();
        if let Ok(budget) = plan.budget() {
            let text = plan.explain().to_string();
            if settings.on_deadline == OnDeadline::KeepWaiting {
                prop_assert!(text.contains("\n  docker stop -t -1 CONTAINER\n"));
                prop_assert!(text.contains("\n  TimeoutStopSec=infinity\n"));
            } else {
                let seconds = printed_number(&text, "TimeoutStopSec=");
                let docker = format!("\n  docker stop -t {seconds} CONTAINER\n");
                prop_assert!(text.contains(&docker));
                let needed = budget.total() + secs(2);
                prop_assert!(secs(seconds) >= needed && secs(seconds - 1) < needed);
            }
        }
    }

    #[test]
    fn explaining_a_plan_that_does_not_hold_prints_its_error(settings in any_settings()) {
        let plan = settings.plan();
        if let Err(error) = plan.check() {
            prop_assert_eq!(plan.explain().to_string(), error.to_string());
        }
    }
}
