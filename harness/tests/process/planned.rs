//! The example that explains a plan: what it prints is what a server does that is told so.

use lamplighter::Signal;
use lamplighter_harness::{Exit, Program};

use super::quickstart;

async fn plan(args: &[&str]) -> Exit {
    let program = Program::example("lamplighter", "plan").args(args.iter().copied());
    program.start().exit().await
}

/// Names and values of the environment that a pod spec sets.
fn variables(spec: &str) -> Vec<(String, String)> {
    let lines = spec.lines().map(str::trim);
    let of = |line: &str| {
        let line = line.strip_prefix("- { name: ")?;
        let (name, value) = line.split_once(", value: \"")?;
        let value = value.strip_suffix("\" }")?;
        Some((name.to_owned(), value.to_owned()))
    };
    lines.filter_map(of).collect()
}

#[tokio::test]
async fn a_server_that_gets_the_variables_of_a_plan_keeps_to_that_plan() {
    let exit = plan(&["--grace-period", "9s", "--lame-duck", "250ms"]).await;
    assert_eq!(exit.code, Some(0), "{exit}");
    let variables = variables(&exit.stdout);
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["GRACE_PERIOD_MS", "LAME_DUCK_MS"], "{exit}");
    let told = |program: Program, (name, value): &(String, String)| program.env(name, value);
    let process = variables.iter().fold(quickstart(), told).start();
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    let said = exit.to_string();
    assert!(said.contains("stopping: SIGTERM, within 9.0s"), "{said}");
    assert!(said.contains("longest: lame-duck "), "{said}");
}

#[tokio::test]
async fn a_plan_that_no_environment_can_tell_is_explained_without_variables() {
    for args in [&["--keep-waiting"][..], &["--drain-timeout", "0s"]] {
        let exit = plan(args).await;
        assert_eq!(exit.code, Some(0), "{exit}");
        assert!(exit.stdout.contains("Kubernetes:"), "{exit}");
        assert_eq!(variables(&exit.stdout), [], "{exit}");
    }
}

#[tokio::test]
async fn a_plan_that_does_not_hold_and_an_argument_that_is_none_are_bad_configurations() {
    let refused = [
        (&["--grace-period", "1s"][..], "bad plan: "),
        (&["--lame-duck"], "--lame-duck needs a time, such as 5s"),
        (
            &["--lame-duck", "5"],
            "--lame-duck is \"5\", allowed is a whole number with ms, s, m, h or d",
        ),
        (&["--lame-goose", "5s"], "unknown option \"--lame-goose\""),
    ];
    for (args, reason) in refused {
        let exit = plan(args).await;
        assert_eq!(exit.code, Some(78), "{exit}");
        assert!(exit.stderr.starts_with(reason), "{exit}");
        assert_eq!(exit.stdout, "", "{exit}");
    }
}
