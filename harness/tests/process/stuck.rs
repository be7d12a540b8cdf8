//! Code that blocks its thread for ever: the process is gone by the end of the budget all the same.

use std::time::Duration;

use lamplighter::Signal;
use lamplighter_harness::{PATIENCE, Probe, Process, Seen};

use super::signalled::signal_until;
use super::{assert_in_order, unruly};

/// The budget of a stop under the short plan below.
const BUDGET: Duration = Duration::from_millis(2500);
const SHORT: [&str; 6] = ["--drain", "500", "--hooks", "1000", "--margin", "1000"];

/// The budget of a stop that nothing but its end can end, and its plan.
const DOOMED_BUDGET: Duration = Duration::from_millis(1000);
const DOOMED: [&str; 6] = ["--drain", "200", "--hooks", "400", "--margin", "400"];

fn short(args: &[&'static str]) -> Process {
    planned(&SHORT, args)
}

fn doomed(args: &[&'static str]) -> Process {
    planned(&DOOMED, args)
}

fn planned(plan: &[&'static str], args: &[&'static str]) -> Process {
    let args = plan.iter().chain(args).copied();
    // Two threads, however many cores there are.
    unruly(args).env("TOKIO_WORKER_THREADS", 2).start()
}

/// Leaves no worker thread to do anything but block.
async fn block_every_worker(process: &Process) -> std::io::Result<Probe> {
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await?;
    probe.request("/block-all").await?;
    process.nth_line(" blocks", 2).await;
    Ok(probe)
}

#[tokio::test]
async fn a_handler_that_blocks_one_thread_is_cut_as_stuck() {
    let process = short(&["--hook", "database=ok"]);
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/block").await.unwrap();
    process.line("handler blocks").await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(BUDGET + PATIENCE).await;
    // It was cut, and is named for not having ended; the other thread has done all the rest.
    assert_eq!(exit.code, Some(10), "{exit}");
    assert!(!exit.stdout.contains("event error"), "{exit}");
    let events = [
        "event close conn#1 http/1 stuck, 1 cut",
        "event hook database ok",
        "event stop",
    ];
    assert_in_order(&exit.stdout, &events);
}

#[tokio::test]
async fn an_answer_without_a_length_whose_body_blocks_its_thread_is_seen_to_break_off() {
    let process = short(&[]);
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe
        .send("GET /block-body HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    probe.text("half of it").await;
    process.line("body blocks").await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(BUDGET + PATIENCE).await;
    assert_eq!(exit.code, Some(10), "{exit}");
    // An ordinary end would be that of the answer.
    assert_eq!(probe.end().await, Seen::Rst, "{exit}");
}

#[tokio::test]
async fn handlers_that_block_every_thread_do_not_hold_the_process() {
    let process = doomed(&["--hook", "database=ok"]);
    let _probe = block_every_worker(&process).await.unwrap();
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(DOOMED_BUDGET + PATIENCE).await;
    assert_eq!(exit.code, Some(12), "{exit}");
    // Who was left is told by the partial report.
    let said = [
        "the stop did not end within its budget",
        "SIGTERM",
        "\n  the server has had no turn for ",
        "\n  1 http/1 GET /block-all in flight, the oldest after ",
    ];
    assert_in_order(&exit.stderr, &said);
    assert!(!exit.stdout.contains("event stop\n"), "{exit}");
}

#[tokio::test]
async fn three_signals_end_a_process_with_every_thread_blocked_before_its_budget() {
    // A budget of hours: only the third signal ends this within the patience of the test.
    let process = unruly(["--drain", "36000000"])
        .env("TOKIO_WORKER_THREADS", 2)
        .start();
    let _probe = block_every_worker(&process).await.unwrap();
    for taken in ["(first)", "(second)", "(third)"] {
        signal_until(&process, Signal::Sigterm, taken).await;
    }
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(12), "{exit}");
    let why = "did not end within 1s of a third signal";
    assert!(exit.stderr.contains(why), "{exit}");
}

#[tokio::test]
async fn a_hook_that_hangs_is_timed_out_and_its_dependents_run() {
    let process = short(&[
        "--hook",
        "database=hang",
        "--hook",
        "cache=ok",
        "--after",
        "database",
    ]);
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(BUDGET + PATIENCE).await;
    assert_eq!(exit.code, Some(11), "{exit}");
    assert_in_order(
        &exit.stdout,
        &[
            "event hook database timed out",
            "event hook cache ok",
            "event stop",
        ],
    );
}

#[tokio::test]
async fn a_hook_that_blocks_its_thread_does_not_hold_the_process() {
    let process = short(&["--hook", "database=block", "--hook", "cache=ok"]);
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(BUDGET + PATIENCE).await;
    assert_eq!(exit.code, Some(11), "{exit}");
    assert!(exit.stdout.contains("hook database runs"), "{exit}");
    assert!(exit.stdout.contains("event hook cache ok"), "{exit}");
    assert_in_order(
        &exit.stdout,
        &["event hook database timed out", "event stop"],
    );
}

#[tokio::test]
async fn what_was_cut_is_named_though_hooks_block_every_thread_behind_it() {
    let process = doomed(&["--hook", "a=block", "--hook", "b=block"]);
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/hang").await.unwrap();
    process.line("handler hangs").await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(DOOMED_BUDGET + PATIENCE).await;
    assert_eq!(exit.code, Some(12), "{exit}");
    let said = [
        "the stop did not end within its budget",
        "requests 0 in flight",
        "\n  1 http/1 GET /hang cut, the oldest after ",
    ];
    assert_in_order(&exit.stderr, &said);
}

#[tokio::test]
async fn hooks_that_block_every_thread_do_not_hold_the_process() {
    let process = doomed(&[
        "--hook", "a=block", "--hook", "b=block", "--hook", "c=block",
    ]);
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(DOOMED_BUDGET + PATIENCE).await;
    assert_eq!(exit.code, Some(12), "{exit}");
    assert!(!exit.stdout.contains("event stop\n"), "{exit}");
}

#[tokio::test]
async fn a_blocking_hook_without_end_is_named_and_left() {
    let process = short(&[
        "--hook",
        "database=thread-hang",
        "--hook",
        "cache=thread-ok",
        "--after",
        "database",
    ]);
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(BUDGET + PATIENCE).await;
    assert_eq!(exit.code, Some(11), "{exit}");
    assert_in_order(
        &exit.stdout,
        &[
            "event hook database timed out",
            "event hook cache ok",
            "event stop",
        ],
    );
}

#[tokio::test]
async fn a_check_that_blocks_its_thread_does_not_hold_the_process() {
    let process = short(&["--check", "block", "--hook", "database=ok"]);
    process.line("check blocks").await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(BUDGET + PATIENCE).await;
    // Nothing else names it, so the end does.
    assert_eq!(exit.code, Some(12), "{exit}");
    let left = "event error own tasks were not gone in time: start";
    assert!(exit.stdout.contains(left), "{exit}");
    assert!(!exit.stdout.contains("ready on"), "{exit}");
    // On the other thread the stop went its way.
    assert_in_order(
        &exit.stdout,
        &[
            "event stopping SIGTERM",
            "event hook database ok",
            "event stop",
        ],
    );
}

#[tokio::test]
async fn a_worker_that_blocks_its_thread_does_not_hold_the_process() {
    let process = short(&["--worker", "block", "--hook", "database=ok"]);
    process.ready().await;
    process.line("worker blocks").await;
    process.signal(Signal::Sigterm);
    let exit = process.exit_within(BUDGET + PATIENCE).await;
    assert_eq!(exit.code, Some(10), "{exit}");
    let events = [
        "event worker block stuck",
        "event hook database ok",
        "event stop",
    ];
    assert_in_order(&exit.stdout, &events);
    // Cut is named, in the log as well.
    let named = exit.stderr.lines().any(|line| {
        line.contains("worker=block") && line.contains("stuck=true") && line.contains("cut")
    });
    assert!(named, "{exit}");
    // And whoever reads it is told what that means.
    let told = [
        "  worker block stuck\n",
        "  stuck: cut, and still there: it blocks its thread",
    ];
    assert_in_order(&exit.stderr, &told);
}

#[tokio::test]
async fn callbacks_that_panic_change_nothing_but_the_report() {
    let args = ["start", "ready", "stopping", "stop", "error"]
        .into_iter()
        .flat_map(|callback| ["--callback", callback]);
    let process = unruly(args.chain(["--hook", "database=ok"])).start();
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(
        &exit.stdout,
        &[
            "event ready",
            "event stopping SIGTERM",
            "event hook database ok",
            "event stop",
        ],
    );
}

#[tokio::test]
async fn a_callback_that_blocks_is_named_and_what_it_holds_up_is_not_called_clean() {
    for (callback, told) in [
        ("block-stopping", "callback on_stopping has not returned"),
        ("block-stop", "callback on_stop has not returned"),
    ] {
        let process = doomed(&["--callback", callback]);
        process.ready().await;
        process.signal(Signal::Sigterm);
        let exit = process.exit().await;
        assert_eq!(exit.code, Some(12), "{callback}: {exit}");
        let last_words = exit.stderr.split_once("ending the process");
        let (_, last_words) = last_words.unwrap();
        assert!(last_words.contains(told), "{callback}: {exit}");
        assert!(!last_words.contains("clean"), "{callback}: {exit}");
    }
}

#[tokio::test]
async fn hooks_that_fail_or_panic_make_the_exit_code_11() {
    for kind in ["fail", "panic"] {
        let hook = format!("database={kind}");
        let process =
            unruly(["--hook", &hook, "--hook", "cache=ok", "--after", "database"]).start();
        process.ready().await;
        process.signal(Signal::Sigterm);
        let exit = process.exit().await;
        assert_eq!(exit.code, Some(11), "{exit}");
        assert_in_order(
            &exit.stdout,
            &[
                "event hook database",
                "event hook cache ok",
                "event error",
                "event stop",
            ],
        );
    }
}
