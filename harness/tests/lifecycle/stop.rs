//! Stops: begun by anybody, any number of times, in any state; one report for all.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use futures_util::FutureExt;
use lamplighter::{
    Cause, ConnectionEnd, HookOutcome, OnDeadline, Phase, Plan, Server, ServerHandle, ServerState,
    StartReason,
};
use lamplighter_harness::{Gate, Probe, Recorder, Seen, TestServer, within};
use tokio::sync::oneshot;
use tokio::time::advance;

use super::{Notes, held, hello, millis, secs};

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
    let report = TestServer::start(server).await.stop().await;
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

// ---- from inside --------------------------------------------------------------------------------

/// A server whose `/stop` asks for the stop that it is part of, and waits for it.
fn suicidal() -> (Server, Notes) {
    let notes = Notes::default();
    let (hand, told) = (
        Arc::new(std::sync::OnceLock::<ServerHandle>::new()),
        notes.clone(),
    );
    let known = Arc::clone(&hand);
    let handler = move || {
        let (known, told) = (Arc::clone(&known), told.clone());
        async move {
            if let Some(handle) = known.get() {
                let report = handle.stop().await;
                told.note(format!("complete: {}", report.is_complete()));
            }
            "stopping"
        }
    };
    let server = Server::new(Router::new().route("/stop", get(handler))).listen("127.0.0.1:0");
    let _first = hand.set(server.handle());
    (server, notes)
}

#[tokio::test]
async fn a_handler_that_waits_for_the_stop_it_asked_for_gets_the_report_so_far() {
    let (server, notes) = suicidal();
    let server = TestServer::start(server).await;
    let answer = server.get("/stop").await;
    assert_eq!((answer.status(), answer.text()), (200, "stopping".into()));
    assert!(answer.head.closes(), "{answer:?}");
    let report = server.wait().await;
    assert!(report.is_clean() && report.is_complete(), "{report}");
    assert_eq!(notes.taken(), ["complete: false"]);
}

#[tokio::test]
async fn a_worker_that_waits_for_the_stop_it_asked_for_gets_the_report_so_far() {
    let notes = Notes::default();
    let server = hello();
    let (handle, told) = (server.handle(), notes.clone());
    server
        .worker("watchdog", move |_| async move {
            let report = handle.stop_because("seen enough").await;
            told.note(format!("complete: {}", report.is_complete()));
        })
        .unwrap();
    let server = TestServer::start(server).await;
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(notes.taken(), ["complete: false"]);
}

#[tokio::test]
async fn a_callback_may_ask_for_the_stop_again() {
    let server = hello();
    let handle = server.handle();
    server.on_stopping(move |_| drop(handle.stop_because("me too")));
    let recorder = Recorder::attach(&server);
    let report = TestServer::start(server).await.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.cause(), Some(&Cause::Requested(None)));
    let record = recorder.finish().await;
    record.assert_announced(&["start", "ready", "stopping stop requested", "stop"]);
    assert_eq!(
        record.count("stop again stop requested: me too"),
        1,
        "{record}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_its_thread_right_after_stop_does_not_hold_up_the_stop() {
    let gate = Gate::new();
    let hand = Arc::new(std::sync::OnceLock::<ServerHandle>::new());
    let (known, inside) = (Arc::clone(&hand), gate.clone());
    let handler = move || {
        let (known, inside) = (Arc::clone(&known), inside.clone());
        async move {
            drop(known.get().map(ServerHandle::stop));
            inside.pass_blocking();
            "stopping"
        }
    };
    let server = Server::new(Router::new().route("/stop", get(handler))).listen("127.0.0.1:0");
    hand.set(server.handle()).unwrap();
    let mut recorder = Recorder::attach(&server);
    // Spawned, so that the test's own thread is no worker of the server's.
    let server = tokio::spawn(TestServer::start(server)).await.unwrap();
    let mut probe = server.probe().await;
    probe.request("/stop").await.unwrap();
    gate.reached(1).await;
    recorder.until("listeners closed").await;
    gate.open();
    assert_eq!(probe.answer().await.status(), 200);
    assert!(server.wait().await.is_clean());
}

#[tokio::test]
async fn a_handler_that_waits_for_the_drain_it_asked_for_does_not_wait_for_itself() {
    let hand = Arc::new(std::sync::OnceLock::<ServerHandle>::new());
    let known = Arc::clone(&hand);
    let handler = move || {
        let known = Arc::clone(&known);
        async move {
            match known.get() {
                Some(handle) => handle.drain().await,
                None => std::future::pending().await,
            }
            "draining"
        }
    };
    let server = Server::new(Router::new().route("/drain", get(handler))).listen("127.0.0.1:0");
    hand.set(server.handle()).unwrap();
    let server = TestServer::start(server).await;
    let answer = server.get("/drain").await;
    assert_eq!(answer.text(), "draining");
    assert!(answer.head.closes(), "{answer:?}");
    within("the drain", server.handle().drain()).await;
    assert_eq!(server.handle().phase(), Phase::Draining);
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_callback_that_waits_for_the_stop_it_is_told_of_gets_the_report_so_far() {
    let notes = Notes::default();
    let server = hello();
    let (handle, told) = (server.handle(), notes.clone());
    server.on_stopping(move |_| {
        let report = handle.stop().now_or_never();
        told.note(format!(
            "complete: {:?}",
            report.map(|report| report.is_complete())
        ));
    });
    assert!(TestServer::start(server).await.stop().await.is_clean());
    assert_eq!(notes.taken(), ["complete: Some(false)"]);
}

#[tokio::test]
async fn another_servers_handler_waits_for_the_whole_stop() {
    let other = TestServer::start(hello()).await;
    let handle = other.handle().clone();
    let handler = move || {
        let handle = handle.clone();
        async move { format!("complete: {}", handle.stop().await.is_complete()) }
    };
    let server = Server::new(Router::new().route("/stop", get(handler))).listen("127.0.0.1:0");
    let server = TestServer::start(server).await;
    assert_eq!(server.get("/stop").await.text(), "complete: true");
    assert!(server.stop().await.is_clean());
    assert!(other.wait().await.is_clean());
}

// ---- owners -------------------------------------------------------------------------------------

#[tokio::test]
async fn dropping_the_owner_stops_gracefully() {
    let gate = Gate::new();
    let server = TestServer::start(held(&gate)).await;
    let handle = server.handle().clone();
    let mut probe = server.probe().await;
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
    let server = theirs.block_on(TestServer::start(hello()));
    let (addr, handle) = (server.addr(), server.handle().clone());
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
    let server = theirs.block_on(TestServer::start(hello()));
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

// ---- work in flight -----------------------------------------------------------------------------

#[tokio::test]
async fn a_request_in_flight_is_answered_and_its_connection_closed() {
    let gate = Gate::new();
    let server = TestServer::start(held(&gate)).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    assert_eq!(server.handle().in_flight(), 1);
    let stop = tokio::spawn(server.stop());
    gate.open();
    let answer = probe.answer().await;
    assert_eq!((answer.status(), answer.text()), (200, "let go".into()));
    assert_eq!(probe.end().await, Seen::Fin);
    let report = within("the end", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let connections = report.connections();
    assert_eq!(
        (
            connections.accepted,
            connections.ended(ConnectionEnd::Graceful)
        ),
        (1, 1)
    );
    assert_eq!(
        (connections.tally.begun, connections.tally.answered),
        (1, 1)
    );
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut_and_named() {
    let gate = Gate::new();
    let server = held(&gate).plan(Plan::new().drain_timeout(millis(200)));
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let report = server.stop().await;
    assert_eq!(
        (report.exit_code(), report.outcome().cut),
        (10, 1),
        "{report}"
    );
    assert_eq!(report.connections().cut.len(), 1);
    assert!(report.total() >= millis(200), "{report}");
    // A body that was cut never looks complete.
    assert_eq!(probe.end().await, Seen::Rst);
    gate.empty().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_delays_nothing() {
    let server = TestServer::start(hello()).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(
        report.connections().ended(ConnectionEnd::Idle),
        1,
        "{:?}",
        report.connections()
    );
}

#[tokio::test]
async fn force_cuts_and_the_hooks_run() {
    let (gate, notes) = (Gate::new(), Notes::default());
    let server = held(&gate).plan(Plan::new().drain_timeout(secs(3600)));
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let handle = server.handle().clone();
    let stopping = handle.stop();
    within("the drain", handle.reached(Phase::Draining)).await;
    drop(handle.force());
    let report = within("the end", stopping).await;
    assert_eq!(
        (report.exit_code(), report.cause()),
        (10, Some(&Cause::Requested(None)))
    );
    assert_eq!(notes.taken(), ["hook"]);
    assert_eq!(probe.end().await, Seen::Rst);
    drop(server);
}

#[tokio::test]
async fn a_drain_waits_without_a_deadline_and_the_hooks_wait_for_a_stop() {
    let (gate, notes) = (Gate::new(), Notes::default());
    let server = held(&gate);
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let handle = server.handle().clone();
    let drained = tokio::spawn(handle.drain());
    within("the drain", handle.reached(Phase::Draining)).await;
    assert!(!drained.is_finished());
    gate.open();
    assert_eq!(probe.answer().await.text(), "let go");
    within("the drain's end", drained).await.unwrap();
    assert_eq!(handle.phase(), Phase::Draining);
    assert_eq!(notes.taken(), Vec::<String>::new());
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (notes.taken(), report.cause()),
        (vec!["hook".into()], Some(&Cause::Drain))
    );
}

#[tokio::test]
async fn a_lame_duck_serves_and_says_that_it_will_close() {
    let server = hello().plan(Plan::new().lame_duck(millis(400)));
    let server = TestServer::start(server).await;
    let health = server.handle().health();
    let stopping = server.running().stop();
    assert!(!health.is_ready());
    // A new connection, accepted after the cause.
    let answer = server.get("/").await;
    assert_eq!(answer.status(), 200);
    let report = within("the end", stopping).await;
    assert!(report.is_clean(), "{report}");
    assert!(report.total() >= millis(400), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_keeps_waiting_waits_as_long_as_it_takes() {
    let gate = Gate::new();
    let server = hello().plan(Plan::new().on_deadline(OnDeadline::KeepWaiting));
    let inside = gate.clone();
    server
        .worker("patient", move |_| async move { inside.pass().await })
        .unwrap();
    let server = TestServer::start(server).await;
    gate.reached(1).await;
    let handle = server.handle().clone();
    let stopping = handle.stop();
    advance(secs(86_400)).await;
    assert_eq!(handle.phase(), Phase::Draining);
    assert_eq!(handle.report().budget(), None);
    gate.open();
    let report = within("the end", stopping).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.total(), secs(86_400));
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_report_add_up() {
    let gate = Gate::new();
    let plan = Plan::new()
        .lame_duck(secs(2))
        .drain_timeout(secs(3))
        .hooks_timeout(secs(4));
    let server = hello().plan(plan);
    let inside = gate.clone();
    server
        .worker("deaf", move |_| async move { inside.pass().await })
        .unwrap();
    server
        .hook(|| async { std::future::pending::<()>().await })
        .unwrap();
    let server = TestServer::start(server).await;
    gate.reached(1).await;
    let report = server.stop().await;
    let phases: Vec<(Phase, std::time::Duration)> = report
        .phases()
        .iter()
        .map(|phase| (phase.phase, phase.took))
        .collect();
    let expected = [
        (Phase::LameDuck, secs(2)),
        (Phase::Draining, secs(3)),
        (Phase::ForceClosing, secs(0)),
        (Phase::RunningHooks, secs(4)),
        (Phase::Disposing, secs(0)),
    ];
    assert_eq!(phases, expected, "{}", report.timeline());
    assert_eq!((report.total(), report.budget()), (secs(9), Some(secs(10))));
}

#[tokio::test(start_paused = true)]
async fn reached_resolves_in_a_phase_and_past_it() {
    let gate = Gate::new();
    let server = hello();
    let inside = gate.clone();
    server
        .hook(move || async move { inside.pass().await })
        .unwrap();
    let server = TestServer::start(server).await;
    let handle = server.handle().clone();
    server.reached(Phase::Running).await;
    drop(handle.stop());
    server.reached(Phase::RunningHooks).await;
    assert_eq!(handle.phase(), Phase::RunningHooks);
    server.reached(Phase::LameDuck).await;
    gate.open();
    server.reached(Phase::Stopped).await;
    assert!(handle.report().is_complete());
}
