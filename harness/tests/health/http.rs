//! Health over HTTP: paths, methods, the body, and who gets to see what.

use lamplighter::{Check, Healthcheck, HttpHealth, ServingStatus, StartReason};
use lamplighter_harness::{Gate, Manners, TestServer};
use serde_json::Value;

use super::{answer_on, app, ask, ends_well, healthy, status_on};

#[tokio::test]
async fn every_path_answers_and_says_so_in_json_that_is_not_to_be_kept() {
    let health = HttpHealth::default().path("/status/health");
    let server = app(&Gate::new()).protocol(Healthcheck::new().http(health));
    let server = TestServer::start(server).await;
    for path in [
        "/healthz",
        "/health",
        "/readyz",
        "/livez",
        "/status/health",
        "/healthz?verbose",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name| answer.head.header(name).unwrap_or_default();
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("content-type"), "application/json", "{path}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["status"], "SERVING", "{path}");
        assert_eq!(body["checks"], serde_json::json!({}), "{path}");
        assert!(body["uptime_s"].is_f64(), "{path}: {body}");
        assert!(body.get("memory").is_none(), "{path}: {body}");
    }
    // What is only like one of them is the application's.
    for path in ["/healthz/", "/Healthz", "//healthz", "/livez/x"] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
    ends_well(server).await;
}

#[tokio::test]
async fn only_get_and_head_are_answered_and_others_are_told_so() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    for path in ["/healthz", "/health", "/readyz", "/livez"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let mut probe = server.probe().await;
            let head = ask(&mut probe, method, path).await;
            assert_eq!(head.status, 405, "{method} {path}");
            assert_eq!(head.header("allow"), Some("GET, HEAD"));
            assert_eq!(head.header("cache-control"), Some("no-store"));
        }
        let mut probe = server.probe().await;
        let head = ask(&mut probe, "HEAD", path).await;
        assert_eq!(head.status, 200, "{path}");
        let length = head.header("content-length").unwrap_or_default();
        assert_ne!(length, "0", "{path}: as long as the answer to GET");
        // No body came: the next answer begins where this head ended.
        assert_eq!(answer_on(&mut probe, "/").await.text(), "hello");
    }
    ends_well(server).await;
}

#[tokio::test]
async fn http2_is_answered_like_http1() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    for path in ["/healthz", "/health", "/readyz", "/livez"] {
        assert_eq!(status_on(&mut probe, path).await, 200, "{path}");
    }
    assert_eq!(status_on(&mut probe, "/healthz/").await, 404);
    // Whoever stays and does not read holds a stop for a grace.
    drop(probe);
    ends_well(server).await;
}

#[tokio::test]
async fn without_the_protocol_the_paths_are_the_applications() {
    for server in [
        app(&Gate::new()),
        app(&Gate::new()).protocol(Healthcheck::new()),
    ] {
        let server = TestServer::start(server).await;
        for path in ["/healthz", "/health", "/readyz", "/livez"] {
            assert_eq!(server.get(path).await.status(), 404, "{path}");
        }
        ends_well(server).await;
    }
}

#[tokio::test]
async fn a_component_that_is_down_makes_the_server_not_ready_and_leaves_it_alive() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let health = server.handle().health();
    health.set("orders.v1.Orders", ServingStatus::NotServing);
    assert_eq!(health.status(), ServingStatus::NotServing);
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status(), 503);
    assert!(answer.text().contains("\"status\":\"NOT_SERVING\""));
    // Its name is not for everybody.
    assert!(!answer.text().contains("orders"), "{}", answer.text());
    assert_eq!(server.get("/livez").await.status(), 200);
    assert_eq!(server.get("/").await.status(), 200);
    health.set("orders.v1.Orders", ServingStatus::Serving);
    assert_eq!(server.get("/readyz").await.status(), 200);
    ends_well(server).await;
}

#[tokio::test]
async fn details_are_told_only_where_they_were_asked_for() {
    for (http, detailed) in [
        (HttpHealth::default(), false),
        (HttpHealth::default().with_details(), true),
    ] {
        let server = app(&Gate::new()).protocol(Healthcheck::new().http(http));
        let health = server.health();
        let server = TestServer::start(server).await;
        let refused = || async { Err::<(), _>("10.0.0.7 refused the password") };
        health.check(Check::new("database", refused));
        health.check(Check::new("cache", || async { Ok::<(), String>(()) }));
        health.set("orders.v1.Orders", ServingStatus::Serving);
        let answer = server.get("/readyz").await;
        assert_eq!(answer.status(), 503);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["checks"]["cache"]["ok"], true);
        assert_eq!(body["checks"]["database"]["ok"], false);
        assert!(body["checks"]["cache"]["latency_ms"].is_f64());
        let told = answer.text().contains("password");
        assert_eq!(told, detailed, "{body}");
        assert_eq!(body.get("memory").is_some(), detailed, "{body}");
        assert_eq!(answer.text().contains("orders"), detailed, "{body}");
        if detailed {
            let memory = body["memory"]["resident_bytes"].as_u64().unwrap();
            assert!(memory > 1024 * 1024, "{body}");
        }
        ends_well(server).await;
    }
}

#[tokio::test]
async fn two_servers_of_one_process_know_nothing_of_each_other() {
    let (one, other) = (healthy(&Gate::new()), healthy(&Gate::new()));
    let (one, other) = (TestServer::start(one).await, TestServer::start(other).await);
    let health = one.handle().health();
    health.set("orders.v1.Orders", ServingStatus::NotServing);
    assert_eq!(one.get("/readyz").await.status(), 503);
    assert_eq!(other.get("/readyz").await.status(), 200);
    ends_well(one).await;
    assert_eq!(other.get("/readyz").await.status(), 200);
    ends_well(other).await;
}

#[tokio::test]
async fn the_layers_of_the_application_do_not_wrap_it() {
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    let router = axum::Router::new()
        .route("/", axum::routing::get(|| async { "hello" }))
        .layer(from_fn(
            |_: axum::extract::Request, _: axum::middleware::Next| async {
                StatusCode::UNAUTHORIZED
            },
        ));
    let server = lamplighter::Server::new(router)
        .listen("127.0.0.1:0")
        .protocol(Healthcheck::new().http(HttpHealth::default()));
    let server = TestServer::start(server).await;
    assert_eq!(server.get("/").await.status(), 401);
    assert_eq!(server.get("/readyz").await.status(), 200);
    assert_eq!(server.get("/livez").await.status(), 200);
    ends_well(server).await;
}

#[tokio::test]
async fn a_path_that_is_none_is_refused_by_the_start_and_named() {
    for path in ["status", "", "/a?b", "/a b", "/livez", "/ä"] {
        let http = HttpHealth::default().path(path);
        let server = app(&Gate::new()).protocol(Healthcheck::new().http(http));
        let refused = server.check().unwrap_err();
        assert!(matches!(refused, StartReason::Protocol(_)), "{refused:?}");
        let error = TestServer::try_start(server).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{path:?}")), "{text}");
        assert!(text.contains("has to begin with `/`"), "{text}");
        assert_eq!(error.report().exit_code(), 78, "{text}");
    }
}

#[tokio::test]
async fn a_protocol_that_is_given_twice_is_refused() {
    let twice = healthy(&Gate::new()).protocol(Healthcheck::new());
    let text = twice.check().unwrap_err().to_string();
    assert!(text.contains("Healthcheck was given twice"), "{text}");
}
