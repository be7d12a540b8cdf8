//! Workers: background tasks that count as work in flight.

use lamplighter::{HookError, Phase, Plan, ServerEventKind as Event, WorkerOutcome};
use lamplighter_harness::{Gate, Recorder, TestServer, within};

use super::{Notes, hello, millis, panics, secs};

#[tokio::test]
async fn a_worker_starts_at_ready_and_is_told_to_finish() {
    let notes = Notes::default();
    let server = hello();
    let (told, handle) = (notes.clone(), server.handle());
    server
        .worker("queue", move |signal| async move {
            told.note(format!("begins in {}", handle.phase()));
            signal.draining().await;
            told.note(format!("finishes in {}", handle.phase()));
        })
        .unwrap();
    assert_eq!(notes.taken(), Vec::<String>::new());
    let server = TestServer::start(server).await;
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(notes.taken(), ["begins in running", "finishes in draining"]);
    let worker = report.workers().first().unwrap();
    assert_eq!(
        (worker.name.as_ref(), &worker.outcome),
        ("queue", &Some(WorkerOutcome::Ok))
    );
}

#[tokio::test]
async fn the_drain_waits_for_a_worker_and_hooks_wait_for_both() {
    let gate = Gate::new();
    let notes = Notes::default();
    let server = hello();
    let (inside, told) = (gate.clone(), notes.clone());
    server
        .worker("bus", move |_| async move {
            inside.pass().await;
            told.note("worker ends");
        })
        .unwrap();
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook runs") })
        .unwrap();
    let recorder = Recorder::attach(&server);
    let server = TestServer::start(server).await;
    gate.reached(1).await;
    let handle = server.handle().clone();
    let stopping = handle.stop();
    server.reached(Phase::Draining).await;
    assert_eq!(handle.phase(), Phase::Draining);
    gate.open();
    let report = within("the end", stopping).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(notes.taken(), ["worker ends", "hook runs"]);
    recorder.finish().await.assert_order([
        "worker bus ok",
        "phase force-closing",
        "hook hook#1 started",
    ]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_listen_is_cut_at_the_deadline_and_named() {
    let gate = Gate::new();
    let server = hello().plan(Plan::new().drain_timeout(secs(5)));
    let inside = gate.clone();
    server
        .worker("deaf", move |_| async move { inside.pass().await })
        .unwrap();
    let server = TestServer::here().start(server).await;
    gate.reached(1).await;
    let report = server.stop().await;
    assert_eq!(
        (report.outcome().cut, report.exit_code()),
        (1, 10),
        "{report}"
    );
    assert_eq!(report.total(), secs(5), "{}", report.timeline());
    let worker = report.workers().first().unwrap();
    assert_eq!(
        (worker.name.as_ref(), &worker.outcome),
        ("deaf", &Some(WorkerOutcome::Cut))
    );
    // Its future is gone, not only forgotten.
    assert_eq!(gate.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_hears_draining_then_cancelled_then_is_cut() {
    let notes = Notes::default();
    let server = hello().plan(Plan::new().drain_timeout(secs(10)).cancel_lead(millis(100)));
    let told = notes.clone();
    let begun = tokio::time::Instant::now();
    server
        .worker("listener", move |signal| async move {
            assert!(signal.remaining().is_none());
            signal.draining().await;
            told.note(format!(
                "draining {:?}, left {:?}",
                begun.elapsed(),
                signal.remaining()
            ));
            signal.cancelled().await;
            told.note(format!(
                "cancelled {:?}, left {:?}",
                begun.elapsed(),
                signal.remaining()
            ));
            std::future::pending::<()>().await;
        })
        .unwrap();
    let server = TestServer::here().start(server).await;
    let report = server.stop().await;
    assert_eq!(
        notes.taken(),
        [
            "draining 0ns, left Some(10s)",
            "cancelled 9.9s, left Some(100ms)"
        ]
    );
    assert_eq!(report.total(), secs(10));
}

#[tokio::test]
async fn a_worker_that_fails_or_panics_is_told_of_at_once_and_the_server_lives() {
    let server = hello();
    let mut recorder = Recorder::attach(&server);
    server.worker("a", |_| async { Err("no queue") }).unwrap();
    server.worker("b", |_| async { panics("boom") }).unwrap();
    let server = TestServer::start(server).await;
    recorder.until("worker a failed: no queue").await;
    recorder.until("worker b panicked: boom").await;
    assert_eq!(server.get("/").await.status(), 200);
    let report = server.stop().await;
    assert_eq!(report.failures().len(), 2, "{report:?}");
    let record = recorder.finish().await;
    assert_eq!(
        record.calls,
        [
            "start",
            "ready",
            "error worker a failed: no queue",
            "error worker b panicked: boom",
            "stopping stop requested",
            "stop"
        ]
    );
}

#[tokio::test]
async fn a_worker_registered_while_running_starts_at_once() {
    let gate = Gate::new();
    let server = TestServer::start(hello()).await;
    let inside = gate.clone();
    server
        .handle()
        .worker("late", move |_| async move { inside.pass().await })
        .unwrap();
    gate.reached(1).await;
    gate.open();
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_worker_is_refused_once_the_server_drains() {
    let server = hello();
    let handle = server.handle();
    let notes = Notes::default();
    let told = notes.clone();
    server
        .hook(move || async move {
            let refused = handle.worker("late", |_| async {});
            told.note(refused.unwrap_err().to_string());
        })
        .unwrap();
    let server = TestServer::start(server).await;
    let handle = server.handle().clone();
    drop(server.stop().await);
    assert_eq!(notes.taken().len(), 1);
    let refused = handle.worker("late", |_| async {});
    let phase = Phase::Stopped;
    assert_eq!(refused, Err(HookError::TooLate { phase }));
}

#[tokio::test]
async fn a_worker_of_a_start_that_failed_is_never_started() {
    let notes = Notes::default();
    let server = hello().plan(Plan::new().start_timeout(secs(0)));
    let told = notes.clone();
    server
        .worker("bus", move |_| async move { told.note("begun") })
        .unwrap();
    let recorder = Recorder::attach(&server);
    let error = TestServer::try_start(server).await.unwrap_err();
    assert_eq!(error.report().exit_code(), 78, "{error}");
    assert_eq!(notes.taken(), Vec::<String>::new());
    assert!(error.report().workers().is_empty());
    let record = recorder.finish().await;
    assert!(
        !record
            .events
            .iter()
            .any(|event| matches!(event.kind, Event::WorkerEnded { .. }))
    );
}
