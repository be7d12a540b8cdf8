//! Waits for what a server tells: found wherever it stands, bounded, and telling what came instead.

use std::time::Duration;

use futures_util::FutureExt;
use lamplighter::{Check, ServerEventKind as Event, Signal};
use lamplighter_harness::TestServer;

use crate::hello;

const fn is_stopping(event: &Event) -> bool {
    matches!(event, Event::Stopping(_))
}

/// What waiting for this fails with; empty if it does not.
async fn failure<T>(wait: impl Future<Output = T>) -> String {
    let caught = std::panic::AssertUnwindSafe(wait).catch_unwind().await;
    let payload = caught.err();
    let text = payload.and_then(|payload| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_default()
}

#[tokio::test]
async fn an_event_is_found_whether_it_has_come_or_comes() {
    let server = TestServer::spawn(hello()).await;
    let kinds: Vec<Event> = server
        .events()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert!(
        kinds.contains(&Event::Start) && kinds.contains(&Event::Ready),
        "{kinds:?}"
    );
    let ready = server.event("ready", |event| *event == Event::Ready).await;
    let stopping = server.event("the stop", is_stopping);
    server.signal(Signal::Sigterm);
    let stopping = stopping.await;
    assert!(stopping.at >= ready.at);
    // Still there, however late somebody asks.
    server
        .event("the last event", |event| *event == Event::Stop)
        .await;
    assert_eq!(server.event("the stop", is_stopping).await, stopping);
    assert!(server.wait().await.is_clean());
}

#[tokio::test]
async fn an_event_is_found_behind_hundreds_of_others() {
    let server = TestServer::spawn(hello()).await;
    for _ in 0..150 {
        assert_eq!(server.get("/").await.status(), 200);
    }
    server.handle().hook(|| async {}).unwrap();
    server.signal(Signal::Sigterm);
    drop(server.handle().wait().await);
    let events = server.events();
    let opened = |event: &Event| matches!(event, Event::ConnectionOpened { .. });
    let count = events.iter().filter(|event| opened(&event.kind)).count();
    assert_eq!(count, 150);
    assert_eq!(events.last().unwrap().kind, Event::Stop);
    let said = failure(server.event("a second start", |_| false)).await;
    assert!(
        said.contains("before these)") && said.contains("phase"),
        "{said}"
    );
    assert!(server.wait().await.is_clean());
}

#[tokio::test]
async fn a_start_that_never_ends_is_told_with_what_was_told_so_far() {
    let never = Check::new("warm-up", std::future::pending::<Result<(), String>>);
    let builder = TestServer::builder().check(never);
    let said = failure(builder.patience(Duration::from_millis(50)).spawn(hello())).await;
    for part in ["waits.rs", "50ms for the server to start", "events so far"] {
        assert!(said.contains(part), "no {part:?}: {said}");
    }
}

#[tokio::test]
async fn an_event_that_does_not_come_is_told_with_those_that_came() {
    let mut server = TestServer::spawn(hello()).await;
    server.set_patience(Duration::from_millis(50));
    let said = failure(server.event("a stop of somebody's", is_stopping)).await;
    for part in [
        "waits.rs",
        "50ms for a stop of somebody's",
        "events so far",
        "ready",
    ] {
        assert!(said.contains(part), "no {part:?}: {said}");
    }
    assert!(server.stop().await.is_clean());
    // As patient as any: it is the end that comes.
    let server = TestServer::spawn(hello()).await;
    let never = server.event("a second start", |_| false);
    server.signal(Signal::Sigterm);
    let said = failure(never).await;
    for part in [
        "has ended without a second start",
        "stopping      SIGTERM",
        "stop",
    ] {
        assert!(said.contains(part), "no {part:?}: {said}");
    }
    assert!(server.wait().await.is_clean());
}
