//! What a program that returns its report tells a person at a terminal.

use lamplighter::Signal;
use lamplighter_harness::{Manners, Misbehave, Probe, Seen};

use super::signalled::signal_until;
use super::{quickstart, unruly};

#[tokio::test]
async fn a_stop_that_was_not_clean_names_each_failure_and_each_kind_of_cut() {
    let hooks = ["--hook", "database=fail", "--hook", "line\nbreak=panic"];
    let rest = [
        "--hook",
        "cache=ok",
        "--hook",
        "lock=thread-hang",
        "--worker",
        "hang",
    ];
    let plan = ["--drain", "300", "--hooks", "300"];
    let process = unruly([&hooks[..], &rest[..], &plan[..]].concat()).start();
    let addr = process.ready().await;
    process.line("worker hangs").await;
    let mut held = Vec::new();
    for number in 1..=2 {
        let mut probe = Probe::connect(addr).await.unwrap();
        probe.request("/hang").await.unwrap();
        process.nth_line("handler hangs", number).await;
        held.push(probe);
    }
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(11), "{exit}");
    let lines: Vec<&str> = exit.stderr.lines().collect();
    let told = lines
        .iter()
        .position(|line| line.starts_with("stopped after"));
    let told = lines.get(told.unwrap() + 1..).unwrap();
    let expected = [
        "  hook database failed: it would not close, after ",
        "  hook line\\nbreak panicked: hook was told to panic",
        "  hook lock timed out, still running, after ",
        "  2 http/1 GET /hang cut, the oldest after ",
        "  cut by the end of drain_timeout, which is 300ms, after ",
        "  worker hang cut",
    ];
    assert_eq!(told.len(), expected.len(), "{exit}");
    for line in expected {
        assert!(told.iter().any(|it| it.starts_with(line)), "{line}: {exit}");
    }
}

#[tokio::test]
async fn requests_that_failed_are_told_of_to_whoever_has_no_log() {
    let process = unruly([""; 0]).start();
    let addr = process.ready().await;
    for _ in 0..2 {
        let mut probe = Probe::connect(addr).await.unwrap();
        probe.request("/panic").await.unwrap();
        assert_eq!(probe.answer().await.status(), 500);
    }
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    let mut lines = exit.stderr.lines();
    let told = lines.find(|line| line.starts_with("stopped after"));
    let counts = "; clean; connections 2, requests 2 begun, 2 answered, 0 cut, 2 failed; ";
    assert!(told.is_some_and(|line| line.contains(counts)), "{exit}");
    let what = "  2 requests failed: the application panicked, or gave an error in place of an answer or of its rest; \
                a tracing subscriber, where one is installed, is told the route and the error of each";
    assert_eq!(lines.next(), Some(what), "{exit}");
}

#[tokio::test]
async fn what_failed_besides_is_told_though_the_stop_itself_was_clean() {
    let process = unruly(["--worker", "fail"]).start();
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    let mut lines = exit.stderr.lines();
    let told = lines.find(|line| line.starts_with("stopped after"));
    assert!(
        told.is_some_and(|line| line.contains("; clean; other failures 1; ")),
        "{exit}"
    );
    assert_eq!(
        lines.next(),
        Some("  worker fail failed: lost the queue"),
        "{exit}"
    );
}

#[tokio::test]
async fn what_was_cut_is_told_whatever_the_log_leaves_out_and_in_colours_nowhere_but_at_a_terminal()
{
    for level in ["error", "info"] {
        let process = quickstart()
            .env("LOG_LEVEL", level)
            .env("GRACEFUL_SHUTDOWN_TIMEOUT_MS", 300)
            .start();
        let addr = process.ready().await;
        let mut probe = Probe::connect(addr).await.unwrap();
        probe.request("/").await.unwrap();
        assert_eq!(probe.answer().await.status(), 200);
        probe.request("/sleep?ms=3600000").await.unwrap();
        process.signal(Signal::Sigterm);
        let exit = process.exit().await;
        assert_eq!(exit.code, Some(10), "{level}: {exit}");
        let told = exit
            .stderr
            .contains("  1 http/1 GET /sleep cut, the oldest after ");
        let logged = exit.stderr.contains("method=GET route=\"/sleep\"");
        assert_eq!(
            (told, logged),
            (level == "error", level == "info"),
            "{exit}"
        );
        assert!(!exit.stderr.contains('\u{1b}'), "{exit}");
    }
}

#[tokio::test]
async fn no_client_fills_the_log_with_what_it_sends() {
    /// The acknowledgement of a PING that nobody has sent.
    const UNASKED: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0beginend";
    for level in ["warn", "info"] {
        let process = quickstart().env("LOG_LEVEL", level).start();
        let misbehave = Misbehave::towards(process.ready().await);
        let mut probe = misbehave.http2(Manners::Polite).await;
        probe.send(UNASKED.repeat(10_000)).await.unwrap();
        // Answered behind them, so they were all read.
        let stream = probe.open_stream("/").await.unwrap();
        assert!(probe.streamed(stream).await.ended);
        process.signal(Signal::Sigterm);
        assert_eq!(probe.end().await, Seen::Fin);
        let exit = process.exit().await;
        assert_eq!(exit.code, Some(0), "{exit}");
        let about = |line: &&str| line.contains("h2") || line.contains("PING");
        let said = exit.stderr.lines().filter(about).count();
        assert_eq!(said, 0, "of {} lines", exit.stderr.lines().count());
    }
}

#[tokio::test]
async fn a_clean_stop_tells_nothing() {
    let process = unruly(["--hook", "cache=ok"]).start();
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    let told = |line: &str| line.starts_with("stopped after") || line.starts_with("  ");
    // What the log says begins with a time.
    assert!(!exit.stderr.lines().any(told), "{exit}");
}

#[tokio::test]
async fn work_that_a_second_signal_cuts_is_told_so() {
    let process = unruly([""; 0]).start();
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/hang").await.unwrap();
    process.line("handler hangs").await;
    signal_until(&process, Signal::Sigterm, "SIGTERM (first)").await;
    signal_until(&process, Signal::Sigterm, "SIGTERM (second)").await;
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(10), "{exit}");
    let told = |line: &str| line.starts_with("  cut by a second signal, SIGTERM, after ");
    assert!(exit.stderr.lines().any(told), "{exit}");
}
