//! Callbacks and events: who is told what, and in which order.

use lamplighter::{Failure, Plan, ServerEventKind as Event, Signal};
use lamplighter_harness::{Gate, PATIENCE, Recorder, TestServer, within};

use super::{Notes, held, hello, panics};

#[tokio::test]
async fn a_whole_life_is_told_in_order() {
    let server = hello();
    let recorder = Recorder::attach(&server);
    server
        .hook(lamplighter::Hook::named("database", || async {}))
        .unwrap();
    let server = TestServer::start(server).await;
    assert_eq!(recorder.calls(), ["start", "ready"]);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    let record = recorder.finish().await;
    record.assert_announced(&["start", "ready", "stopping stop requested", "stop"]);
    record.assert_order([
        "phase starting",
        "start",
        "phase running",
        "ready",
        "stopping stop requested",
        "phase lame-duck",
        "phase draining",
        "listeners closed",
        "phase force-closing",
        "phase running-hooks",
        "hook database started",
        "hook database ok",
        "phase disposing",
        "stop",
    ]);
    let last = record.events.last().unwrap();
    assert_eq!(last.kind, Event::Stop, "{record}");
    // Every phase once.
    for line in record
        .lines()
        .iter()
        .filter(|line| line.starts_with("phase"))
    {
        assert_eq!(record.count(line), 1, "{record}");
    }
}

#[tokio::test]
async fn a_callback_is_told_before_the_step_it_announces_proceeds() {
    let notes = Notes::default();
    let gate = Gate::new();
    let server = held(&gate);
    let handle = server.handle();
    let note = {
        let (notes, handle) = (notes.clone(), handle.clone());
        move |name: &str| notes.note(format!("{name} in {:?}", handle.state()))
    };
    let told = note.clone();
    server.on_start(move || told("start"));
    let told = note.clone();
    server.on_ready(move |_| told("ready"));
    let (told, health) = (note.clone(), server.health());
    server.on_stopping(move |_| {
        assert!(!health.is_ready());
        told("stopping");
    });
    let told = note.clone();
    server.on_stop(move |report| {
        assert!(report.is_complete());
        told("stop");
    });
    let hook = notes.clone();
    server
        .hook(move || async move { hook.note("hook") })
        .unwrap();
    let server = TestServer::start(server).await;
    assert!(server.handle().health().is_ready());
    let report = server.stop().await;
    assert!(report.failures().is_empty(), "{report:?}");
    let expected = [
        "start in Starting",
        "ready in Running",
        "stopping in Stopping",
        "hook",
        "stop in Stopped",
    ];
    assert_eq!(notes.taken(), expected);
}

#[tokio::test]
async fn callbacks_run_in_the_order_of_their_registration() {
    let notes = Notes::default();
    let server = hello();
    for number in 0..4 {
        let told = notes.clone();
        server.on_start(move || told.note(format!("start {number}")));
        let told = notes.clone();
        server.on_stop(move |_| told.note(format!("stop {number}")));
    }
    drop(TestServer::start(server).await.stop().await);
    let expected: Vec<String> = ["start", "stop"]
        .iter()
        .flat_map(|name| (0..4).map(move |number| format!("{name} {number}")))
        .collect();
    assert_eq!(notes.taken(), expected);
}

#[tokio::test]
async fn failures_of_a_stop_are_told_once_all_together() {
    let server = hello();
    let recorder = Recorder::attach(&server);
    server.on_stopping(|_| panics("not now"));
    server
        .hook(lamplighter::Hook::named("a", || async { Err("no a") }))
        .unwrap();
    server
        .hook(lamplighter::Hook::named("b", || async { Err("no b") }).after(["a"]))
        .unwrap();
    let report = TestServer::start(server).await.stop().await;
    assert_eq!(report.exit_code(), 11);
    let record = recorder.finish().await;
    record.assert_announced(&[
        "start",
        "ready",
        "stopping stop requested",
        "error callback on_stopping panicked: not now; hook a failed: no a; hook b failed: no b",
        "stop",
    ]);
    assert_eq!(report.failures().len(), 3, "{report:?}");
}

#[tokio::test]
async fn a_panic_in_on_start_is_told_at_once_and_the_start_goes_on() {
    let server = hello();
    server.on_start(|| panics("boom"));
    let recorder = Recorder::attach(&server);
    let server = TestServer::start(server).await;
    assert_eq!(server.get("/").await.status(), 200);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    let record = recorder.finish().await;
    record.assert_announced(&[
        "start",
        "error callback on_start panicked: boom",
        "ready",
        "stopping stop requested",
        "stop",
    ]);
    let expected = Failure::Callback {
        callback: "on_start",
        message: "boom".into(),
    };
    assert_eq!(report.failures(), [expected]);
}

#[tokio::test]
async fn a_panic_in_on_ready_does_not_undo_readiness() {
    let server = hello();
    server.on_ready(|_| panics("boom"));
    let recorder = Recorder::attach(&server);
    let server = TestServer::start(server).await;
    assert!(server.handle().health().is_ready());
    assert_eq!(server.get("/").await.status(), 200);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    recorder.finish().await.assert_announced(&[
        "start",
        "ready",
        "error callback on_ready panicked: boom",
        "stopping stop requested",
        "stop",
    ]);
}

#[tokio::test]
async fn a_panic_in_on_stopping_does_not_keep_the_server_from_stopping() {
    let notes = Notes::default();
    let server = hello();
    server.on_stopping(|_| panics("boom"));
    let recorder = Recorder::attach(&server);
    let hook = notes.clone();
    server
        .hook(move || async move { hook.note("hook") })
        .unwrap();
    let server = TestServer::start(server).await;
    let (addr, signal) = (server.addr(), server.handle().shutdown_signal());
    let report = server.stop().await;
    assert!(report.is_complete());
    assert!(signal.is_draining());
    assert_eq!(notes.taken(), ["hook"]);
    let refused = lamplighter_harness::Probe::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    recorder.finish().await.assert_announced(&[
        "start",
        "ready",
        "stopping stop requested",
        "error callback on_stopping panicked: boom",
        "stop",
    ]);
}

#[tokio::test]
async fn a_panic_in_on_error_goes_to_the_report_only() {
    let server = hello();
    let recorder = Recorder::attach(&server);
    server.on_error(|_| panics("worse"));
    server.hook(|| async { Err("no") }).unwrap();
    let report = TestServer::start(server).await.stop().await;
    let record = recorder.finish().await;
    record.assert_announced(&[
        "start",
        "ready",
        "stopping stop requested",
        "error hook hook#1 failed: no",
        "stop",
    ]);
    let failures: Vec<String> = report.failures().iter().map(ToString::to_string).collect();
    assert_eq!(
        failures,
        [
            "hook hook#1 failed: no",
            "callback on_error panicked: worse"
        ]
    );
}

#[tokio::test]
async fn a_panic_in_on_stop_changes_no_report_and_nobody_waits_for_it() {
    let notes = Notes::default();
    let server = hello();
    server.on_stop(|_| panics("too late"));
    let told = notes.clone();
    server.on_stop(move |report| told.note(report.to_string()));
    let report = TestServer::start(server).await.stop().await;
    assert!(
        report.is_clean() && report.failures().is_empty(),
        "{report:?}"
    );
    assert_eq!(notes.taken(), [report.to_string()]);
}

#[tokio::test]
async fn one_callback_that_panics_does_not_keep_the_others_from_being_told() {
    let notes = Notes::default();
    let server = hello();
    let told = notes.clone();
    server.on_ready(move |_| told.note("before"));
    server.on_ready(|_| panics("boom"));
    let told = notes.clone();
    server.on_ready(move |_| told.note("after"));
    let server = TestServer::start(server).await;
    assert_eq!(notes.taken(), ["before", "after"]);
    drop(server.stop().await);
}

#[tokio::test]
async fn a_callback_may_use_every_method_of_the_handle() {
    let notes = Notes::default();
    let server = hello();
    let told = notes.clone();
    server.on_ready(move |ready| {
        let handle = ready.handle();
        told.note(format!(
            "{:?} {} {}",
            handle.state(),
            handle.phase(),
            handle.in_flight()
        ));
        let later = told.clone();
        handle.on_stopping(move |cause| later.note(format!("registered late: {cause}")));
        let later = told.clone();
        handle
            .hook(move || async move { later.note("hook") })
            .unwrap();
        drop(handle.stop_because("seen enough"));
    });
    let server = TestServer::start(server).await;
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        notes.taken(),
        [
            "Running running 0",
            "registered late: stop requested: seen enough",
            "hook"
        ]
    );
}

#[tokio::test]
async fn events_are_told_from_the_subscription_on_and_end_after_the_last() {
    let server = TestServer::start(hello()).await;
    let handle = server.handle().clone();
    let mut first = handle.events();
    let mut second = handle.events();
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    let mut told = Vec::new();
    while let Some(event) = within("an event", first.next()).await {
        told.push(event);
    }
    assert_eq!(
        told.first().unwrap().kind.to_string(),
        "stopping      stop requested"
    );
    assert_eq!(told.last().unwrap().kind, Event::Stop);
    let mut same = Vec::new();
    while let Some(event) = within("an event", second.next()).await {
        same.push(event);
    }
    assert_eq!(told, same);
    // Whoever comes after the end is told so at once.
    assert_eq!(within("the end", handle.events().next()).await, None);
}

#[tokio::test]
async fn connections_are_told_of_while_somebody_is_subscribed() {
    let server = hello();
    let mut recorder = Recorder::attach(&server);
    let server = TestServer::start(server).await;
    assert_eq!(server.get("/").await.status(), 200);
    recorder.until("open conn#1").await;
    recorder.until("close conn#1 http/1 peer-closed").await;
    let report = server.stop().await;
    assert_eq!(report.connections().accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_time_since_the_start() {
    let server = hello().plan(Plan::new().lame_duck(PATIENCE));
    let recorder = Recorder::attach(&server);
    let server = TestServer::here().start(server).await;
    tokio::time::advance(PATIENCE).await;
    server.signal(Signal::Sigterm);
    let report = server.wait().await;
    assert_eq!(report.total(), PATIENCE);
    let record = recorder.finish().await;
    let at = |kind: &str| {
        let mut lines = record.lines().into_iter().zip(&record.events);
        lines
            .find(|(line, _)| line == kind)
            .map(|(_, event)| event.at)
    };
    assert_eq!(at("start"), Some(std::time::Duration::ZERO), "{record}");
    assert_eq!(at("stopping SIGTERM"), Some(PATIENCE), "{record}");
    assert_eq!(at("phase draining"), Some(2 * PATIENCE), "{record}");
    assert_eq!(at("stop"), Some(2 * PATIENCE), "{record}");
}
