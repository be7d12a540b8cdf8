//! Servers that leave something behind, and the tests that fail for it.
//!
//! **Invariant:** every message is read: a leak that fails a test says whose it is.

use std::any::Any;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};

use axum::Router;
use axum::routing::get;
use futures_util::FutureExt;
use lamplighter::{Addr, Check, Server};
use lamplighter_harness::TestServer;

/// What a failed test says; empty if it has not failed.
fn failure<T>(end: Result<T, Box<dyn Any + Send>>) -> String {
    let said = |payload: Box<dyn Any + Send>| payload.downcast::<String>().ok();
    end.err()
        .and_then(said)
        .map_or_else(String::new, |said| *said)
}

async fn failed<T>(test: impl Future<Output = T>) -> String {
    failure(AssertUnwindSafe(test).catch_unwind().await)
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "fine" }))
        .route("/leak", get(async || drop(tokio::spawn(pending::<()>()))))
}

#[tokio::test]
async fn a_task_that_is_left_fails_the_stop_and_names_its_request() {
    let server = TestServer::spawn(app()).await;
    server.get("/").await;
    server.get("/leak").await;
    let said = failed(server.stop()).await;
    assert!(said.contains("leaks.rs"), "{said}");
    assert!(said.contains("it leaked: 1 task is left"), "{said}");
    let whose = "; tasks were spawned while: GET /leak was being handled (1)";
    assert!(said.ends_with(whose), "{said}");
    let place = concat!(" spawned at ", file!(), ":");
    assert_eq!(said.contains(place), cfg!(tokio_unstable), "{said}");
}

#[tokio::test]
async fn a_task_that_is_left_fails_the_drop_and_the_wait_as_well() {
    let server = TestServer::spawn(app()).await;
    server.get("/leak").await;
    let said = failure(catch_unwind(AssertUnwindSafe(|| drop(server))));
    assert!(said.contains("it leaked: 1 task is left"), "{said}");

    let server = TestServer::start(Server::new(app())).await;
    server.get("/leak").await;
    drop(server.handle().stop());
    let said = failed(server.wait()).await;
    assert!(said.contains("it leaked: 1 task is left"), "{said}");
    assert!(!said.contains("being handled"), "{said}");
}

#[tokio::test]
async fn a_test_that_fails_already_shows_its_own_failure_before_a_leak() {
    let server = TestServer::spawn(app()).await;
    server.get("/leak").await;
    let test = || {
        let _server = server;
        std::panic::resume_unwind(Box::new(String::from("my own")));
    };
    assert_eq!(failure(catch_unwind(AssertUnwindSafe(test))), "my own");
}

#[tokio::test]
async fn leaks_that_are_allowed_fail_nothing() {
    let builder = TestServer::builder().allow_leaks("it is what this test is about");
    let server = builder.spawn(app()).await;
    server.get("/leak").await;
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn an_object_that_is_watched_must_be_gone_wherever_the_server_lives() {
    for builder in [TestServer::builder(), TestServer::here()] {
        let (early, late) = (Arc::new("early"), Arc::new("late"));
        let server = builder.watch("early", &early).spawn(app()).await;
        server.watch("late", &late);
        let said = failed(server.stop()).await;
        let whose = "it leaked: `early` still has 1 holder; `late` still has 1 holder";
        assert!(said.ends_with(whose), "{said}");
        drop((early, late));
    }
}

#[tokio::test]
async fn what_the_application_alone_holds_goes_with_the_server() {
    for builder in [TestServer::builder(), TestServer::here()] {
        let pool = Arc::new("a pool");
        let builder = builder.watch("pool", &pool);
        let hook = Arc::clone(&pool);
        let app = app().route("/pool", get(async move || *pool));
        let builder = builder.hook(async move || drop(hook));
        let server = builder.spawn(app).await;
        assert_eq!(server.get("/pool").await.text(), "a pool");
        assert!(server.stop().await.is_clean());
    }
}

#[tokio::test]
async fn a_test_may_leave_tasks_of_its_own_beside_a_server_in_its_runtime() {
    let server = TestServer::here().spawn(app()).await;
    let task = tokio::spawn(pending::<()>());
    assert!(server.stop().await.is_clean());
    task.abort();
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_that_somebody_puts_in_the_place_of_the_servers_fails_the_test() {
    let server = TestServer::builder().unix("admin").spawn(app()).await;
    let path = match server.addr_of("admin") {
        Some(Addr::Unix(Some(path))) => path.clone(),
        other => panic!("{other:?}"),
    };
    let replaces = async move || {
        let _gone = std::fs::remove_file(&path);
        std::os::unix::net::UnixListener::bind(&path).map(drop)
    };
    server.handle().hook(replaces).unwrap();
    let said = failed(server.stop()).await;
    assert!(said.contains("it leaked: the Unix socket "), "{said}");
}

#[tokio::test]
async fn a_start_that_fails_may_leave_nothing_either() {
    let red = || async {
        drop(tokio::spawn(pending::<()>()));
        Err("red")
    };
    let plan = lamplighter::Plan::new().ready_timeout(std::time::Duration::from_millis(10));
    let builder = TestServer::builder()
        .plan(plan)
        .check(Check::new("red", red));
    let said = failed(builder.try_start(Server::new(app()))).await;
    assert!(said.contains("the server did not start: "), "{said}");
    assert!(said.contains("; and it leaked: "), "{said}");
}

#[tokio::test]
async fn blocking_code_that_is_left_fails_the_test() {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let blocks = async move || {
        let waits = move || released.lock().unwrap().recv();
        drop(tokio::task::spawn_blocking(waits));
    };
    let server = TestServer::spawn(app().route("/block", get(blocks))).await;
    server.get("/block").await;
    let said = failed(server.stop()).await;
    assert!(said.ends_with("or in a task that blocks: 1"), "{said}");
    drop(release);
}

#[tokio::test]
async fn whole_process_is_refused_for_a_server_that_lives_with_its_test() {
    let builder = TestServer::builder().whole_process().here();
    let said = failed(builder.spawn(app())).await;
    assert!(said.contains("`whole_process` is for a server"), "{said}");
}
