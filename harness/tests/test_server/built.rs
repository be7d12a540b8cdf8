//! What a test server is given before it starts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamplighter::{
    Addr, Bind, Check, Healthcheck, HookOutcome, HttpHealth, Limits, Phase, Plan, Server, Signal,
    StartReason, signal_channel,
};
use lamplighter_harness::{Gate, Seen, TestServer};

use crate::{failure, hello, runtime};

#[tokio::test]
async fn what_a_builder_was_told_is_done_to_the_server() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let note = |text: &'static str| {
        let notes = Arc::clone(&notes);
        move || notes.lock().unwrap().push(text)
    };
    let (sender, source) = signal_channel();
    let hook = note("hook");
    let (start, ready) = (note("start"), note("ready"));
    let (stopping, stop) = (note("stopping"), note("stop"));
    let working = Gate::new();
    let inside = working.clone();
    let server = TestServer::builder()
        .plan(Plan::new().drain_timeout(Duration::from_secs(7)))
        .limits(Limits::default().max_requests_per_connection(Some(1)))
        .protocol(Healthcheck::new().http(HttpHealth::default()))
        .check(Check::new("database", || async { Ok::<(), String>(()) }))
        .signal_source(source)
        .stop_on([Signal::Sigusr1])
        .worker("sweeper", move |signal| async move {
            inside.pass().await;
            signal.draining().await;
        })
        .hook(move || async move { hook() })
        .on_start(start)
        .on_ready(move |_| ready())
        .on_stopping(move |_| stopping())
        .on_stop(move |_| stop())
        .configure(|server| server.listen(Bind::from("127.0.0.1:0").named("configured")))
        .spawn(hello())
        .await;
    assert!(server.addr_of("configured").is_some());
    working.reached(1).await;
    working.open();
    assert_eq!(server.get("/readyz").await.status(), 200);
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    assert!(probe.answer().await.head.closes());
    assert_eq!(probe.end().await, Seen::Fin);
    sender.send(Signal::Sigusr1);
    server.reached(Phase::Draining).await;
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.hooks()[0].outcome, Some(HookOutcome::Ok));
    // 7 s, 4 s for hooks, 1 s of margin.
    assert_eq!(report.budget(), Some(Duration::from_secs(12)));
    assert_eq!(
        *notes.lock().unwrap(),
        ["start", "ready", "stopping", "hook", "stop"]
    );
}

#[test]
fn a_hook_that_is_refused_fails_the_test_where_it_was_given() {
    let hook = |name: &'static str, after: &'static str| {
        lamplighter::Hook::named(name, || async {}).after([after])
    };
    let said = failure(|| {
        let builder = TestServer::builder()
            .hook(hook("a", "b"))
            .hook(hook("b", "a"));
        drop(builder.spawn(hello()));
    });
    assert!(said.contains("built.rs"), "{said}");
    assert!(said.contains("the server refused a hook"), "{said}");
}

#[tokio::test]
async fn whatever_it_was_told_a_server_listens_on_a_free_port_of_the_loopback_address() {
    for (told, loopback) in [
        ("0.0.0.0:80", "127.0.0.1"),
        ("[::]:80", "::1"),
        ("8080", "127.0.0.1"),
    ] {
        let one = TestServer::builder().listen(told).spawn(hello()).await;
        let two = TestServer::start(Server::new(hello()).listen(told)).await;
        assert_eq!(one.addr().ip().to_string(), loopback, "{told}");
        assert_ne!(one.addr(), two.addr(), "{told}");
        for server in [one, two] {
            assert_eq!(server.get("/").await.text(), "hello");
            assert!(server.stop().await.is_clean());
        }
    }
}

#[tokio::test]
async fn a_unix_socket_may_be_all_a_server_has_and_goes_with_it() {
    let server = TestServer::builder().unix("only").spawn(hello()).await;
    let Some(Addr::Unix(Some(path))) = server.addr_of("only").cloned() else {
        panic!("{:?}", server.running().addr());
    };
    assert_eq!(server.running().addr(), &Addr::Unix(Some(path.clone())));
    let said = failure(|| {
        let _none = server.addr();
    });
    assert!(said.contains("not on TCP"), "{said}");
    let directory = path.parent().unwrap().to_owned();
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    assert!(server.stop().await.is_clean());
    assert!(!directory.exists(), "{}", directory.display());
}

#[tokio::test]
async fn listeners_of_every_kind_stand_side_by_side() {
    let server = TestServer::builder()
        .listen(Bind::from("127.0.0.1:0").named("v4"))
        .listen(Bind::from("[::1]:0").named("v6"))
        .unix("local")
        .unix("an/odd name")
        .spawn(hello())
        .await;
    assert_eq!(server.addr_of("v4").unwrap().tcp(), Some(server.addr()));
    assert!(server.addr_of("v6").unwrap().tcp().unwrap().is_ipv6());
    for name in ["local", "an/odd name"] {
        let Some(Addr::Unix(Some(path))) = server.addr_of(name) else {
            panic!("{:?}", server.addr_of(name));
        };
        assert!(std::os::unix::net::UnixStream::connect(path).is_ok());
    }
    assert_eq!(server.addr_of("nobody"), None);
    assert!(server.stop().await.is_clean());
}

#[test]
fn a_start_that_fails_says_why_in_the_words_of_the_server() {
    let plan = Plan::within(Duration::from_secs(1)).lame_duck(Duration::from_secs(2));
    let server = Server::new(hello()).plan(plan.clone());
    let handle = server.handle();
    let error = runtime()
        .unwrap()
        .block_on(TestServer::try_start(server))
        .unwrap_err();
    assert!(matches!(error.reason(), StartReason::Plan(_)), "{error:?}");
    assert_eq!(handle.phase(), Phase::Stopped);
    let said = failure(|| {
        let server = Server::new(hello()).plan(plan);
        drop(runtime().unwrap().block_on(TestServer::start(server)));
    });
    assert!(said.contains("built.rs"), "{said}");
    assert!(said.contains(&error.reason().to_string()), "{said}");
}
