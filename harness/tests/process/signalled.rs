//! What signals do to a server that behaves.

use lamplighter::Signal;
use lamplighter_harness::{Probe, Process, Seen};

use super::refused::allowed;
use super::{assert_in_order, not_tested, quickstart, unruly};

/// Sends a signal again and again until it is taken as `taken`: the same signal sent within the
/// debounce counts once. The process tells of each before the next is sent, so that none is sent too
/// many.
pub(super) async fn signal_until(process: &Process, signal: Signal, taken: &str) {
    for told in process.lines("event signal").len().. {
        process.signal(signal);
        if process
            .nth_line("event signal", told + 1)
            .await
            .contains(taken)
        {
            return;
        }
    }
}

#[tokio::test]
async fn sigterm_lets_requests_finish_and_streams_say_goodbye() {
    let process = quickstart().start();
    let addr = process.ready().await;
    let mut stream = Probe::connect(addr).await.unwrap();
    stream.request("/events").await.unwrap();
    assert_eq!(stream.head().await.status, 200);
    stream.text("tick").await;
    let mut sleeper = Probe::connect(addr).await.unwrap();
    sleeper.request("/sleep?ms=1000").await.unwrap();

    process.signal(Signal::Sigterm);

    stream.text("bye").await;
    assert_eq!(stream.end().await, Seen::Fin);
    let answer = sleeper.answer().await;
    assert_eq!(
        (answer.status(), answer.text()),
        (200, "slept 1000 ms\n".into())
    );
    assert!(answer.head.closes(), "{answer:?}");
    assert_eq!(sleeper.end().await, Seen::Fin);

    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(
        &exit.stderr,
        &["database closed", "cache closed", "telemetry closed"],
    );
    assert_in_order(
        &exit.stdout,
        &[
            "ready on http://127.0.0.1:",
            "stopping      SIGTERM",
            "phase         lame-duck",
            "phase         draining",
            "listeners     closed",
            "phase         force-closing",
            "phase         running-hooks",
            "hook          database ok",
            "hook          cache ok",
            "hook          telemetry ok",
            "phase         disposing",
            "stop",
        ],
    );
    assert!(!exit.stdout.contains("cut"), "{exit}");
}

#[tokio::test]
async fn a_signal_between_the_end_of_a_clean_stop_and_that_of_the_process_does_not_kill() {
    for signal in ["SIGTERM", "SIGINT"] {
        let process = unruly(["--at-end", signal]).start();
        let addr = process.ready().await;
        // Longer than copies of the first signal are taken for the same.
        let mut sleeper = Probe::connect(addr).await.unwrap();
        sleeper.request("/sleep?ms=500").await.unwrap();
        process.line("handler sleeps").await;
        process.signal(Signal::Sigterm);
        assert_eq!(sleeper.answer().await.status(), 200);
        let exit = process.exit().await;
        assert_eq!(exit.code, Some(0), "{exit}");
        assert!(exit.stdout.contains("event stop"), "{exit}");
    }
}

#[tokio::test]
async fn a_second_sigterm_while_draining_cuts_and_the_hooks_run() {
    let process = unruly(["--hook", "database=ok"]).start();
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/hang").await.unwrap();
    process.line("handler hangs").await;

    signal_until(&process, Signal::Sigterm, "SIGTERM (first)").await;
    process.line("event phase draining").await;
    signal_until(&process, Signal::Sigterm, "SIGTERM (second)").await;

    assert_eq!(probe.end().await, Seen::Rst);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(10), "{exit}");
    let events = [
        "event cancelled",
        "event phase force-closing",
        "event hook database ok",
        "event stop",
    ];
    assert_in_order(&exit.stdout, &events);
    assert!(exit.stdout.contains("hook database runs"), "{exit}");
}

#[tokio::test]
async fn a_third_sigterm_abandons_a_hook_that_hangs() {
    let args = [
        "--hooks",
        "60000",
        "--hook",
        "database=hang",
        "--hook",
        "cache=ok",
        "--after",
        "database",
    ];
    let process = unruly(args).start();
    process.ready().await;

    signal_until(&process, Signal::Sigterm, "SIGTERM (first)").await;
    process.line("hook hangs").await;
    signal_until(&process, Signal::Sigterm, "SIGTERM (second)").await;
    signal_until(&process, Signal::Sigterm, "SIGTERM (third)").await;

    let exit = process.exit().await;
    assert_eq!(exit.code, Some(12), "{exit}");
    assert!(!exit.stdout.contains("hook cache runs"), "{exit}");
    assert_in_order(
        &exit.stdout,
        &["event hook database abandoned", "event stop"],
    );
    let told = [
        "  hook database abandoned, still running, after ",
        "  hook cache abandoned, before it began\n",
        "  given up by a third signal, SIGTERM, after ",
    ];
    assert_in_order(&exit.stderr, &told);
}

#[tokio::test]
async fn sigterm_during_the_start_ends_it_cleanly() {
    // A minute: nothing but the signal ends this start within the patience of the test.
    let process = quickstart()
        .env("START_DELAY_MS", 60_000)
        .env("LOG_LEVEL", "trace")
        .start();
    process.line("BeginStart").await;

    process.signal(Signal::Sigterm);

    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert!(!exit.stdout.contains("ready on"), "{exit}");
    assert_in_order(
        &exit.stderr,
        &["database closed", "cache closed", "telemetry closed"],
    );
    assert_in_order(
        &exit.stdout,
        &[
            "stopping      SIGTERM",
            "hook          telemetry ok",
            "stop",
        ],
    );
}

#[tokio::test]
async fn a_delayed_start_becomes_ready_in_the_end() {
    let process = quickstart().env("START_DELAY_MS", 300).start();
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.text(), "Hello, World!\n");
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
}

#[tokio::test]
async fn ctrl_c_twice_in_a_row_is_one_signal() {
    let process = unruly(["--hook", "database=ok"]).start();
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/sleep?ms=1000").await.unwrap();
    process.line("handler sleeps").await;
    // Ctrl-C reaches the whole group, and a wrapper forwards what it got. The kernel may make one
    // of the two, which is as well.
    process.signal(Signal::Sigint);
    process.signal(Signal::Sigint);
    let exit = process.exit().await;
    let second = exit.stdout.lines().find(|line| {
        // As the timeline tells it: with the time since the first one in front.
        line.contains("SIGINT (second)") && line.contains(" ms ")
    });
    if let Some(line) = second {
        // The machine was so busy that the two came further apart than the same signal does.
        let millis: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        assert!(millis > 300.0, "{exit}");
        return;
    }
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_eq!(probe.answer().await.status(), 200);
}

#[tokio::test]
async fn sighup_stops_a_server_that_nothing_told_to_reload() {
    let process = quickstart().start();
    process.ready().await;
    process.signal(Signal::Sighup);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(
        &exit.stdout,
        &["stopping      SIGHUP", "hook          telemetry ok", "stop"],
    );
}

#[tokio::test]
async fn sigusr2_that_nothing_enabled_is_logged_and_ignored() {
    let process = quickstart().start();
    let addr = process.ready().await;
    process.signal(Signal::Sigusr2);
    process.line("SIGUSR2").await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(&exit.stdout, &["stopping      SIGTERM", "stop"]);
}

#[tokio::test]
async fn sigint_inherited_as_ignored_stays_ignored() {
    stays_ignored(Signal::Sigint).await;
}

#[tokio::test]
async fn sighup_inherited_as_ignored_stays_ignored() {
    stays_ignored(Signal::Sighup).await;
}

async fn stays_ignored(signal: Signal) {
    let process = quickstart().ignoring(signal).start();
    process.ready().await;
    // Thrown away by the kernel as it is sent; SIGTERM would come after it otherwise.
    process.signal(signal);
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert!(exit.stdout.contains("stopping      SIGTERM"), "{exit}");
    assert!(!exit.stdout.contains(&signal.to_string()), "{exit}");
}

#[tokio::test]
async fn nohup_keeps_a_server_through_sighup() {
    let process = quickstart().under(["nohup"]).start();
    process.ready().await;
    process.signal(Signal::Sighup);
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert!(exit.stdout.contains("stopping      SIGTERM"), "{exit}");
    assert!(!exit.stdout.contains("SIGHUP"), "{exit}");
}

#[tokio::test]
async fn a_signal_inherited_as_blocked_stops_a_server_all_the_same() {
    const BLOCKED: [&str; 3] = ["env", "--block-signal=TERM", "--block-signal=INT"];
    let trial: Vec<&str> = BLOCKED.into_iter().chain(["true"]).collect();
    if !allowed(&trial) {
        not_tested("this machine's `env` blocks no signals");
        return;
    }
    for signal in [Signal::Sigterm, Signal::Sigint] {
        let process = quickstart().under(BLOCKED).start();
        process.ready().await;
        process.signal(signal);
        let exit = process.exit().await;
        assert_eq!(exit.code, Some(0), "{exit}");
        assert_in_order(&exit.stdout, &[&format!("stopping      {signal}"), "stop"]);
    }
}

#[tokio::test]
async fn each_server_of_a_process_gets_the_signal() {
    let process = unruly(["--servers", "12", "--hook", "database=ok"]).start();
    process.line("all are ready").await;
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    for line in [
        "event signal SIGTERM (first)",
        "hook database runs",
        "event stop\n",
    ] {
        assert_eq!(exit.stdout.matches(line).count(), 12, "{line}: {exit}");
    }
}
