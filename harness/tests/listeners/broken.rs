//! Listeners that break for good, while the server starts, runs and stops.

use std::io;

use lamplighter::{Addr, Bind, Cause, Failure, Listener, OnListenerError, Phase, Plan, Report};
use lamplighter::{Server, StartReason};
use lamplighter_harness::{Recorder, within};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{ask, hello, secs, started, stopped, tcp};

/// Accepts nobody, and breaks when it is told to.
struct Fragile(oneshot::Receiver<()>);

impl Listener for Fragile {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Addr)> {
        // Whoever would tell may be gone as well.
        drop((&mut self.0).await);
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::Named("fragile".to_owned()))
    }
}

fn fragile() -> (oneshot::Sender<()>, Bind) {
    let (breaks, broken) = oneshot::channel();
    (breaks, Bind::listener(Fragile(broken)).named("door"))
}

fn failures(report: &Report) -> Vec<&str> {
    let mut named = Vec::new();
    for failure in report.failures() {
        if let Failure::Listener { listener, .. } = failure {
            named.push(&**listener);
        }
    }
    named
}

fn going_on() -> Plan {
    Plan::new().on_listener_error(OnListenerError::Continue)
}

#[tokio::test]
async fn a_listener_that_breaks_stops_the_server_and_is_the_cause() {
    let (breaks, bind) = fragile();
    let server = hello().listen("127.0.0.1:0").listen(bind);
    let running = started(server).await;
    let (mut probe, _) = ask(tcp(running.addr()), "/").await;
    let handle = running.handle().clone();
    drop(breaks);
    let report = within("the end", running.wait()).await;
    assert!(!handle.health().is_ready());
    assert_eq!(report.exit_code(), 69, "{report}");
    let cause = Cause::ListenerFailed("door on fragile".into());
    assert_eq!(report.cause(), Some(&cause));
    assert_eq!(failures(&report), ["door on fragile"]);
    // Gracefully all the same.
    assert!(probe.end().await.is_end());
    assert_eq!(report.outcome().cut, 0);
}

#[tokio::test]
async fn a_server_that_may_goes_on_with_the_listeners_that_are_left() {
    let (breaks, bind) = fragile();
    let (breaks_too, last) = fragile();
    let server = hello()
        .plan(going_on())
        .listen(bind)
        .listen(last.named("window"));
    let mut recorder = Recorder::attach(&server);
    let running = started(server).await;
    drop(breaks);
    recorder
        .until("error listener door on fragile failed: broken pipe")
        .await;
    assert!(running.handle().health().is_ready());
    assert_eq!(running.handle().phase(), Phase::Running);
    assert!(
        recorder
            .calls()
            .iter()
            .any(|call| call.starts_with("error"))
    );
    drop(breaks_too);
    let report = within("the end", running.wait()).await;
    assert_eq!(report.exit_code(), 69, "{report}");
    assert_eq!(failures(&report), ["door on fragile", "window on fragile"]);
}

#[tokio::test]
async fn a_server_that_went_on_is_served_stopped_and_clean() {
    let (breaks, bind) = fragile();
    let server = hello().plan(going_on()).listen("127.0.0.1:0").listen(bind);
    let mut recorder = Recorder::attach(&server);
    let running = started(server).await;
    drop(breaks);
    recorder
        .until("error listener door on fragile failed: broken pipe")
        .await;
    assert_eq!(ask(tcp(running.addr()), "/").await.1.status(), 200);
    let report = stopped(running).await;
    assert_eq!((report.exit_code(), failures(&report).len()), (0, 1));
}

#[tokio::test]
async fn a_listener_that_breaks_in_the_lame_duck_costs_the_exit_code() {
    let (breaks, bind) = fragile();
    let server: Server = hello()
        .plan(Plan::new().lame_duck(secs(1)))
        .listen("127.0.0.1:0")
        .listen(bind);
    let running = started(server).await;
    let stop = running.stop();
    let phase = running.handle().reached(Phase::LameDuck);
    within("the lame duck", phase).await;
    drop(breaks);
    // The other door is open to the end.
    assert_eq!(ask(tcp(running.addr()), "/").await.1.status(), 200);
    let report = within("the end", stop).await;
    assert_eq!((report.exit_code(), failures(&report).len()), (69, 1));
    assert_eq!(report.cause(), Some(&Cause::Requested(None)));
    assert!(report.total() >= secs(1), "{report}");
}

#[tokio::test]
async fn a_listener_that_breaks_at_once_fails_the_start_with_its_name() {
    let (breaks, bind) = fragile();
    drop(breaks);
    let server = hello().listen("127.0.0.1:0").listen(bind);
    let red = lamplighter::Check::new("database", || async { Err("not today") });
    server.health().check(red);
    let error = within("the failure", server.start()).await.unwrap_err();
    let reason = error.reason();
    assert!(
        matches!(reason, StartReason::ListenerFailed(_)),
        "{error:?}"
    );
    assert!(error.to_string().contains("door on fragile"), "{error}");
    assert_eq!(error.report().exit_code(), 69);
}
