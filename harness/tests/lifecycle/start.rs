//! Starts: ready, failed, stopped; and that nothing is left of one that did not make it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lamplighter::{
    Addr, Cause, Check, HookOutcome, Network, Phase, Plan, ServerState, StartError, StartReason,
    TcpNetwork,
};
use lamplighter_harness::{Gate, Probe, Recorder, TestServer, own_loopback, within};

use tokio::time::advance;

use super::refused::{refuses, taken};
use super::{Notes, held, hello, millis, panics, secs};

#[tokio::test]
async fn a_server_that_has_started_answers_at_once() {
    let server = TestServer::start(hello()).await;
    assert_eq!(server.handle().state(), ServerState::Running);
    assert!(server.handle().health().is_ready());
    let answer = server.get("/").await;
    assert_eq!((answer.status(), answer.text()), (200, "hello".into()));
    let report = server.stop().await;
    assert_eq!(report.connections().tally.answered, 1);
}

/// A check that is never green, in its way.
fn never_green(kind: &'static str) -> Check {
    Check::new(kind, move || async move {
        match kind {
            "panics" => panics("boom"),
            "hangs" => std::future::pending().await,
            _ => {}
        }
        Err("pool is empty")
    })
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_red_hangs_or_panics_fails_the_start_in_time_and_is_named() {
    for (kind, why) in [
        ("red", "pool is empty"),
        ("hangs", "no answer"),
        ("panics", "boom"),
    ] {
        let server = hello();
        server
            .health()
            .check(Check::new("green", || async { Ok::<(), String>(()) }));
        server.health().check(never_green(kind));
        let (handle, begun) = (server.handle(), tokio::time::Instant::now());
        let recorder = Recorder::attach(&server);
        let error = TestServer::here().try_start(server).await.unwrap_err();
        assert!(
            matches!(error.reason(), StartReason::NotReady(_)),
            "{error:?}"
        );
        for word in [kind, why, "3s"] {
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(!error.to_string().contains("green"), "{error}");
        assert_eq!((begun.elapsed(), error.after()), (secs(3), secs(3)));
        assert_eq!(error.report().exit_code(), 69);
        assert_eq!(handle.state(), ServerState::Stopped);
        assert_eq!(recorder.finish().await.calls.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_turns_green_lets_the_server_be_ready() {
    let server = hello();
    let begun = tokio::time::Instant::now();
    server
        .health()
        .check(Check::new("warm-up", move || async move {
            if begun.elapsed() < secs(2) {
                Err("not yet")
            } else {
                Ok(())
            }
        }));
    let server = TestServer::here().start(server).await;
    assert!(begun.elapsed() >= secs(2) && begun.elapsed() < secs(3));
    assert!(server.stop().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_process_is_frozen_is_not_that_of_the_checks() {
    let server = hello();
    let green = Arc::new(AtomicBool::new(false));
    let is_green = Arc::clone(&green);
    server.health().check(Check::new("warm-up", move || {
        let is_green = is_green.load(Ordering::Relaxed);
        async move { is_green.then_some(()).ok_or("not yet") }
    }));
    let freeze = async {
        for _ in 0..100 {
            advance(millis(10)).await;
        }
        advance(secs(60)).await;
        for _ in 0..100 {
            advance(millis(10)).await;
        }
        green.store(true, Ordering::Relaxed);
    };
    let (server, ()) = tokio::join!(TestServer::here().start(server), freeze);
    assert!(server.stop().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_only_after_ready_does_not_stop_the_server() {
    let server = hello();
    let notes = Notes::default();
    let asked = notes.clone();
    server.health().check(Check::new("once", move || {
        asked.note("asked");
        async { Ok::<(), String>(()) }
    }));
    let server = TestServer::here().start(server).await;
    assert_eq!(notes.taken(), ["asked"]);
    assert!(server.stop().await.is_clean());
}

/// Never binds anything.
#[derive(Default)]
struct Hangs(Gate);

impl Network for Hangs {
    type Listener = <TcpNetwork as Network>::Listener;

    fn bind(&self, _: &Addr) -> impl Future<Output = io::Result<Self::Listener>> + Send {
        let gate = self.0.clone();
        async move {
            gate.pass().await;
            Err(io::Error::other("never"))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_over_after_its_timeout() {
    let gate = Gate::new();
    let notes = Notes::default();
    let server = hello()
        .network(Hangs(gate.clone()))
        .plan(Plan::new().start_timeout(secs(7)));
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let begun = tokio::time::Instant::now();
    let error = within("the end of the start", server.start())
        .await
        .unwrap_err();
    assert!(
        matches!(error.reason(), StartReason::TimedOut(_)),
        "{error:?}"
    );
    assert!(error.to_string().contains("7s"), "{error}");
    assert_eq!(begun.elapsed(), secs(7));
    assert_eq!((gate.arrived(), gate.waiting()), (1, 0));
    assert_eq!(notes.taken(), ["hook"]);
    assert_eq!(error.report().exit_code(), 69);
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_the_start_gives_it_a_second_and_no_more() {
    let gate = Gate::new();
    let server = hello().network(Hangs(gate.clone()));
    let handle = server.handle();
    let recorder = Recorder::attach(&server);
    let start = tokio::spawn(server.start());
    gate.reached(1).await;
    let begun = tokio::time::Instant::now();
    let report = within("the end", handle.stop()).await;
    assert!(begun.elapsed() <= secs(1), "{:?}", begun.elapsed());
    assert!(
        report.is_clean() && report.outcome().stopped_before_ready,
        "{report}"
    );
    let details = report.details().to_string();
    let told = "  it was not ready yet: its checks had not passed, or its start was under way";
    assert_eq!(details.lines().nth(1), Some(told), "{details}");
    let error: StartError = within("the start", start).await.unwrap().unwrap_err();
    assert!(matches!(error.reason(), StartReason::Stopped), "{error:?}");
    assert!(error.report().is_same(&report));
    recorder
        .finish()
        .await
        .assert_announced(&["start", "stopping stop requested", "stop"]);
}

#[tokio::test]
async fn until_ready_the_application_answers_503_and_the_connection_lives() {
    let (gate, addr) = (Gate::new(), taken().unwrap().1);
    let server = hello().listen(addr);
    let inside = gate.clone();
    server.health().check(Check::new("warm-up", move || {
        let inside = inside.clone();
        async move {
            inside.pass().await;
            Ok::<(), String>(())
        }
    }));
    let handle = server.handle();
    let start = tokio::spawn(server.start());
    gate.reached(1).await;
    assert_eq!(handle.phase(), Phase::Starting);
    // Bound in the order of `listen`: by now both are.
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/").await.unwrap();
    let answer = probe.answer().await;
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert!(!answer.head.closes(), "{answer:?}");
    gate.open();
    let running = within("the start", start).await.unwrap().unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
    assert!(running.stop().await.is_clean());
}

#[tokio::test]
async fn dropping_the_start_stops_the_server_in_the_background() {
    let gate = Gate::new();
    let notes = Notes::default();
    let server = hello().network(Hangs(gate.clone()));
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let handle = server.handle();
    let start = tokio::spawn(server.start());
    gate.reached(1).await;
    start.abort();
    let report = within("the end", handle.wait()).await;
    assert_eq!(report.cause(), Some(&Cause::Dropped));
    assert!(report.is_complete() && report.is_clean(), "{report}");
    assert_eq!(notes.taken(), ["hook"]);
    assert_eq!(gate.waiting(), 0);
}

#[tokio::test]
async fn dropping_the_start_before_it_was_polled_settles_the_hooks_as_not_started() {
    let server = hello();
    server.hook(|| async {}).unwrap();
    let handle = server.handle();
    drop(server.start());
    let report = within("the end", handle.wait()).await;
    assert_eq!(report.hooks()[0].outcome, Some(HookOutcome::NotStarted));
}

#[tokio::test]
async fn on_ready_may_stop_the_server_and_ready_is_told_all_the_same() {
    let server = hello();
    server.on_ready(|ready| drop(ready.handle().stop_because("seen enough")));
    let recorder = Recorder::attach(&server);
    let server = TestServer::start(server).await;
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    recorder.finish().await.assert_announced(&[
        "start",
        "ready",
        "stopping stop requested: seen enough",
        "stop",
    ]);
}

#[tokio::test]
async fn a_check_may_stop_the_server_and_wait_for_it() {
    let notes = Notes::default();
    let server = hello();
    let (handle, told) = (server.handle(), notes.clone());
    server.health().check(Check::new("suspicious", move || {
        let (handle, told) = (handle.clone(), told.clone());
        async move {
            let report = handle.stop_because("not on this machine").await;
            told.note(format!("complete: {}", report.is_complete()));
            Ok::<(), String>(())
        }
    }));
    let handle = server.handle();
    let error = TestServer::try_start(server).await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Stopped), "{error:?}");
    assert_eq!(error.report().exit_code(), 0);
    assert!(handle.report().is_complete());
    // The start was told to end, and the check with it, or it came back with what it knew then.
    let told = notes.taken();
    assert!(told.is_empty() || told == ["complete: false"], "{told:?}");
}

#[tokio::test]
async fn on_start_may_stop_the_server() {
    let server = hello();
    let handle = server.handle();
    server.on_start(move || drop(handle.stop()));
    let recorder = Recorder::attach(&server);
    let error = TestServer::try_start(server).await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Stopped), "{error:?}");
    assert_eq!(error.report().exit_code(), 0);
    recorder
        .finish()
        .await
        .assert_announced(&["start", "stopping stop requested", "stop"]);
}

#[test]
fn a_server_made_on_one_runtime_runs_on_another() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let server = first.block_on(async {
        let server = hello();
        server.hook(|| async {}).unwrap();
        server
    });
    drop(first);
    let report = second.block_on(async {
        let server = TestServer::here().start(server).await;
        assert_eq!(server.get("/").await.status(), 200);
        server.stop().await
    });
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn many_servers_live_in_one_process() {
    let mut servers = Vec::new();
    for _ in 0..50 {
        servers.push(TestServer::start(hello()).await);
    }
    let addrs: std::collections::BTreeSet<SocketAddr> =
        servers.iter().map(TestServer::addr).collect();
    assert_eq!(addrs.len(), 50);
    for server in servers {
        assert_eq!(server.get("/").await.status(), 200);
        assert!(server.stop().await.is_clean());
    }
}

#[tokio::test]
async fn a_server_listens_on_every_address_it_was_given() {
    let server = hello().listen(own_loopback()).listen("[::1]:0");
    let gate = Gate::new();
    drop(held(&gate));
    let running = server.start().await.unwrap();
    let Addr::Tcp(first) = *running.addr() else {
        panic!("{:?}", running.addr())
    };
    let mut probe = Probe::connect(first).await.unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
    drop(probe);
    let report = running.stop().await;
    assert!(report.is_clean(), "{report}");
    assert!(refuses(first).await);
    assert!(report.total() < secs(10) + millis(0));
}
