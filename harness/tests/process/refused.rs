//! Starts that cannot be, and what they say.

use std::net::TcpListener;

use lamplighter_harness::{Exit, Program};

use super::{assert_in_order, not_tested, quickstart, unruly};

/// The end of a program that must not get as far as being ready.
async fn refused(program: Program) -> Exit {
    let exit = program.start().exit().await;
    assert!(!exit.stdout.contains("ready on"), "{exit}");
    // What std prints of a panic that nobody caught.
    assert!(!exit.stderr.contains("panicked at"), "{exit}");
    exit
}

/// The one line that tells a person what is wrong.
fn said(exit: &Exit, words: &[&str]) {
    let says = |line: &&str| words.iter().all(|word| line.contains(word));
    assert!(
        exit.stderr.lines().any(|line| says(&line)),
        "no line with {words:?}: {exit}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let exit = refused(quickstart().env("PORT", addr.port())).await;
    assert_eq!(exit.code, Some(69), "{exit}");
    let port = format!("PORT is {}, LISTEN is 127.0.0.1 by default", addr.port());
    said(&exit, &[&addr.to_string(), "in use", &port]);
    // In the log, and not again by the program that ends with it.
    assert_eq!(exit.stderr.matches("in use").count(), 1, "{exit}");
    // The hooks of a start that failed run, too, and it is said before that it failed.
    assert_in_order(
        &exit.stderr,
        &[
            "in use",
            "database closed",
            "cache closed",
            "telemetry closed",
        ],
    );
    assert!(!exit.stdout.contains("stop\n"), "{exit}");
}

#[tokio::test]
async fn a_bad_variable_is_named_with_its_value_and_what_is_allowed() {
    for (variable, value, allowed) in [
        ("PORT", "banana", "0 to 65535"),
        ("PORT", "70000", "0 to 65535"),
        ("PORT", "-1", "0 to 65535"),
        ("PORT", "80.5", "0 to 65535"),
        ("LISTEN", "999.1.2.3", "an IP address"),
        ("LISTEN", "http://localhost", "an IP address"),
        ("LAME_DUCK_MS", "5s", "milliseconds"),
        ("GRACE_PERIOD_MS", "0", "milliseconds"),
        ("GRACEFUL_SHUTDOWN_TIMEOUT_MS", "Infinity", "milliseconds"),
        ("START_DELAY_MS", "soon", "milliseconds"),
        ("LOG_LEVEL", "loud", "trace"),
    ] {
        let exit = refused(quickstart().env(variable, value)).await;
        assert_eq!(exit.code, Some(78), "{variable}: {exit}");
        said(&exit, &[variable, value, allowed]);
    }
}

#[tokio::test]
async fn an_empty_variable_is_no_default() {
    let exit = refused(quickstart().env("GRACE_PERIOD_MS", "")).await;
    assert_eq!(exit.code, Some(78), "{exit}");
    said(&exit, &["GRACE_PERIOD_MS", "empty"]);
}

#[tokio::test]
async fn a_plan_that_does_not_add_up_is_refused_with_its_sum() {
    let program = quickstart()
        .env("GRACE_PERIOD_MS", 10_000)
        .env("GRACEFUL_SHUTDOWN_TIMEOUT_MS", 9000);
    let exit = refused(program).await;
    assert_eq!(exit.code, Some(78), "{exit}");
    let set = "GRACEFUL_SHUTDOWN_TIMEOUT_MS is 9000, GRACE_PERIOD_MS is 10000";
    said(&exit, &["= 14 s", "grace_period at least 14 s", set]);
}

#[tokio::test]
async fn a_grace_period_that_is_too_short_is_refused_with_what_to_make_shorter() {
    let exit = refused(quickstart().env("GRACE_PERIOD_MS", 5000)).await;
    assert_eq!(exit.code, Some(78), "{exit}");
    said(
        &exit,
        &[
            "the grace_period is 5 s, allowed is more than 5 s, or hooks_timeout or margin shorter",
            "GRACE_PERIOD_MS is 5000",
        ],
    );
}

#[tokio::test]
async fn what_a_start_waits_for_is_logged_and_not_over_and_over() {
    let exit = quickstart().env("START_DELAY_MS", 1500).start();
    exit.ready().await;
    exit.signal(lamplighter::Signal::Sigterm);
    let exit = exit.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    said(
        &exit,
        &["INFO", "not ready yet: check warm-up is red", "to go"],
    );
    // At 0.1 s and at 1.1 s; a machine that is busy may be late for one of them.
    let lines = exit.stderr.matches("not ready yet").count();
    assert!((1..=3).contains(&lines), "{exit}");
}

#[tokio::test]
async fn a_port_below_1024_needs_a_privilege_and_the_message_says_so() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first: u16 = first
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024);
    if first <= 80 {
        not_tested("on this machine port 80 needs no privilege");
        return;
    }
    let mut program = quickstart().env("PORT", 80);
    if rustix::process::geteuid().is_root() {
        if !allowed(&["unshare", "-U", "true"]) {
            not_tested("this is root, and root's privilege cannot be given up here");
            return;
        }
        // In a user namespace of its own a process has no privilege over the network outside.
        program = program.under(["unshare", "-U"]);
    }
    let exit = refused(program).await;
    assert_eq!(exit.code, Some(69), "{exit}");
    said(&exit, &["127.0.0.1:80", "ermission"]);
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    // Reserved for documentation (RFC 5737): no interface has it.
    let exit = refused(quickstart().env("LISTEN", "192.0.2.1")).await;
    assert_eq!(exit.code, Some(69), "{exit}");
    said(&exit, &["192.0.2.1"]);
}

#[tokio::test]
async fn a_check_that_stays_red_hangs_or_panics_is_named() {
    for kind in ["red", "hang", "panic"] {
        let exit = refused(unruly(["--check", kind, "--ready", "300"])).await;
        assert_eq!(exit.code, Some(69), "{exit}");
        said(&exit, &["not ready", kind]);
    }
}

/// Whether this machine lets a program run.
pub(super) fn allowed(words: &[&str]) -> bool {
    let Some((program, args)) = words.split_first() else {
        return false;
    };
    let status = std::process::Command::new(program)
        .args(args)
        .stderr(std::process::Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
