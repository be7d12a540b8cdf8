//! A report as JSON: what collectors of reports read.
//!
//! **Invariant:** times are virtual, so that every number is known.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter::{ConnectionEnd, Hook, Plan, Server};
use lamplighter_harness::{Gate, TestServer};
use serde_json::{Value, json};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_as_json_says_what_happened_and_nothing_else() {
    let router = Router::new().route("/", get(|| async { "hello" }));
    let server = Server::new(router).plan(Plan::new().lame_duck(secs(5)));
    server.hook(Hook::named("database", || async {})).unwrap();
    let server = TestServer::here().start(server).await;
    assert_eq!(server.get("/").await.status(), 200);
    let report = server.stop().await;
    let text = report.to_json();
    assert!(!text.contains('\n'), "one line");
    let read: Value = serde_json::from_str(&text).unwrap();
    let phase = |phase, began, took| json!({"phase": phase, "began_ms": began, "took_ms": took});
    let expected = json!({
        "complete": true,
        "cause": "stop requested",
        "clean": true,
        "exit_code": 0,
        "total_ms": 5000.0,
        "budget_ms": 40000.0,
        "stalled_ms": 0.0,
        "outcome": {
            "cut": 0,
            "stuck": 0,
            "hooks_not_ok": 0,
            "abandoned": false,
            "start_failure": null,
            "stopped_before_ready": false,
            "listener_failed": false,
        },
        "phases": [
            phase("lame-duck", 0.0, 5000.0),
            phase("draining", 5000.0, 0.0),
            phase("force-closing", 5000.0, 0.0),
            phase("running-hooks", 5000.0, 0.0),
            phase("disposing", 5000.0, 0.0),
        ],
        "longest_phase": "lame-duck",
        "connections": {
            "accepted": 1,
            "open": 0,
            "ends": read["connections"]["ends"],
            "requests": {
                "begun": 1,
                "answered": 1,
                "cut": 0,
                "aborted": 0,
                "failed": 0,
                "late_unprocessed": 0,
                "refused_retryable": 0,
            },
            "cut": [],
            "cut_unnamed": 0,
            "turned_away": 0,
        },
        "hooks": [{
            "name": "database",
            "outcome": "ok",
            "started_ms": 5000.0,
            "took_ms": 0.0,
            "still_running": false,
        }],
        "workers": [],
        "failures": [],
    });
    assert_eq!(read, expected);
    let ends = read["connections"]["ends"].as_object().unwrap();
    let sum: u64 = ends.values().filter_map(Value::as_u64).sum();
    assert_eq!((ends.len(), sum), (ConnectionEnd::ALL.len(), 1), "{ends:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_cut_and_what_failed_is_named_in_json_and_for_people() {
    let gate = Gate::new();
    let at = gate.clone();
    let held = move || {
        let gate = at.clone();
        async move { gate.pass().await }
    };
    let server = Server::new(Router::new().route("/held", get(held)));
    let server = server.plan(Plan::new().drain_timeout(secs(2)));
    let failing = || async { Err::<(), _>("said \"no\"\n") };
    server.hook(Hook::named("database", failing)).unwrap();
    let server = TestServer::here().start(server).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let report = server.stop().await;
    let read: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(read["clean"], false, "{read}");
    assert_eq!(read["exit_code"], 11, "{read}");
    assert_eq!(read["outcome"]["cut"], 1, "{read}");
    let cut = &read["connections"]["cut"][0];
    assert_eq!(cut["method"], "GET", "{read}");
    assert_eq!(cut["protocol"], "http/1", "{read}");
    assert_eq!(cut["at_ms"], 2000.0, "{read}");
    let peer = probe.local_addr().unwrap().to_string();
    assert_eq!(cut["peer"], peer, "{read}");
    assert_eq!(read["hooks"][0]["outcome"], "failed: said \"no\"\n");
    assert_eq!(read["failures"][0], "hook database failed: said \"no\"\n");
    let details = report.details().to_string();
    let lines: Vec<&str> = details.lines().collect();
    assert_eq!(lines[0], report.to_string());
    let expected = [
        "  hook database failed: said \"no\"\\n, after 0.0ns".to_owned(),
        format!("  1 http/1 GET cut, the oldest after 2.000s ({peer})"),
    ];
    assert_eq!(lines[1..3], expected, "{details}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_took_longer_than_it_had_is_told_so() {
    let server = Server::new(Router::new());
    // As if every thread had been blocked for a minute.
    let blocks = || tokio::time::advance(secs(60));
    server.hook(Hook::named("database", blocks)).unwrap();
    let report = TestServer::here().start(server).await.stop().await;
    let details = report.details().to_string();
    let told = "  the stop took 60.0s and had 35.0s: its threads were blocked, or the process was stopped, for ";
    assert!(details.contains(told), "{details}");
}

#[tokio::test(start_paused = true)]
async fn of_a_hook_that_timed_out_while_all_was_blocked_it_is_told_that_it_may_have_had_no_turn() {
    let server = Server::new(Router::new());
    let blocks = || async {
        tokio::time::advance(secs(3)).await;
        std::future::pending::<()>().await;
    };
    let hook = Hook::named("database", blocks).timeout(secs(1));
    server.hook(hook).unwrap();
    let report = TestServer::here().start(server).await.stop().await;
    assert!(report.total() < report.budget().unwrap(), "{report}");
    let details = report.details().to_string();
    let told = "\n  its threads were blocked, or the process was stopped, for 2.0s or more: \
                a hook that timed out may have had no turn";
    assert!(details.contains(told), "{details}");
}

#[tokio::test(start_paused = true)]
async fn of_a_hook_that_timed_out_it_is_told_what_its_time_was() {
    let given = Hook::named("given", std::future::pending::<()>).timeout(secs(1));
    let shared = Hook::named("shared", std::future::pending::<()>).after(["given"]);
    let server = Server::new(Router::new());
    server.hook(given).unwrap();
    server.hook(shared).unwrap();
    let report = TestServer::here().start(server).await.stop().await;
    let details = report.details().to_string();
    let lines: Vec<&str> = details.lines().skip(1).collect();
    let expected = [
        "  hook given timed out, after 1.0s: its timeout is 1s",
        "  hook shared timed out, after 3.0s: its share of hooks_timeout",
    ];
    assert_eq!(lines, expected, "{details}");
    let timeouts: Vec<_> = report.hooks().iter().map(|hook| hook.timeout).collect();
    assert_eq!(timeouts, [Some(secs(1)), None]);
}
