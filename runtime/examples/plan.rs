//! Prints what a time budget means: its timeline, a pod spec, what to tell Docker and systemd.
//!
//! `cargo run --release --example plan -- --grace-period 60s --lame-duck 5s` tries another plan; a plan that
//! does not hold, or an argument that is none, ends with exit code 78.
//!
//! **Invariant:** a closed pipe (`| head`) changes neither the exit code nor anything else.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use lamplighter::{Budget, LameDuckReadiness, OnDeadline, Plan, WhileDraining};

/// The exit code of a bad configuration, `EX_CONFIG` of `sysexits.h`.
const BAD_CONFIGURATION: u8 = 78;

const USAGE: &str = "\
usage: plan [OPTION]...

Without options: the plan of a pod with 30 s and a lame duck of 5 s. With options: the default
plan, changed by them.

  --grace-period TIME    --lame-duck TIME      --drain-timeout TIME  --cancel-lead TIME
  --hooks-timeout TIME   --margin TIME         --drain-spread TIME   --pre-stop TIME
  --start-timeout TIME   --ready-timeout TIME  --keep-waiting        --reject
  --hold-readiness

TIME is a whole number and its unit, one of ms, s, m, h, d: 250ms, 5s, 2m.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        return printed(USAGE);
    }
    let plan = match plan_of(&arguments) {
        Ok(plan) => plan,
        Err(reason) => return refused(&format!("{reason}\n\n{USAGE}")),
    };
    match plan.budget() {
        Ok(budget) => printed(&format!("{}\n{}", plan.explain(), variables(&budget))),
        Err(error) => refused(&format!("bad plan: {error}\n")),
    }
}

/// How a server hears of this plan that reads it from its environment; nothing if it cannot.
fn variables(budget: &Budget) -> String {
    let waits = budget.on_deadline() == OnDeadline::KeepWaiting;
    if waits || budget.drain_timeout().is_zero() {
        return String::new();
    }
    let (total, lame_duck) = (budget.total().as_millis(), budget.lame_duck().as_millis());
    format!(
        "
A server that reads its plan from its environment (Server::from_env) wants in the pod spec, beside
what of hooks_timeout and margin is set in code:

        env:
          - {{ name: GRACE_PERIOD_MS, value: \"{total}\" }}
          - {{ name: LAME_DUCK_MS, value: \"{lame_duck}\" }}
"
    )
}

/// The plan that the arguments describe, unchecked.
fn plan_of(arguments: &[String]) -> Result<Plan, String> {
    if arguments.is_empty() {
        return Ok(Plan::within(Duration::from_secs(30)).lame_duck(Duration::from_secs(5)));
    }
    let (mut grace_period, mut settings) = (None, Vec::<Setting>::new());
    let mut arguments = arguments.iter();
    while let Some(option) = arguments.next() {
        match option.as_str() {
            "--keep-waiting" => settings.push(Setting::OnDeadline(OnDeadline::KeepWaiting)),
            "--hold-readiness" => settings.push(Setting::HoldReadiness),
            "--reject" => settings.push(Setting::WhileDraining(WhileDraining::Reject)),
            "--grace-period" => grace_period = Some(time(option, arguments.next())?),
            _ => {
                let set = setter(option).ok_or_else(|| format!("unknown option {option:?}"))?;
                settings.push(Setting::Time(set, time(option, arguments.next())?));
            }
        }
    }
    // A grace period is where a plan begins, so it goes first wherever it stands.
    let plan = grace_period.map_or_else(Plan::new, Plan::within);
    Ok(settings
        .into_iter()
        .fold(plan, |plan, setting| match setting {
            Setting::Time(set, time) => set(plan, time),
            Setting::HoldReadiness => plan.lame_duck_readiness(LameDuckReadiness::Held),
            Setting::OnDeadline(on_deadline) => plan.on_deadline(on_deadline),
            Setting::WhileDraining(while_draining) => plan.while_draining(while_draining),
        }))
}

enum Setting {
    Time(Setter, Duration),
    HoldReadiness,
    OnDeadline(OnDeadline),
    WhileDraining(WhileDraining),
}

type Setter = fn(Plan, Duration) -> Plan;

fn setter(option: &str) -> Option<Setter> {
    Some(match option {
        "--lame-duck" => Plan::lame_duck,
        "--drain-timeout" => Plan::drain_timeout,
        "--cancel-lead" => Plan::cancel_lead,
        "--hooks-timeout" => Plan::hooks_timeout,
        "--margin" => Plan::margin,
        "--drain-spread" => Plan::drain_spread,
        "--pre-stop" => Plan::pre_stop,
        "--start-timeout" => Plan::start_timeout,
        "--ready-timeout" => Plan::ready_timeout,
        _ => return None,
    })
}

fn time(option: &str, value: Option<&String>) -> Result<Duration, String> {
    let value = value.ok_or_else(|| format!("{option} needs a time, such as 5s"))?;
    let refused =
        || format!("{option} is {value:?}, allowed is a whole number with ms, s, m, h or d");
    let digits = value.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| refused())?;
    let seconds = match value.strip_prefix(digits) {
        Some("ms") => return Ok(Duration::from_millis(number)),
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 60 * 60,
        Some("d") => 24 * 60 * 60,
        _ => return Err(refused()),
    };
    // What saturates here is far beyond what a plan allows, and the plan says so.
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

fn printed(text: &str) -> ExitCode {
    drop(std::io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

fn refused(text: &str) -> ExitCode {
    drop(std::io::stderr().write_all(text.as_bytes()));
    ExitCode::from(BAD_CONFIGURATION)
}
