//! Stops that are asked for from inside: by handlers, workers and callbacks of the server itself.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use futures_util::FutureExt;
use lamplighter::{Cause, Phase, Server, ServerHandle};
use lamplighter_harness::{Gate, Recorder, TestServer, within};

use super::{Notes, hello};

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

#[tokio::test]
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
    let server = TestServer::builder().worker_threads(2).start(server).await;
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
