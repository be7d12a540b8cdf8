//! What a server leaves in its process: descriptors, and threads that nobody counts.
//!
//! **Invariant:** one test alone: whatever the process holds is the doing of its servers.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};

use axum::Router;
use axum::routing::get;
use lamplighter_harness::TestServer;
use tokio::runtime::{Builder, Runtime};

/// Lives with a server until everybody has let go; says what is wrong with its end.
fn visit(runtime: &Runtime, app: &Router, path: &str) -> String {
    let builder = TestServer::builder().whole_process();
    let server = runtime.block_on(builder.spawn(app.clone()));
    let answer = runtime.block_on(server.get(path));
    assert_eq!(answer.status(), 200);
    let end = catch_unwind(AssertUnwindSafe(|| drop(server))).err();
    let said = end.and_then(|payload| payload.downcast::<String>().ok());
    said.map_or_else(String::new, |said| *said)
}

#[test]
fn descriptors_and_threads_that_a_handler_leaves_are_found_and_no_others() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let files = Arc::new(Mutex::new(Vec::new()));
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let kept = Arc::clone(&files);
    let open = async move || kept.lock().unwrap().push(File::open("/dev/null").unwrap());
    let waits = Arc::clone(&released);
    let start = async move || {
        let wait = move || waits.lock().unwrap().recv();
        drop(std::thread::spawn(wait));
    };
    let app = Router::new()
        .route("/", get(|| async { "fine" }))
        .route("/open", get(open))
        .route("/start", get(start));

    assert_eq!(visit(&runtime, &app, "/"), "");

    let said = visit(&runtime, &app, "/open");
    assert!(said.contains("it leaked: descriptor "), "{said}");
    assert!(said.ends_with(" is still open on /dev/null"), "{said}");
    files.lock().unwrap().clear();

    let said = visit(&runtime, &app, "/start");
    assert!(said.ends_with("something in it has started: 1"), "{said}");
    drop(release);

    assert_eq!(visit(&runtime, &app, "/"), "");
}
