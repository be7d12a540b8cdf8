//! Values of the user's that panic when the server lets go of them: the end comes all the same.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter::{Check, Hook, HookError, HookOutcome, Plan, Server, Signal};
use lamplighter_harness::{Gate, TestServer, within};
use tokio::time::advance;

use super::Bomb;

fn hello() -> Server {
    Server::new(Router::new().route("/", get(|| async { "hello" }))).listen("127.0.0.1:0")
}

/// Registers two of everything that is never run, each with a bomb: two in one list, or in two lists
/// that go the same way, would end the process.
fn mined(server: &Server) -> Result<(), HookError> {
    for number in 0..2 {
        let bomb = Bomb;
        let name = format!("hook-{number}");
        let hook = Hook::named(name, move || async move { drop(bomb) });
        server.hook(hook)?;
        let bomb = Bomb;
        let worker = move |_| async move { drop(bomb) };
        server.worker(format!("worker-{number}"), worker)?;
        let bomb = Bomb;
        server.on_error(move |_| _ = &bomb);
        let bomb = Bomb;
        server.on_stop(move |_| _ = &bomb);
        let bomb = Bomb;
        server
            .health()
            .check(Check::new(format!("check-{number}"), move || {
                let _ = &bomb;
                async { Ok::<(), String>(()) }
            }));
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_never_starts_ends_though_all_it_holds_panics_when_dropped() {
    let server = hello();
    let handle = server.handle();
    mined(&server).unwrap();
    drop(server);
    let report = within("the end", handle.wait()).await;
    assert!(report.is_complete(), "{report}");
    let outcomes: Vec<_> = report.hooks().iter().map(|hook| &hook.outcome).collect();
    assert_eq!(outcomes, [&Some(HookOutcome::NotStarted); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_abandoned_ends_though_all_it_holds_panics_when_dropped() {
    let server = hello().plan(Plan::new().drain_timeout(Duration::ZERO));
    let gate = Gate::new();
    let inside = gate.clone();
    let first = Hook::named("first", move || async move { inside.pass().await });
    server.hook(first).unwrap();
    for number in 0..2 {
        let bomb = Bomb;
        let later = Hook::named(format!("later-{number}"), move || async move { drop(bomb) });
        server.hook(later.after(["first"])).unwrap();
        let bomb = Bomb;
        server.on_error(move |_| _ = &bomb);
    }
    let server = TestServer::here().start(server).await;
    let handle = server.handle().clone();
    handle.signal(Signal::Sigterm);
    gate.reached(1).await;
    for _ in 0..2 {
        advance(Duration::from_millis(301)).await;
        handle.signal(Signal::Sigterm);
    }
    let report = server.wait().await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.exit_code(), 12, "{report}");
}
