//! Stops: begun by anybody, any number of times, in any state; one report for all.

use std::io::ErrorKind;
use std::net::TcpListener;

use futures_util::FutureExt;
use lamplighter::{Cause, HookOutcome, Phase, ServerState, Signal, StartReason};
use lamplighter_harness::{Gate, Probe, Recorder, TestServer, within};
use tokio::sync::oneshot;

use super::{Notes, held, hello, secs};

#[tokio::test]
async fn a_stop_with_nothing_to_do_is_clean_and_the_port_is_free() {
    let server = TestServer::start(hello()).await;
    let addr = server.addr();
    let report = server.stop().await;
    assert!(report.is_clean() && report.is_complete(), "{report}");
    let refused = Probe::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    drop(TcpListener::bind(addr).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_stop_with_nothing_to_do_takes_no_time_at_all() {
    let server = hello();
    server.hook(|| async {}).unwrap();
    let report = TestServer::here().start(server).await.stop().await;
    assert_eq!(report.total(), secs(0), "{}", report.timeline());
    let phases: Vec<Phase> = report.phases().iter().map(|phase| phase.phase).collect();
    assert_eq!(phases, Phase::STOPPING);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_get_the_same_report() {
    let server = TestServer::start(hello()).await;
    let handle = server.handle().clone();
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.stop().await })
        })
        .collect();
    let report = server.stop().await;
    assert!(report.is_complete());
    for caller in callers {
        let theirs = within("the end", caller).await.unwrap();
        assert!(theirs.is_same(&report), "{theirs}");
    }
    // And whoever comes late.
    for late in [
        handle.stop().await,
        handle.wait().await,
        handle.force().await,
        handle.report(),
    ] {
        assert!(late.is_same(&report), "{late}");
    }
    assert_eq!(handle.state(), ServerState::Stopped);
}

#[tokio::test]
async fn a_stop_goes_on_when_its_future_is_dropped() {
    let server = TestServer::start(hello()).await;
    let handle = server.handle().clone();
    drop(server.running().stop());
    let report = within("the end", handle.wait()).await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn waiting_stops_nothing() {
    let server = TestServer::start(hello()).await;
    let handle = server.handle().clone();
    let waiting = tokio::spawn(async move { handle.wait().await });
    assert_eq!(server.get("/").await.status(), 200);
    assert!(!waiting.is_finished());
    let report = server.stop().await;
    assert!(within("the end", waiting).await.unwrap().is_same(&report));
}

// ---- before and without a start -----------------------------------------------------------------

#[tokio::test]
async fn a_server_can_be_stopped_without_ever_having_been_started() {
    let notes = Notes::default();
    let server = hello();
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let recorder = Recorder::attach(&server);
    let report = within("the end", server.stop()).await;
    assert!(report.is_complete() && report.is_clean(), "{report}");
    assert_eq!(notes.taken(), ["hook"]);
    recorder
        .finish()
        .await
        .assert_announced(&["stopping stop requested", "stop"]);
}

#[tokio::test]
async fn a_stop_before_the_start_is_carried_out_by_it() {
    let notes = Notes::default();
    let server = hello();
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let handle = server.handle();
    let stopping = handle.stop_because("changed my mind");
    assert_eq!(handle.state(), ServerState::Created);
    let recorder = Recorder::attach(&server);
    let error = TestServer::try_start(server).await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Stopped), "{error:?}");
    assert_eq!(error.report().exit_code(), 0);
    assert!(within("the end", stopping).await.is_same(error.report()));
    assert_eq!(notes.taken(), ["hook"]);
    let cause = "stopping stop requested: changed my mind";
    recorder.finish().await.assert_announced(&[cause, "stop"]);
}

#[tokio::test]
async fn a_stop_before_run_is_carried_out_by_it() {
    let server = hello();
    drop(server.handle().stop());
    let report = within(
        "the end",
        server.signal_source(lamplighter::signal_channel().1).run(),
    )
    .await;
    assert_eq!((report.exit_code(), report.is_complete()), (0, true));
}

#[tokio::test]
async fn a_server_that_is_dropped_unstarted_settles_its_hooks_as_not_started() {
    let notes = Notes::default();
    let server = hello();
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let handle = server.handle();
    drop(server);
    let report = within("the end", handle.wait()).await;
    assert!(report.is_complete());
    assert_eq!(report.hooks()[0].outcome, Some(HookOutcome::NotStarted));
    assert_eq!(notes.taken(), Vec::<String>::new());
    assert_eq!(handle.state(), ServerState::Stopped);
}

#[tokio::test]
async fn dropping_the_owner_stops_gracefully() {
    let gate = Gate::new();
    let server = held(&gate).start().await.unwrap();
    let handle = server.handle().clone();
    let addr = server.addr().tcp().unwrap();
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    drop(server);
    within("the drain", handle.reached(Phase::Draining)).await;
    gate.open();
    assert_eq!(probe.answer().await.text(), "let go");
    let report = within("the end", handle.wait()).await;
    assert_eq!(report.cause(), Some(&Cause::Dropped));
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn dropping_handles_and_signals_and_events_stops_nothing() {
    let server = TestServer::start(hello()).await;
    drop((
        server.handle().clone(),
        server.handle().shutdown_signal(),
        server.handle().events(),
    ));
    assert_eq!(server.get("/").await.status(), 200);
    assert_eq!(server.handle().phase(), Phase::Running);
    assert!(server.stop().await.is_clean());
}

#[test]
fn dropping_the_runtime_wakes_whoever_waits_with_the_report_so_far() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (theirs, ours) = (runtime(), runtime());
    let server = theirs.block_on(hello().start()).unwrap();
    let addr = server.addr().tcp().unwrap();
    let handle = server.handle().clone();
    let (begun, has_begun) = oneshot::channel();
    let waiting = std::thread::spawn({
        let handle = handle.clone();
        move || {
            ours.block_on(async {
                let wait = handle.wait();
                begun.send(()).unwrap();
                within("the end", wait).await
            })
        }
    });
    has_begun.blocking_recv().unwrap();
    drop(theirs);
    let report = waiting.join().unwrap();
    assert!(!report.is_complete(), "{report}");
    drop(TcpListener::bind(addr).unwrap());
    assert!(!handle.health().is_ready());
    drop(server);
}

#[test]
fn nothing_that_is_awaited_outlives_a_runtime_that_was_dropped() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (theirs, ours) = (runtime(), runtime());
    let server = theirs.block_on(hello().start()).unwrap();
    let handle = server.handle().clone();
    let mut events = handle.events();
    drop(theirs);
    ours.block_on(async {
        while within("the end of events", events.next()).await.is_some() {}
        assert_eq!(within("no events", handle.events().next()).await, None);
        within("a phase that never comes", handle.reached(Phase::Stopped)).await;
        within("a drain that never comes", handle.drain()).await;
        let report = within("a stop that nobody carries out", handle.stop()).await;
        assert!(!report.is_complete(), "{report}");
        assert!(report.is_same(&handle.wait().await));
    });
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn reached_resolves_in_a_phase_and_past_it() {
    let gate = Gate::new();
    let server = hello();
    let inside = gate.clone();
    server
        .hook(move || async move { inside.pass().await })
        .unwrap();
    let server = TestServer::here().start(server).await;
    let handle = server.handle().clone();
    server.reached(Phase::Running).await;
    drop(handle.stop());
    server.reached(Phase::RunningHooks).await;
    assert_eq!(handle.phase(), Phase::RunningHooks);
    server.reached(Phase::LameDuck).await;
    gate.open();
    server.reached(Phase::Stopped).await;
    assert!(handle.report().is_same(&server.stop().await));
}

#[tokio::test]
async fn reached_resolves_when_whoever_is_to_know_of_the_phase_has_been_told() {
    let gate = Gate::new();
    let server = hello();
    let inside = gate.clone();
    server.on_stopping(move |_| inside.pass_blocking());
    let server = TestServer::start(server).await;
    server.signal(Signal::Sigterm);
    gate.reached(1).await;
    // Connections are told after the callbacks.
    assert_eq!(server.handle().phase(), Phase::Draining);
    let told = server.handle().reached(Phase::Draining).now_or_never();
    assert_eq!(told, None);
    gate.open();
    server.reached(Phase::Draining).await;
    assert!(server.wait().await.is_clean());
}
