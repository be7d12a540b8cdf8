//! Signals from the hand of a test: first, second, third, and those that are the same one.
//!
//! What a process does about real ones is told by the process tests.

use lamplighter::{
    Cause, HookOutcome, OnDeadline, Phase, Plan, ServerEventKind, ServerHandle, Signal,
    SignalSender, SignalTaken, StartReason, signal_channel,
};
use lamplighter_harness::{Gate, Recorder, TestServer, within};
use tokio::time::advance;

use super::{Notes, hello, millis, secs};

/// Just beyond the time in which a signal is the same as the last one.
const APART: std::time::Duration = millis(301);

/// What a source listens to.
fn armed(sender: &SignalSender) -> Vec<Signal> {
    let all = Signal::ALL.into_iter();
    all.filter(|signal| sender.is_armed(*signal)).collect()
}

#[tokio::test]
async fn start_listens_to_no_signal_unless_told() {
    let (sender, source) = signal_channel();
    let server = TestServer::start(hello().signal_source(source)).await;
    assert_eq!(armed(&sender), []);
    sender.send(Signal::Sigterm);
    assert_eq!(server.get("/").await.status(), 200);
    assert_eq!(server.handle().phase(), Phase::Running);
    assert_eq!(server.stop().await.cause(), Some(&Cause::Requested(None)));
}

#[tokio::test]
async fn a_signal_that_start_was_told_of_stops_the_server() {
    let (sender, source) = signal_channel();
    let server = hello().signal_source(source).stop_on([Signal::Sigusr1]);
    let server = TestServer::start(server).await;
    assert_eq!(armed(&sender), [Signal::Sigusr1]);
    sender.send(Signal::Sigusr1);
    let report = server.wait().await;
    assert_eq!(report.cause(), Some(&Cause::Signal(Signal::Sigusr1)));
    assert_eq!(report.exit_code(), 0);
}

#[tokio::test]
async fn run_stops_on_sigterm_sigint_and_sighup_and_survives_sigusr2() {
    for signal in [Signal::Sigterm, Signal::Sigint, Signal::Sighup] {
        let (sender, source) = signal_channel();
        let server = hello().signal_source(source);
        let handle = server.handle();
        let run = tokio::spawn(server.run());
        within("the server to run", handle.reached(Phase::Running)).await;
        let all = [
            Signal::Sigterm,
            Signal::Sigint,
            Signal::Sighup,
            Signal::Sigusr2,
        ];
        assert_eq!(armed(&sender), all);
        sender.send(Signal::Sigusr2);
        sender.send(signal);
        let report = within("the end", run).await.unwrap();
        assert_eq!(report.cause(), Some(&Cause::Signal(signal)));
        assert_eq!(report.exit_code(), 0);
    }
}

/// A server whose worker never ends by itself, in a stop of an hour.
async fn stubborn(gate: &Gate) -> TestServer {
    let inside = gate.clone();
    let server = hello().plan(Plan::new().drain_timeout(secs(3600)));
    let deaf = move |_| async move { inside.pass().await };
    assert_eq!(server.worker("deaf", deaf), Ok(()));
    let server = TestServer::here().start(server).await;
    gate.reached(1).await;
    server
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_cancels_then_cuts_and_the_hooks_have_their_full_time() {
    let (gate, notes) = (Gate::new(), Notes::default());
    let server = stubborn(&gate).await;
    let recorder = Recorder::attach_to(server.handle());
    let told = notes.clone();
    server
        .handle()
        .hook(move |cx: lamplighter::HookContext| async move {
            told.note(format!("{:?}", cx.remaining()))
        })
        .unwrap();
    server.signal(Signal::Sigterm);
    server.reached(Phase::Draining).await;
    advance(APART).await;
    server.signal(Signal::Sigterm);
    let report = server.wait().await;
    // 100 ms between cancelled and the cut.
    assert_eq!(report.total(), APART + millis(100), "{}", report.timeline());
    assert_eq!(report.exit_code(), 10);
    assert_eq!(notes.taken(), ["4s"]);
    recorder.finish().await.assert_order([
        "signal SIGTERM (first)",
        "stopping SIGTERM",
        "phase draining",
        "signal SIGTERM (second)",
        "cancelled",
        "phase force-closing",
        "worker deaf cut",
        "phase running-hooks",
        "hook hook#1 ok",
        "stop",
    ]);
}

#[tokio::test(start_paused = true)]
async fn a_third_signal_abandons_hooks_that_run_and_those_that_have_not_begun() {
    let notes = Notes::default();
    let server = hello().plan(Plan::new().hooks_timeout(secs(3600)));
    let gate = Gate::new();
    let inside = gate.clone();
    let hangs = move || async move { inside.pass().await };
    server
        .hook(lamplighter::Hook::named("database", hangs))
        .unwrap();
    let told = notes.clone();
    let never = move || async move { told.note("cache") };
    server
        .hook(lamplighter::Hook::named("cache", never).after(["database"]))
        .unwrap();
    let server = TestServer::here().start(server).await;
    server.signal(Signal::Sigterm);
    gate.reached(1).await;
    for _ in 0..2 {
        advance(APART).await;
        assert_eq!(server.handle().phase(), Phase::RunningHooks);
        server.signal(Signal::Sigint);
    }
    let report = server.wait().await;
    assert_eq!(report.total(), 2 * APART, "{}", report.timeline());
    assert_eq!(report.exit_code(), 12);
    for hook in report.hooks() {
        assert_eq!(hook.outcome, Some(HookOutcome::Abandoned), "{}", hook.name);
    }
    assert_eq!(notes.taken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_third_signal_while_work_is_left_cuts_it_at_once() {
    let gate = Gate::new();
    let server = stubborn(&gate).await;
    for wait in [APART, APART, secs(0)] {
        server.signal(Signal::Sigterm);
        advance(wait).await;
    }
    let report = server.wait().await;
    assert_eq!(report.exit_code(), 12);
    assert_eq!(gate.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn signals_within_300_ms_of_the_last_one_counted_are_the_same() {
    let gate = Gate::new();
    let server = stubborn(&gate).await;
    let mut recorder = Recorder::attach_to(server.handle());
    server.signal(Signal::Sigint);
    recorder.until("signal SIGINT (first)").await;
    for wait in [0, 1, 298, 1] {
        advance(millis(wait)).await;
        // Another signal is the same as well: a wrapper may translate what it got.
        server.signal(Signal::Sigterm);
        recorder.until("signal SIGTERM (repeated)").await;
    }
    advance(millis(1)).await;
    server.signal(Signal::Sigterm);
    recorder.until("signal SIGTERM (second)").await;
    advance(millis(300)).await;
    server.signal(Signal::Sigterm);
    gate.open();
    drop(server.wait().await);
}

#[tokio::test(start_paused = true)]
async fn a_signal_during_the_start_ends_it_as_asked() {
    let notes = Notes::default();
    let server = hello();
    let gate = Gate::new();
    let inside = gate.clone();
    server
        .health()
        .check(lamplighter::Check::new("warm-up", move || {
            let inside = inside.clone();
            async move {
                inside.pass().await;
                Ok::<(), String>(())
            }
        }));
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let recorder = Recorder::attach(&server);
    let handle = server.handle();
    let start = tokio::spawn(server.start());
    gate.reached(1).await;
    handle.signal(Signal::Sigterm);
    let error = within("the end of the start", start)
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error.reason(), StartReason::Stopped), "{error:?}");
    assert_eq!(error.report().exit_code(), 0);
    assert_eq!(
        error.report().cause(),
        Some(&Cause::Signal(Signal::Sigterm))
    );
    assert_eq!(notes.taken(), ["hook"]);
    assert_eq!(gate.waiting(), 0);
    recorder
        .finish()
        .await
        .assert_announced(&["start", "stopping SIGTERM", "stop"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_during_a_stop_with_another_cause_gives_it_a_deadline_and_forces_nothing()
{
    let gate = Gate::new();
    let inside = gate.clone();
    let server = hello().plan(Plan::new().drain_timeout(secs(10)));
    server
        .worker("deaf", move |_| async move { inside.pass().await })
        .unwrap();
    let server = TestServer::here().start(server).await;
    let mut recorder = Recorder::attach_to(server.handle());
    drop(server.handle().drain());
    // For as long as it likes.
    advance(secs(3600)).await;
    assert_eq!(server.handle().phase(), Phase::Draining);
    server.signal(Signal::Sigterm);
    recorder.until("signal SIGTERM (first)").await;
    advance(secs(9)).await;
    assert_eq!(server.handle().phase(), Phase::Draining);
    let report = server.wait().await;
    assert_eq!(report.total(), secs(3610), "{}", report.timeline());
    assert_eq!(
        (report.cause(), report.exit_code()),
        (Some(&Cause::Drain), 10)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_keeps_waiting_is_forced_by_the_second_signal() {
    let gate = Gate::new();
    let inside = gate.clone();
    let server = hello().plan(Plan::new().on_deadline(OnDeadline::KeepWaiting));
    server
        .worker("deaf", move |_| async move { inside.pass().await })
        .unwrap();
    let server = TestServer::here().start(server).await;
    server.signal(Signal::Sigterm);
    advance(secs(3600)).await;
    assert_eq!(server.handle().phase(), Phase::Draining);
    server.signal(Signal::Sigterm);
    let report = server.wait().await;
    assert_eq!(
        report.total(),
        secs(3600) + millis(100),
        "{}",
        report.timeline()
    );
    assert_eq!(report.exit_code(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_failed_under_a_signal_is_told_of_once_and_shows_in_the_exit_code() {
    let server = hello();
    server.hook(|| async { Err("no") }).unwrap();
    let recorder = Recorder::attach(&server);
    let server = TestServer::here().start(server).await;
    server.signal(Signal::Sigterm);
    assert_eq!(server.wait().await.exit_code(), 11);
    let record = recorder.finish().await;
    let errors = record.calls.iter().filter(|call| call.starts_with("error"));
    assert_eq!(errors.count(), 1, "{record}");
}

#[tokio::test]
async fn a_signal_for_one_server_is_no_other_servers() {
    let mut servers = Vec::new();
    for _ in 0..16 {
        servers.push(TestServer::start(hello()).await);
    }
    let mut rest = servers.split_off(8);
    rest.iter()
        .for_each(|server| server.signal(Signal::Sigterm));
    for server in rest.drain(..) {
        assert_eq!(
            server.wait().await.cause(),
            Some(&Cause::Signal(Signal::Sigterm))
        );
    }
    for server in servers {
        assert_eq!(server.get("/").await.status(), 200);
        assert_eq!(server.stop().await.cause(), Some(&Cause::Requested(None)));
    }
}

#[tokio::test]
async fn signals_that_cannot_be_armed_fail_the_start() {
    struct Refused;
    impl lamplighter::SignalSource for Refused {
        fn arm(&mut self, _: &[Signal]) -> std::io::Result<()> {
            Err(std::io::Error::other("no more signals today"))
        }
        async fn next(&mut self) -> Option<Signal> {
            None
        }
    }
    let server = hello().signal_source(Refused).stop_on([Signal::Sigterm]);
    let handle = server.handle();
    let error = TestServer::try_start(server).await.unwrap_err();
    // Nothing is bound, and nothing can be stopped any more: it has.
    assert_eq!(handle.phase(), Phase::Stopped);
    assert_eq!(error.report().connections().accepted, 0);
    assert!(
        matches!(error.reason(), StartReason::Signals(_)),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("no more signals today"),
        "{error}"
    );
    assert_eq!(error.report().exit_code(), 69);
}

#[tokio::test(start_paused = true)]
async fn a_signal_before_the_start_is_carried_out_by_it() {
    let server = hello();
    let handle: ServerHandle = server.handle();
    let mut events = server.events();
    handle.signal(Signal::Sigterm);
    let error = server.start().await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Stopped));
    assert_eq!(
        error.report().cause(),
        Some(&Cause::Signal(Signal::Sigterm))
    );
    let first = events.next().await.unwrap();
    let expected = ServerEventKind::Signal {
        signal: Signal::Sigterm,
        taken: SignalTaken::First,
    };
    assert_eq!(first.kind, expected);
}
