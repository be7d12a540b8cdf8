//! What the log says of a server that ceases to be ready while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use lamplighter::{Check, Healthcheck, HttpHealth, Server, ServingStatus};
use lamplighter_harness::TestServer;
use tokio::time::advance;
use tracing_test::traced_test;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
#[traced_test]
async fn a_check_that_turns_red_is_logged_with_its_reason_and_once_it_is_green_again() {
    let red = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&red);
    let ping = move || {
        let answer = if asked.load(Ordering::SeqCst) {
            Err("connection refused")
        } else {
            Ok(())
        };
        async move { answer }
    };
    let health = Healthcheck::new().http(HttpHealth::default());
    let server = Server::new(Router::new()).protocol(health);
    server
        .health()
        .check(Check::new("database", ping).cache_for(Duration::ZERO));
    let server = TestServer::here().start(server).await;
    const RED: (&str, &str) = (
        " WARN ",
        "not ready any more: check database is red: connection refused",
    );
    const GREEN: (&str, &str) = (" INFO ", "check database is green again");
    let lines = |expected: &'static [(&str, &str)]| {
        logs_assert(move |lines: &[&str]| {
            let of_it: Vec<_> = lines
                .iter()
                .filter(|line| line.contains("check database"))
                .collect();
            let is_said = |(line, (level, text)): (&&&str, &(&str, &str))| {
                line.contains(level) && line.ends_with(text)
            };
            if of_it.len() == expected.len() && of_it.iter().zip(expected).all(is_said) {
                Ok(())
            } else {
                Err(format!("{expected:?}, and not {lines:#?}"))
            }
        });
    };
    lines(&[]);
    red.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(server.get("/readyz").await.status(), 503);
        lines(&[RED]);
    }
    // It changes its mind faster than anybody reads.
    for green in [true, false, true] {
        red.store(!green, Ordering::SeqCst);
        let status = if green { 200 } else { 503 };
        assert_eq!(server.get("/readyz").await.status(), status);
        lines(&[RED]);
    }
    advance(SECOND).await;
    assert_eq!(server.get("/readyz").await.status(), 200);
    lines(&[RED, GREEN]);
    advance(SECOND).await;
    red.store(true, Ordering::SeqCst);
    assert_eq!(server.get("/readyz").await.status(), 503);
    lines(&[RED, GREEN, RED]);
    assert!(server.stop().await.is_clean());
}

#[tokio::test(start_paused = true)]
#[traced_test]
async fn a_component_that_is_set_to_something_else_is_logged_while_the_server_is_ready() {
    let server = Server::new(Router::new());
    let health = server.health();
    health.set("orders.v1.Orders", ServingStatus::NotServing);
    health.set("orders.v1.Orders", ServingStatus::Serving);
    health.set("cache", ServingStatus::NotServing);
    assert!(!logs_contain("is set to"));
    let server = TestServer::here().start(server).await;
    for status in [ServingStatus::NotServing, ServingStatus::NotServing] {
        health.set("orders.v1.Orders", status);
    }
    health.set("", ServingStatus::NotServing);
    logs_assert(|lines: &[&str]| {
        let set = lines.iter().filter(|line| line.contains(" is set to "));
        let ends: Vec<&str> = set
            .filter_map(|line| line.split("lamplighter::health: ").nth(1))
            .collect();
        if ends
            == [
                "cache is set to NOT_SERVING",
                "orders.v1.Orders is set to NOT_SERVING",
                "the server is set to NOT_SERVING",
            ]
        {
            Ok(())
        } else {
            Err(format!("{lines:#?}"))
        }
    });
    assert!(server.stop().await.is_clean());
    health.set("", ServingStatus::Serving);
    assert!(!logs_contain("set to SERVING"));
}
