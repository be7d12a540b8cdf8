//! Which hooks run, when, and which are refused.

use lamplighter::{Hook, HookError, HookOutcome, Phase, Plan, StartReason};
use lamplighter_harness::{Gate, Recorder, TestServer, within};

use super::hooks::{lived, noting, outcome};
use super::{Notes, held, hello, secs};

#[tokio::test]
async fn a_hook_runs_after_those_that_it_names() {
    let notes = Notes::default();
    let server = hello();
    // Registered in the wrong order: forward references are allowed before Ready.
    server
        .hook(noting(&notes, "telemetry").after(["database", "cache"]))
        .unwrap();
    server
        .hook(noting(&notes, "cache").after(["database"]))
        .unwrap();
    server.hook(noting(&notes, "database")).unwrap();
    let report = lived(server).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(notes.taken(), ["database", "cache", "telemetry"]);
}

#[tokio::test]
async fn hooks_that_nothing_orders_run_side_by_side() {
    let gate = Gate::new();
    let server = hello();
    for _ in 0..3 {
        let inside = gate.clone();
        server
            .hook(move || async move { inside.pass().await })
            .unwrap();
    }
    let stopping = TestServer::start(server).await.stop();
    let stop = tokio::spawn(stopping);
    gate.reached(3).await;
    gate.open();
    let report = within("the end", stop).await.unwrap();
    assert_eq!(report.hooks().len(), 3);
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_cycle_is_refused_with_its_path_and_changes_nothing() {
    let notes = Notes::default();
    let server = hello();
    server.hook(noting(&notes, "a").after(["b"])).unwrap();
    server.hook(noting(&notes, "b").after(["c"])).unwrap();
    let refused = server.hook(noting(&notes, "c").after(["a"])).unwrap_err();
    let HookError::Cycle { .. } = &refused else {
        panic!("another error: {refused}")
    };
    let said = refused.to_string();
    assert!(said.contains('a') && said.contains('→'), "{said}");
    server.hook(noting(&notes, "c")).unwrap();
    assert!(lived(server).await.is_clean());
    assert_eq!(notes.taken(), ["c", "b", "a"]);
}

#[tokio::test]
async fn a_layered_graph_of_hooks_takes_no_exponential_time() {
    // 3^40 paths: whoever follows them one by one never ends.
    let server = hello();
    for layer in 0..40 {
        for place in 0..3 {
            let hook = Hook::named(format!("{layer}.{place}"), || async {});
            let below = (0..3).map(|place| format!("{}.{place}", layer - 1));
            let after: Vec<String> = if layer == 0 {
                Vec::new()
            } else {
                below.collect()
            };
            // The same edge many times is one edge.
            server.hook(hook.after(after.clone()).after(after)).unwrap();
        }
    }
    let report = lived(server).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.hooks().len(), 120);
}

#[tokio::test]
async fn a_name_that_no_hook_has_is_refused_at_start_with_the_nearest_one() {
    let notes = Notes::default();
    let server = hello();
    server.hook(noting(&notes, "database")).unwrap();
    server
        .hook(noting(&notes, "cache").after(["databse"]))
        .unwrap();
    let checked = server.check().unwrap_err().to_string();
    let error = TestServer::try_start(server).await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Hook(_)), "{error:?}");
    for word in ["cache", "databse", "database"] {
        assert!(checked.contains(word), "{checked}");
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(error.report().exit_code(), 78);
    // What was registered runs, as after any start that failed.
    let mut ran = notes.taken();
    ran.sort();
    assert_eq!(ran, ["cache", "database"]);
}

#[tokio::test]
async fn a_name_that_no_hook_has_is_refused_at_once_while_running() {
    let server = TestServer::start(hello()).await;
    let refused = server
        .handle()
        .hook(Hook::named("cache", || async {}).after(["database"]));
    assert!(
        matches!(refused, Err(HookError::Unknown { .. })),
        "{refused:?}"
    );
    assert!(server.stop().await.hooks().is_empty());
}

#[tokio::test]
async fn timeouts_that_do_not_fit_the_window_are_refused_at_start_with_their_chain() {
    let server = hello().plan(Plan::new().hooks_timeout(secs(4)));
    server
        .hook(Hook::named("a", || async {}).timeout(secs(3)))
        .unwrap();
    server
        .hook(Hook::named("b", || async {}).after(["a"]).timeout(secs(3)))
        .unwrap();
    let error = TestServer::try_start(server).await.unwrap_err();
    let said = error.to_string();
    for word in ["a", "b", "6s", "4s"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(error.report().exit_code(), 78);
}

#[tokio::test]
async fn a_hook_added_while_stopping_runs_and_one_added_later_is_refused() {
    let notes = Notes::default();
    let server = hello();
    let (handle, told) = (server.handle(), notes.clone());
    server.on_stopping(move |_| {
        handle.hook(noting(&told, "added in on_stopping")).unwrap();
    });
    let (handle, told) = (server.handle(), notes.clone());
    server
        .hook(Hook::named("first", move || async move {
            let late = handle.hook(noting(&told, "too late"));
            told.note(late.unwrap_err().to_string());
        }))
        .unwrap();
    let server = TestServer::start(server).await;
    let handle = server.handle().clone();
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.hooks().len(), 2);
    let mut notes_taken = notes.taken();
    notes_taken.sort();
    assert_eq!(notes_taken.len(), 2, "{notes_taken:?}");
    assert_eq!(notes_taken[0], "added in on_stopping");
    assert!(notes_taken[1].contains("running-hooks"), "{notes_taken:?}");
    let phase = Phase::Stopped;
    assert_eq!(handle.hook(|| async {}), Err(HookError::TooLate { phase }));
}

#[tokio::test]
async fn hooks_run_when_the_last_request_is_answered_and_the_listener_closed() {
    let gate = Gate::new();
    let notes = Notes::default();
    let server = held(&gate);
    let (handle, told) = (server.handle(), notes.clone());
    server
        .hook(move || async move {
            let connections = handle.report().connections().open;
            told.note(format!(
                "{} in flight, {connections} open",
                handle.in_flight()
            ));
        })
        .unwrap();
    let recorder = Recorder::attach(&server);
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let handle = server.handle().clone();
    let stop = tokio::spawn(server.stop());
    within("the drain", handle.reached(Phase::Draining)).await;
    assert_eq!(notes.taken(), Vec::<String>::new());
    gate.open();
    let report = within("the end", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(probe.answer().await.text(), "let go");
    assert_eq!(notes.taken(), ["0 in flight, 0 open"]);
    recorder.finish().await.assert_order([
        "listeners closed",
        "close conn#1 http/1 graceful",
        "phase force-closing",
        "hook hook#1 started",
    ]);
}

#[tokio::test]
async fn hooks_run_and_signals_fire_when_the_start_fails() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let notes = Notes::default();
    let server = hello().listen(taken.local_addr().unwrap());
    server.hook(noting(&notes, "database")).unwrap();
    let signal = server.shutdown_signal();
    let error = server.start().await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Bind(_)), "{error:?}");
    assert_eq!(notes.taken(), ["database"]);
    assert!(signal.is_draining());
    assert_eq!(outcome(error.report(), "database"), Some(HookOutcome::Ok));
}
