//! Hooks: in order, in time, each settled exactly once, whatever the others do.

use lamplighter::{Cause, Hook, HookContext, HookOutcome, Phase, Plan, Report, Server, Signal};
use lamplighter_harness::{Gate, Recorder, TestServer, within};

use super::{Notes, hello, panics, secs};

/// A hook that notes down its name.
pub(super) fn noting(notes: &Notes, name: &'static str) -> Hook {
    let notes = notes.clone();
    Hook::named(name, move || async move { notes.note(name) })
}

async fn hang() {
    std::future::pending::<()>().await;
}

/// How a hook was settled; `None` also if there is no such hook.
pub(super) fn outcome(report: &Report, name: &str) -> Option<HookOutcome> {
    let hook = report
        .hooks()
        .iter()
        .find(|hook| hook.name.as_str() == name)?;
    hook.outcome.clone()
}

/// Starts and stops a server, at once.
pub(super) async fn lived(server: Server) -> Report {
    TestServer::here().start(server).await.stop().await
}

#[tokio::test]
async fn a_failing_hook_is_told_of_once_and_stop_still_comes() {
    let server = hello();
    let recorder = Recorder::attach(&server);
    server
        .hook(Hook::named("database", || async { Err("no connection") }))
        .unwrap();
    let report = lived(server).await;
    assert_eq!(report.exit_code(), 11);
    assert_eq!(report.outcome().hooks_not_ok, 1);
    recorder.finish().await.assert_announced(&[
        "start",
        "ready",
        "stopping stop requested",
        "error hook database failed: no connection",
        "stop",
    ]);
}

#[tokio::test(start_paused = true)]
async fn dependents_of_hooks_that_failed_panicked_or_hung_run() {
    let notes = Notes::default();
    let server = hello();
    server
        .hook(Hook::named("failed", || async { Err("no") }))
        .unwrap();
    server
        .hook(Hook::named("panicked", || async { panics("boom") }))
        .unwrap();
    server.hook(Hook::named("hung", hang)).unwrap();
    for (name, after) in [("a", "failed"), ("b", "panicked"), ("c", "hung")] {
        server.hook(noting(&notes, name).after([after])).unwrap();
    }
    let report = lived(server).await;
    assert_eq!(
        outcome(&report, "failed"),
        Some(HookOutcome::Failed("no".into()))
    );
    assert_eq!(
        outcome(&report, "panicked"),
        Some(HookOutcome::Panicked("boom".into()))
    );
    assert_eq!(outcome(&report, "hung"), Some(HookOutcome::TimedOut));
    let mut ran = notes.taken();
    ran.sort();
    assert_eq!(ran, ["a", "b", "c"]);
    assert_eq!(report.exit_code(), 11);
}

#[tokio::test]
async fn a_closure_that_panics_before_its_future_is_that_hooks_own_failure() {
    let notes = Notes::default();
    let server = hello();
    let closure = || {
        panics("at once");
        async {}
    };
    server.hook(Hook::named("same", closure)).unwrap();
    server.hook(noting(&notes, "same")).unwrap();
    let report = lived(server).await;
    assert_eq!(notes.taken(), ["same"]);
    assert_eq!(report.outcome().hooks_not_ok, 1);
    assert_eq!(
        outcome(&report, "same"),
        Some(HookOutcome::Panicked("at once".into()))
    );
}

#[tokio::test]
async fn a_blocking_hook_that_panics_is_settled_as_panicked() {
    let server = hello();
    server
        .hook(Hook::blocking("files", |_| panics("disk")))
        .unwrap();
    let report = lived(server).await;
    assert_eq!(
        outcome(&report, "files"),
        Some(HookOutcome::Panicked("disk".into()))
    );
}

#[tokio::test]
async fn the_stop_waits_for_a_slow_hook_although_another_has_failed() {
    let gate = Gate::new();
    let server = hello();
    let mut recorder = Recorder::attach(&server);
    server
        .hook(Hook::named("failing", || async { Err("no") }))
        .unwrap();
    let inside = gate.clone();
    server
        .hook(Hook::named(
            "slow",
            move || async move { inside.pass().await },
        ))
        .unwrap();
    let server = TestServer::start(server).await;
    let handle = server.handle().clone();
    let stop = tokio::spawn(server.stop());
    gate.reached(1).await;
    recorder.until("hook failing failed: no").await;
    assert_eq!(handle.phase(), Phase::RunningHooks);
    assert!(!stop.is_finished());
    gate.open();
    let report = within("the end", stop).await.unwrap();
    assert_eq!(outcome(&report, "slow"), Some(HookOutcome::Ok));
}

#[tokio::test(start_paused = true)]
async fn a_hung_hook_gets_its_fair_share_of_the_time_and_no_more() {
    let notes = Notes::default();
    let server = hello().plan(Plan::new().hooks_timeout(secs(6)));
    server.hook(Hook::named("database", hang)).unwrap();
    let (told, begun) = (notes.clone(), tokio::time::Instant::now());
    let second = move |cx: HookContext| async move {
        told.note(format!(
            "cache after {:?}, has {:?}",
            begun.elapsed(),
            cx.remaining()
        ));
        hang().await;
    };
    server
        .hook(Hook::named("cache", second).after(["database"]))
        .unwrap();
    let (told, begun) = (notes.clone(), tokio::time::Instant::now());
    let third = move |cx: HookContext| async move {
        told.note(format!(
            "telemetry after {:?}, has {:?}",
            begun.elapsed(),
            cx.remaining()
        ));
    };
    server
        .hook(Hook::named("telemetry", third).after(["cache"]))
        .unwrap();
    let report = lived(server).await;
    // 6 s for three in a row; what one leaves goes to those after it.
    assert_eq!(
        notes.taken(),
        ["cache after 2s, has 2s", "telemetry after 4s, has 2s"]
    );
    assert_eq!(outcome(&report, "telemetry"), Some(HookOutcome::Ok));
    assert_eq!(report.total(), secs(4), "{}", report.timeline());
}

#[tokio::test(start_paused = true)]
async fn a_hook_with_a_timeout_of_its_own_is_settled_by_it() {
    let server = hello();
    server
        .hook(Hook::named("short", hang).timeout(secs(1)))
        .unwrap();
    let report = lived(server).await;
    assert_eq!(outcome(&report, "short"), Some(HookOutcome::TimedOut));
    assert_eq!(report.total(), secs(1), "{}", report.timeline());
}

#[tokio::test(start_paused = true)]
async fn hooks_that_all_hang_take_their_window_and_no_more() {
    let server = hello().plan(Plan::new().hooks_timeout(secs(3)));
    for name in ["a", "b", "c"] {
        server.hook(Hook::named(name, hang)).unwrap();
    }
    let report = lived(server).await;
    assert_eq!(report.outcome().hooks_not_ok, 3);
    assert_eq!(report.total(), secs(3), "{}", report.timeline());
}

#[tokio::test]
async fn an_aborted_hooks_future_is_dropped_before_the_stop_ends() {
    let gate = Gate::new();
    let server = hello();
    let inside = gate.clone();
    let hook = Hook::named("database", move || async move { inside.pass().await });
    server
        .hook(hook.timeout(std::time::Duration::from_millis(1)))
        .unwrap();
    let report = lived(server).await;
    assert_eq!(outcome(&report, "database"), Some(HookOutcome::TimedOut));
    assert_eq!((gate.arrived(), gate.waiting()), (1, 0));
    assert!(!report.hooks()[0].still_running);
}

#[tokio::test]
async fn an_async_hook_that_blocks_its_thread_is_left_and_named() {
    let gate = Gate::new();
    let notes = Notes::default();
    let server = hello().plan(Plan::new().hooks_timeout(secs(1)));
    let inside = gate.clone();
    let blocks = Hook::named("database", move || async move { inside.pass_blocking() });
    server.hook(blocks).unwrap();
    server
        .hook(noting(&notes, "cache").after(["database"]))
        .unwrap();
    let builder = TestServer::builder().worker_threads(2);
    let builder = builder.allow_leaks("the hook is released after the end");
    let server = builder.start(server).await;
    let handle = server.handle().clone();
    let report = server.stop().await;
    gate.open();
    assert_eq!(outcome(&report, "database"), Some(HookOutcome::TimedOut));
    assert!(report.hooks()[0].still_running, "{report:?}");
    assert_eq!(notes.taken(), ["cache"]);
    assert!(handle.report().is_same(&report));
}

#[tokio::test]
async fn a_blocking_hook_runs_beside_the_runtime() {
    let gate = Gate::new();
    let notes = Notes::default();
    let server = hello();
    let (inside, told) = (gate.clone(), notes.clone());
    server
        .hook(Hook::blocking("files", move |cx: HookContext| {
            inside.pass_blocking();
            told.note(format!("{} {}", cx.cause(), cx.remaining() > secs(0)));
            Ok::<(), std::io::Error>(())
        }))
        .unwrap();
    let stop = tokio::spawn(TestServer::start(server).await.stop());
    // This runtime has one thread: were it blocked, the gate would never be opened.
    gate.reached(1).await;
    gate.open();
    let report = within("the end", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(notes.taken(), ["stop requested true"]);
}

#[tokio::test]
async fn a_blocking_hook_that_is_timed_out_is_left_running_and_named() {
    let gate = Gate::new();
    let notes = Notes::default();
    let server = hello();
    let (inside, told) = (gate.clone(), notes.clone());
    let blocks = Hook::blocking("files", move |cx: HookContext| {
        inside.pass_blocking();
        told.note(format!("given up: {}", cx.is_abandoned()));
        drop(told);
    });
    server
        .hook(blocks.timeout(std::time::Duration::from_millis(20)))
        .unwrap();
    server
        .hook(noting(&notes, "cache").after(["files"]))
        .unwrap();
    let builder = TestServer::here().allow_leaks("the hook is released after the end");
    let report = builder.start(server).await.stop().await;
    assert_eq!(outcome(&report, "files"), Some(HookOutcome::TimedOut));
    assert!(report.hooks()[0].still_running, "{report:?}");
    assert_eq!(notes.taken(), ["cache"]);
    gate.open();
    gate.empty().await;
}

#[tokio::test]
async fn the_report_names_every_hook_with_its_time_and_its_outcome() {
    let server = hello();
    server.hook(|| async {}).unwrap();
    server
        .hook(Hook::named("database", || async { Err("no") }))
        .unwrap();
    let report = lived(server).await;
    let hooks: Vec<(&str, String)> = report
        .hooks()
        .iter()
        .map(|hook| {
            (
                hook.name.as_str(),
                hook.outcome.as_ref().unwrap().to_string(),
            )
        })
        .collect();
    assert_eq!(
        hooks,
        [("hook#1", "ok".into()), ("database", "failed: no".into())]
    );
    for hook in report.hooks() {
        assert!(hook.started.is_some());
        assert!(hook.took <= report.total());
    }
    let timeline = report.timeline().to_string();
    assert!(
        timeline.contains("hook          database failed: no"),
        "{timeline}"
    );
}

#[tokio::test]
async fn a_hook_is_told_why_and_by_whom() {
    let notes = Notes::default();
    let server = hello();
    let told = notes.clone();
    server
        .hook(move |cx: HookContext| async move {
            assert_eq!(cx.cause(), &Cause::Signal(Signal::Sigint));
            assert!(cx.remaining() <= secs(4) && cx.remaining() > secs(0));
            told.note(format!("{} {}", cx.cause(), cx.handle().phase()));
        })
        .unwrap();
    let server = TestServer::start(server).await;
    server.signal(Signal::Sigint);
    assert!(server.wait().await.is_clean());
    assert_eq!(notes.taken(), ["SIGINT running-hooks"]);
}

#[tokio::test]
async fn a_hook_that_waits_for_the_stop_it_is_part_of_gets_the_report_so_far() {
    let notes = Notes::default();
    let server = hello();
    let (handle, told) = (server.handle(), notes.clone());
    server
        .hook(move || async move {
            let so_far = handle.stop().await;
            told.note(format!("complete: {}", so_far.is_complete()));
            let so_far = handle.wait().await;
            told.note(format!("complete: {}", so_far.is_complete()));
        })
        .unwrap();
    let report = lived(server).await;
    assert!(report.is_clean() && report.is_complete(), "{report}");
    assert_eq!(notes.taken(), ["complete: false", "complete: false"]);
}

#[tokio::test]
async fn every_hook_is_settled_exactly_once() {
    let server = hello();
    let recorder = Recorder::attach(&server);
    server.hook(Hook::named("ok", || async {})).unwrap();
    server
        .hook(Hook::named("failed", || async { Err("no") }).after(["ok"]))
        .unwrap();
    server
        .hook(Hook::named("panicked", || async { panics("boom") }).after(["ok"]))
        .unwrap();
    let short = std::time::Duration::from_millis(1);
    server
        .hook(
            Hook::named("hung", hang)
                .timeout(short)
                .after(["failed", "panicked"]),
        )
        .unwrap();
    drop(lived(server).await);
    let record = recorder.finish().await;
    for (name, how) in [
        ("ok", "ok"),
        ("failed", "failed: no"),
        ("panicked", "panicked: boom"),
        ("hung", "timed out"),
    ] {
        assert_eq!(record.count(&format!("hook {name} started")), 1, "{record}");
        assert_eq!(record.count(&format!("hook {name} {how}")), 1, "{record}");
        let about = format!("hook {name} ");
        let settled = record
            .lines()
            .iter()
            .filter(|line| {
                line.starts_with(&about) && !line.ends_with("started") && !line.ends_with("gone")
            })
            .count();
        assert_eq!(settled, 1, "{record}");
    }
}
