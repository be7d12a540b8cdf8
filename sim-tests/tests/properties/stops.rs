//! Many who stop one server, from everywhere and in any order: one stop, and one report for all.
//!
//! **Invariant:** whoever asks from outside gets a report; it is the one that `run()` returns.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::Request;
use lamplighter::{
    Hook, Phase, Report, Server, ServerEventKind, ServerHandle, ShutdownSignal, Signal,
};
use lamplighter_sim::{BoxError, Host, Origin, Run, Visit, scenario};
use proptest::collection::vec;
use proptest::prelude::Just;
use proptest::prop_oneof;
use proptest::strategy::Strategy;

use crate::stage::holds;

/// Somebody who stops the server.
#[derive(Clone, Copy, Debug)]
struct Caller {
    from: Seat,
    /// When: since the call of the start; for hooks, since their own.
    at_ms: u64,
    asks: Asks,
}

/// From where it asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seat {
    /// A task of its own, with a handle of its own.
    Outside,
    Handler,
    Worker,
    Hook,
    OnStart,
    OnReady,
    OnStopping,
    OnStop,
}

#[derive(Clone, Copy, Debug)]
enum Asks {
    Stop,
    StopBecause,
    Force,
    Drain,
    Signal,
    /// Only waits.
    Wait,
    /// Asks for a stop, and does not wait for it.
    Goes,
}

fn callers() -> impl Strategy<Value = Vec<Caller>> {
    use {Asks as A, Seat as F};
    let from = prop_oneof![
        4 => Just(F::Outside),
        2 => Just(F::Handler),
        1 => Just(F::Worker),
        1 => Just(F::Hook),
        1 => Just(F::OnStart),
        1 => Just(F::OnReady),
        1 => Just(F::OnStopping),
        1 => Just(F::OnStop),
    ];
    let asks = prop_oneof![
        Just(A::Stop),
        Just(A::StopBecause),
        Just(A::Force),
        Just(A::Drain),
        Just(A::Signal),
        Just(A::Wait),
        Just(A::Goes),
    ];
    // Few instants, so that some share one; and the limits between a signal and the same one again.
    let at_ms = prop_oneof![Just(0), Just(1), Just(20), 299..=301_u64, 0..600_u64];
    let caller = (from, at_ms, asks).prop_map(|(from, at_ms, asks)| Caller { from, at_ms, asks });
    vec(caller, 1..10)
}

/// A report that a caller got.
#[derive(Clone)]
struct Got {
    caller: usize,
    report: Report,
}

/// The reports, as they come.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Got>>>);

impl Caller {
    /// Asks at once, and waits then for what that gives.
    fn ask(
        self,
        number: usize,
        handle: &ServerHandle,
        reports: &Reports,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let stopping = match self.asks {
            Asks::Stop => Some(handle.stop()),
            Asks::StopBecause => Some(handle.stop_because("a property says so")),
            Asks::Force => Some(handle.force()),
            Asks::Signal => {
                handle.signal(Signal::Sigterm);
                None
            }
            Asks::Goes => {
                drop(handle.stop());
                None
            }
            Asks::Drain | Asks::Wait => None,
        };
        let drains = matches!(self.asks, Asks::Drain).then(|| handle.drain());
        let (handle, reports) = (handle.clone(), reports.clone());
        let is_outside = !matches!(self.from, Seat::Handler | Seat::Worker | Seat::Hook);
        Box::pin(async move {
            if let Some(drains) = drains {
                drains.await;
            }
            let report = match stopping {
                Some(stopping) => stopping.await,
                None if is_outside => handle.wait().await,
                None => return,
            };
            reports.0.lock().unwrap().push(Got {
                caller: number,
                report,
            });
        })
    }

    /// As [`ask`](Self::ask), when its time has come.
    async fn asks_later(self, number: usize, handle: ServerHandle, reports: Reports) {
        tokio::time::sleep(Duration::from_millis(self.at_ms)).await;
        self.ask(number, &handle, &reports).await;
    }

    /// Has it ask.
    fn register(self, number: usize, server: &Server, reports: &Reports) {
        let (handle, reports) = (server.handle(), reports.clone());
        let tells = {
            let (handle, reports) = (handle.clone(), reports.clone());
            move || drop(tokio::spawn(self.ask(number, &handle, &reports)))
        };
        match self.from {
            Seat::Outside => drop(tokio::spawn(self.asks_later(number, handle, reports))),
            // Those are asked by the clients.
            Seat::Handler => {}
            Seat::Worker => {
                let work = move |_: ShutdownSignal| self.asks_later(number, handle, reports);
                server.worker(format!("w{number}"), work).unwrap();
            }
            Seat::Hook => {
                let hook = move || self.asks_later(number, handle, reports);
                server
                    .hook(Hook::named(format!("h{number}"), hook))
                    .unwrap();
            }
            Seat::OnStart => server.on_start(tells),
            Seat::OnReady => server.on_ready(move |_| tells()),
            Seat::OnStopping => server.on_stopping(move |_| tells()),
            Seat::OnStop => server.on_stop(move |_| tells()),
        }
    }
}

#[derive(Clone)]
struct Desk {
    callers: Arc<[Caller]>,
    handle: Arc<Mutex<Option<ServerHandle>>>,
    reports: Reports,
}

/// The handlers: each path is the number of a caller.
async fn handled(State(desk): State<Desk>, Path(number): Path<usize>) -> &'static str {
    let handle = desk.handle.lock().unwrap().clone();
    if let (Some(caller), Some(handle)) = (desk.callers.get(number), handle) {
        caller.ask(number, &handle, &desk.reports).await;
    }
    "asked"
}

/// Runs a server that all of these stop.
fn life(callers: &[Caller], reports: &Reports) -> Result<Run, String> {
    let desk = Desk {
        callers: callers.into(),
        handle: Arc::default(),
        reports: reports.clone(),
    };
    let service = async move |_: &Host| -> Result<Server, BoxError> {
        let route = get(handled);
        let router = Router::new()
            .route("/{number}", route)
            .with_state(desk.clone());
        let server = Server::new(router);
        *desk.handle.lock().unwrap() = Some(server.handle());
        for (number, caller) in desk.callers.iter().enumerate() {
            caller.register(number, &server, &desk.reports);
        }
        Ok(server)
    };
    // Clients are numbered in the order in which they come.
    let mut handlers: Vec<(u64, usize)> = callers
        .iter()
        .enumerate()
        .filter(|(_, caller)| caller.from == Seat::Handler)
        .map(|(number, caller)| (caller.at_ms, number))
        .collect();
    handlers.sort_unstable();
    let numbers: Arc<[usize]> = handlers.iter().map(|(_, number)| *number).collect();
    let asks = move |visit: Visit| {
        let number = numbers[usize::from(visit.client())];
        async move {
            let request = Request::get(format!("/{number}")).header("host", "service");
            // Whether there is an answer is the server's business: it may be gone by now.
            drop(visit.ask(request.body(Bytes::new()).unwrap()).await);
        }
    };
    // Whoever waits for a report gets it before the run is over.
    let patient = async |_: Visit| tokio::time::sleep(Duration::from_secs(50)).await;
    let mut simulation = scenario()
        .from(Origin::Call)
        .visitor("asks", asks)
        .visitor("patient", patient)
        .signal_at(Duration::from_secs(1), Signal::Sigint);
    for (at_ms, _) in &handlers {
        simulation = simulation.client_at(Duration::from_millis(*at_ms), "asks");
    }
    let simulation = simulation.client_at(Duration::from_secs(1), "patient");
    simulation
        .run(service)
        .map_err(|failure| failure.to_string())
}

#[test]
fn all_who_stop_a_server_get_one_report_of_one_stop() {
    holds(
        all_who_stop_a_server_get_one_report_of_one_stop,
        16,
        callers(),
        |callers| {
            let reports = Reports::default();
            let run = life(callers, &reports)?;
            let got = reports.0.lock().unwrap().clone();
            one_stop(&run)
                .and_then(|()| one_report(callers, &run, &got))
                .map_err(|how| format!("{how}\n\n{}", run.text()))
        },
    );
}

/// The stop happens once, whoever asks for it.
fn one_stop(run: &Run) -> Result<(), String> {
    let report = run.report.as_ref().ok_or("it never ends")?;
    let times = |wanted: &dyn Fn(&ServerEventKind) -> bool| {
        let said = run.trace.iter().filter_map(|entry| entry.server());
        said.filter(|event| wanted(event)).count()
    };
    let stopping = times(&|event| matches!(event, ServerEventKind::Stopping(_)));
    let stops = times(&|event| *event == ServerEventKind::Stop);
    if (stopping, stops) != (1, 1) {
        return Err(format!(
            "it begins to stop {stopping} times, and stops {stops} times"
        ));
    }
    let phases = [
        Phase::LameDuck,
        Phase::Draining,
        Phase::ForceClosing,
        Phase::RunningHooks,
        Phase::Disposing,
    ];
    let reported: Vec<Phase> = report.phases().iter().map(|it| it.phase).collect();
    let once = phases
        .iter()
        .all(|phase| times(&|event| *event == ServerEventKind::Phase(*phase)) == 1);
    if !once || reported != phases {
        return Err(format!(
            "its phases do not come once each; in the report: {reported:?}"
        ));
    }
    Ok(())
}

/// Everybody has got the report, and those that the stop waits for one that is not complete.
fn one_report(callers: &[Caller], run: &Run, got: &[Got]) -> Result<(), String> {
    let report = run.report.as_ref().ok_or("it never ends")?;
    for (number, caller) in callers.iter().enumerate() {
        let all: Vec<&Report> = got
            .iter()
            .filter(|it| it.caller == number)
            .map(|it| &it.report)
            .collect();
        let of_whom = format!("caller {number} of {:?}", caller.from);
        match (caller.from, all.as_slice()) {
            (Seat::Outside, []) => return Err(format!("{of_whom} got no report")),
            // Its moment never came, or it was ended before it got one.
            (_, []) => {}
            (Seat::Handler | Seat::Worker | Seat::Hook, [own]) => {
                if own.is_complete() || own.is_same(report) {
                    return Err(format!("{of_whom} got a complete report from within"));
                }
            }
            (_, [own]) => {
                if !own.is_same(report) || own.to_json() != report.to_json() {
                    return Err(format!("{of_whom} got another report: {own}, not {report}"));
                }
            }
            (_, more) => return Err(format!("{of_whom} got {} reports", more.len())),
        }
    }
    Ok(())
}
