//! The log lines of a server, as its own test sees them and its neighbours do not.
//!
//! **Invariant:** no test sleeps; a line is looked for once what writes it is over.
#![expect(
    clippy::unwrap_used,
    reason = "what a client of a test cannot do fails that test"
)]

#[path = "logs/left.rs"]
mod left;
#[path = "logs/readiness.rs"]
mod readiness;

use std::net::TcpListener;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use futures_util::stream;
use lamplighter::{
    Check, Healthcheck, Hook, NamedRoutes, Phase, Plan, Server, ServerEventKind, ServerHandle,
    ShutdownSignal, Signal,
};
use lamplighter_harness::{Gate, Manners, Probe, Seen, TestServer, within};
use tokio::time::advance;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tracing::{Instrument, info, info_span};
use tracing_test::traced_test;

/// A server that says so wherever its user's code runs.
fn talkative() -> Server {
    let hello = |request: Request| async move {
        info!("handles {:?} {}", request.version(), request.uri().path());
        "hello"
    };
    let server = Server::new(Router::new().fallback(get(hello))).protocol(Healthcheck::new());
    server.health().check(Check::new("pool", || async {
        info!("looks at the pool");
        Ok::<(), String>(())
    }));
    server.on_start(|| info!("told of the start"));
    server.on_ready(|_| info!("told that all is ready"));
    server.on_stopping(|_| info!("told that it stops"));
    server.on_stop(|_| info!("told of the stop"));
    server
        .worker("bus", |signal| async move {
            info!("works");
            signal.draining().await;
            info!("finishes its work");
        })
        .unwrap();
    server
        .hook(|| async { info!("cleans up beside others") })
        .unwrap();
    let blocks = Hook::blocking("disk", |_| info!("cleans up on a thread of its own"));
    server.hook(blocks).unwrap();
    server
}

/// Everything that [`talkative`] says in a life with a request over each protocol, and what the
/// runtime says itself.
const SAID: [&str; 16] = [
    "told of the start",
    "looks at the pool",
    "ready on 127.0.0.1:",
    "told that all is ready",
    "works",
    "handles HTTP/1.1 /one",
    "handles HTTP/2.0 /two",
    "stopping: stop requested, within 35.0s; requests in flight: ",
    "told that it stops",
    "finishes its work",
    "hook begins hook=hook#1",
    "cleans up beside others",
    "hook begins hook=disk",
    "cleans up on a thread of its own",
    "stop requested; clean",
    "told of the stop",
];

/// Asks for this over HTTP/2.
async fn ask_over_http2(probe: &mut Probe, path: &str) {
    probe.http2(Manners::Polite).await.unwrap();
    let stream = probe.open_stream(path).await.unwrap();
    let answered = |seen: &Seen| matches!(seen, Seen::Headers { stream: of, .. } if *of == stream);
    probe.until("the answer", answered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[traced_test]
async fn a_test_sees_whatever_is_said_for_its_server_on_any_thread() {
    let server = TestServer::start(talkative()).await;
    assert_eq!(server.get("/one").await.status(), 200);
    ask_over_http2(&mut server.probe().await, "/two").await;
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    for said in SAID {
        assert!(logs_contain(said), "nothing says {said:?}");
    }
}

#[tokio::test]
#[traced_test]
async fn a_stop_says_what_it_has_to_wait_for() {
    let gate = Gate::new();
    let inside = gate.clone();
    let held = || async move { inside.pass().await };
    let server = Server::new(Router::new().route("/", get(held))).protocol(Healthcheck::new());
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    gate.reached(1).await;
    // For this it does not wait.
    let mut health = HealthClient::new(server.grpc());
    let watch = health.watch(HealthCheckRequest::default());
    let mut watch = within("a watch", watch).await.unwrap().into_inner();
    assert!(within("a status", watch.message()).await.unwrap().is_some());
    assert_eq!(server.handle().in_flight(), 2);
    drop(server.handle().stop());
    server.reached(Phase::Draining).await;
    gate.open();
    assert!(server.wait().await.is_clean());
    let said = "stopping: stop requested, within 35.0s; requests in flight: 1, cut after 30.0s";
    assert!(logs_contain(said));
}

#[tokio::test(start_paused = true)]
#[traced_test]
async fn what_cuts_a_stop_short_and_what_fails_in_it_is_logged_when_it_happens() {
    let (held, slow) = (Gate::new(), Gate::new());
    let inside = held.clone();
    let handler = || async move { inside.pass().await };
    let server = Server::new(Router::new().route("/", get(handler)));
    server
        .hook(Hook::named("database", || async { Err("no answer") }))
        .unwrap();
    let at = slow.clone();
    let cache = Hook::named("cache", move || async move { at.pass().await });
    server.hook(cache.after(["database"])).unwrap();
    server
        .hook(Hook::named("telemetry", || async {}).after(["cache"]))
        .unwrap();
    let server = TestServer::here().start(server).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    held.reached(1).await;
    // Further apart than copies of one signal are.
    let later = || advance(Duration::from_secs(1));
    server.signal(Signal::Sigterm);
    server.reached(Phase::Draining).await;
    server.signal(Signal::Sigterm);
    later().await;
    server.signal(Signal::Sigint);
    slow.reached(1).await;
    // Long before the report, which waits for the hook behind it.
    for said in [
        "SIGTERM within 300 ms of the one before, and so taken for the same",
        "SIGINT, the second: what is in flight is cut, hooks keep their time",
        "cutting what has not ended; requests in flight: 1",
        "hook database failed: no answer after=0ns",
    ] {
        assert!(logs_contain(said), "nothing says {said:?}");
    }
    later().await;
    assert!(!logs_contain("the third"));
    server.signal(Signal::Sigterm);
    let report = server.wait().await;
    assert_eq!(report.exit_code(), 12, "{report}");
    drop(probe);
    assert!(logs_contain("SIGTERM, the third: what is left is given up"));
    assert!(logs_contain("hook cache abandoned after=1s"));
    logs_assert(|lines| {
        let of = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
        match (
            of("hook database failed"),
            of("hook telemetry abandoned after"),
            of("hook telemetry abandoned"),
        ) {
            (1, 0, 1) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
}

#[tokio::test]
#[traced_test]
async fn a_force_that_cuts_no_request_says_nothing_of_a_cut() {
    let server = Server::new(Router::new()).plan(Plan::new().lame_duck(Duration::ZERO));
    let server = TestServer::here().start(server).await;
    // It never says that it knows of the end, and so is waited for.
    let mut probe = server.probe().await;
    probe.http2(Manners::NoPong).await.unwrap();
    probe.ping(*b"are you?").await.unwrap();
    probe
        .until("the server", |seen| {
            matches!(seen, Seen::Ping { ack: true, .. })
        })
        .await;
    server.signal(Signal::Sigterm);
    server.reached(Phase::Draining).await;
    drop(server.handle().force());
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    assert!(logs_contain(
        "what is in flight is cut, hooks keep their time"
    ));
    assert!(!logs_contain("cutting what has not ended"));
}

#[tokio::test(start_paused = true)]
#[traced_test]
async fn a_log_says_how_many_cuts_it_does_not_name() {
    let gate = Gate::new();
    let inside = gate.clone();
    let held = || async move { inside.pass().await };
    let server = Server::new(Router::new().route("/", get(held)));
    let server = server.plan(Plan::new().drain_timeout(Duration::from_secs(1)));
    let server = TestServer::here().start(server).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    for _ in 0..103 {
        probe.open_stream("/").await.unwrap();
    }
    gate.reached(103).await;
    assert_eq!(server.stop().await.outcome().cut, 103);
    assert!(logs_contain("lamplighter::lifecycle: 3 more cut"));
    logs_assert(|lines| {
        let named = lines
            .iter()
            .filter(|line| line.contains(" cut connection=conn#1 "));
        match named.count() {
            100 => Ok(()),
            count => Err(format!("{count} are named")),
        }
    });
}

#[tokio::test]
#[traced_test]
async fn a_body_that_breaks_off_is_logged_with_what_the_application_says_of_it() {
    let breaks = || async {
        let no_oil = std::io::Error::other("no oil");
        Body::from_stream(stream::iter([Ok("half"), Err(no_oil)]))
    };
    let server = TestServer::spawn(Router::new().route("/", get(breaks)).layer(NamedRoutes)).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    assert_eq!(probe.end().await, Seen::Rst);
    let report = server.stop().await;
    let counts = " 0 answered, 0 cut, 1 aborted, 1 failed;";
    assert!(report.to_string().contains(counts), "{report}");
    let said = "method=GET route=\"/\" error=the body of an answer broke off: no oil";
    assert!(logs_contain(said));
}

#[tokio::test]
#[traced_test]
async fn a_handler_that_panics_is_logged_with_its_client_its_route_and_its_message() {
    // Without the panic hook's own line.
    let panics = || async {
        if true {
            resume_unwind(Box::new("no oil"))
        }
    };
    let app = Router::new()
        .route("/lamps/{id}", get(panics))
        .layer(NamedRoutes);
    let server = TestServer::spawn(app).await;
    let mut probe = server.probe().await;
    probe.request("/lamps/secret").await.unwrap();
    assert_eq!(probe.answer().await.status(), 500);
    let peer = probe.local_addr().unwrap();
    let report = server.stop().await;
    assert!(report.is_clean());
    assert!(
        report.to_string().contains(" 1 answered, 0 cut, 1 failed;"),
        "{report}"
    );
    logs_assert(|lines| {
        let said = format!(
            "request failed connection=conn#1 peer={peer} method=GET route=\"/lamps/{{id}}\" \
             error=the handler panicked: no oil"
        );
        let line = lines.iter().find(|line| line.contains("request failed"));
        match line {
            Some(line) if line.contains(&said) && !line.contains("secret") => Ok(()),
            line => Err(format!("{line:?} is not {said:?}")),
        }
    });
}

#[tokio::test]
#[traced_test]
async fn a_grace_period_that_leaves_requests_next_to_nothing_is_warned_of_when_it_starts() {
    for millis in [5_001, 6_000] {
        let plan = Plan::within(Duration::from_millis(millis));
        let server = Server::new(Router::new()).plan(plan);
        assert!(TestServer::start(server).await.stop().await.is_clean());
    }
    logs_assert(|lines| {
        let told = |line: &&&str| line.contains("to requests in flight");
        let told: Vec<_> = lines.iter().filter(told).collect();
        let said = "of a grace period of 5.0s the plan leaves 1.0ms to requests in flight";
        match told[..] {
            [line] if line.contains(said) && line.contains(" WARN ") => Ok(()),
            _ => Err(format!("{told:?}")),
        }
    });
}

#[tokio::test]
#[traced_test]
async fn what_panics_beside_requests_is_logged_once_and_with_its_name() {
    let panics = |message: &'static str| async move {
        if true {
            resume_unwind(Box::new(message))
        }
    };
    let server = Server::new(Router::new());
    let worker = server.worker("lamps", move |_: ShutdownSignal| panics("no oil"));
    worker.unwrap();
    let hook = Hook::named("wick", move || panics("no thread"));
    server.hook(hook).unwrap();
    let server = TestServer::start(server).await;
    let named = ["no oil", "no thread"];
    let ended = |it: &ServerEventKind| matches!(it, ServerEventKind::WorkerEnded { .. });
    server.event("the worker's end", ended).await;
    assert_eq!(server.stop().await.exit_code(), 11);
    logs_assert(|lines| {
        for (name, message) in ["worker lamps", "hook wick"].into_iter().zip(named) {
            let told = lines.iter().filter(|line| line.contains(message));
            let told: Vec<_> = told.filter(|line| line.contains(" ERROR ")).collect();
            if told.len() != 1 || !told.iter().all(|line| line.contains(name)) {
                return Err(format!("{told:?}"));
            }
        }
        Ok(())
    });
}

#[tokio::test]
#[traced_test]
async fn a_start_that_fails_says_why_before_its_hooks_run() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::new(Router::new()).listen(taken.local_addr().unwrap());
    let hook = Hook::named("wick", || async { info!("the wick is trimmed") });
    server.hook(hook).unwrap();
    let error = server.start().await.unwrap_err();
    assert_eq!(error.report().exit_code(), 69);
    logs_assert(|lines| {
        let at = |text: &str| lines.iter().position(|line| line.contains(text));
        let why = at(" ERROR ").filter(|why| lines[*why].contains("in use"));
        let again = lines.iter().filter(|line| line.contains("in use"));
        let again = again.filter(|line| line.contains(" ERROR ")).count();
        match (
            why,
            at("the wick is trimmed"),
            at("start failed; the stop took"),
        ) {
            (Some(why), Some(hook), Some(report)) if why < hook && hook < report && again == 1 => {
                Ok(())
            }
            other => Err(format!("{other:?}, {again} times")),
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[traced_test]
async fn of_two_servers_each_has_its_own_lines_and_none_of_the_others() {
    let (left, right) = (info_span!("left"), info_span!("right"));
    let one = TestServer::start(talkative()).instrument(left).await;
    let other = TestServer::start(talkative()).instrument(right).await;
    // Both are in use at a time, on the same threads, and stopped by code of neither span.
    one.get("/left").await;
    other.get("/right").await;
    ask_over_http2(&mut one.probe().await, "/left-too").await;
    ask_over_http2(&mut other.probe().await, "/right-too").await;
    let (one, other) = (one.stop(), other.stop());
    let (one, other) = tokio::join!(one, other);
    assert!(one.is_clean() && other.is_clean(), "{one}\n{other}");
    logs_assert(|lines| {
        for (name, theirs) in [("left", "right"), ("right", "left")] {
            let own: Vec<&&str> = lines
                .iter()
                .filter(|line| line.contains(&format!(":{name}:")))
                .collect();
            for said in SAID {
                let said = said.replace("/one", &format!("/{name}"));
                let said = said.replace("/two", &format!("/{name}-too"));
                if own.iter().filter(|line| line.contains(&said)).count() != 1 {
                    return Err(format!("{name} says {said:?} not once: {own:#?}"));
                }
            }
            let foreign = format!("/{theirs}");
            if let Some(line) = own.iter().find(|line| line.contains(&foreign)) {
                return Err(format!("{name} has a line of the other: {line}"));
            }
        }
        Ok(())
    });
}

/// A server that was stopped here and left behind by all but its handle.
async fn a_life_in(span: &'static str) -> ServerHandle {
    let server = TestServer::start(talkative())
        .instrument(info_span!("life", name = span))
        .await;
    let handle = server.handle().clone();
    assert!(server.stop().await.is_complete());
    handle
}

#[test]
fn a_span_ends_with_its_server_though_a_handle_is_kept() {
    let (write, written) = mpsc::channel();
    let subscriber = tracing_subscriber::fmt()
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_writer(move || Lines(write.clone()))
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let handle = runtime.block_on(within("a life", a_life_in("kept")));
    // What was aborted or is about to end does so in the runtime's last turn.
    drop(runtime);
    assert!(handle.report().is_complete());
    let closed = |line: Vec<u8>| String::from_utf8_lossy(&line).contains("close");
    assert_eq!(
        written
            .try_iter()
            .filter(|line| closed(line.clone()))
            .count(),
        1
    );
}

#[test]
fn a_subscriber_of_the_tests_thread_alone_hears_every_thread_of_its_server() {
    let (write, written) = mpsc::channel();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || Lines(write.clone()))
        .finish();
    let handler = || async {
        tracing::info!("by the handler");
        let blocking = tokio::task::spawn_blocking(|| tracing::info!("by a blocking task"));
        blocking.await.unwrap();
    };
    let app = Router::new().route("/", get(handler));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let report = runtime.block_on(async {
        let server = TestServer::spawn(app).await;
        server.get("/").await;
        server.stop().await
    });
    assert!(report.is_clean(), "{report}");
    let lines: Vec<u8> = written.try_iter().flatten().collect();
    let lines = String::from_utf8(lines).unwrap();
    for said in ["by the handler", "by a blocking task", "stop requested"] {
        assert!(lines.contains(said), "nothing says {said:?}: {lines}");
    }
}

/// Passes lines on.
struct Lines(mpsc::Sender<Vec<u8>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _nobody_listens = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
