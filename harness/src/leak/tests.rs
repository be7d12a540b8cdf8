//! Every kind of leak, planted.
//!
//! **Invariant:** each plant is the only thing wrong with its server.

mod listeners;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter::{Hook, HookOutcome, NamedRoutes, Plan, Report, Running, Server};
use tokio::runtime::{Builder, Runtime};

use super::{GRACE, Leak, Ledger, told};
use crate::ephemeral::Ephemeral;
use crate::gate::Gate;
use crate::patience::within;
use crate::probe::{Manners, Probe};

/// A server from its start to its end, and what the ledger says of it then.
struct Life {
    ledger: Ledger,
    runtime: Runtime,
}

impl Life {
    /// In a runtime with so many workers; with none, one thread does all the work.
    fn of(workers: usize) -> Self {
        let ledger = Ledger::of_own_runtime();
        let mut builder = match workers {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        if workers > 0 {
            builder.worker_threads(workers);
        }
        ledger.observe(&mut builder, || ());
        let runtime = builder.enable_all().build().unwrap();
        Self { ledger, runtime }
    }

    /// What is planted here stays: it needs no time to show.
    fn leaky() -> Self {
        Self::of(0).impatient()
    }

    fn impatient(mut self) -> Self {
        self.ledger.patient_for(Duration::from_millis(20));
        self
    }

    fn judge(self, server: Server, visit: impl AsyncFnOnce(&Running)) -> (Report, String) {
        let Self {
            mut ledger,
            runtime,
        } = self;
        ledger.server(server.handle());
        let network = Ephemeral::entering(ledger.ports());
        let (report, leaks) = runtime.block_on(async {
            let start = server.network(network).start();
            let running = within("the start", start).await.unwrap();
            visit(&running).await;
            let report = within("the end", running.stop()).await;
            drop(running);
            let leaks = ledger.settle(&report).await;
            (report, leaks)
        });
        // The probes' threads in it, which are idle, need their turn on a busy machine.
        runtime.shutdown_timeout(GRACE);
        let leaks = ledger.look_at_ports(leaks);
        let said = ledger.close(leaks).map_err(|leaks| leaks.to_string());
        (report, said.err().unwrap_or_default())
    }
}

fn tcp(running: &Running) -> SocketAddr {
    running.addr().tcp().unwrap()
}

async fn ask(running: &Running, path: &str) {
    let mut probe = Probe::connect(tcp(running)).await.unwrap();
    probe.request(path).await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
}

fn app() -> Router {
    Router::new().route("/", get(|| async { "fine" }))
}

/// Nothing that blocks gets more time than it takes to find out.
fn short() -> Plan {
    Plan::new()
        .drain_timeout(Duration::ZERO)
        .hooks_timeout(Duration::from_millis(20))
        .margin(Duration::from_millis(40))
}

#[test]
fn a_server_that_leaves_nothing_has_leaked_nothing() {
    for workers in [0, 2] {
        let life = Life::of(workers);
        let app = life.ledger.noted(app());
        let pool = Arc::new(());
        life.ledger
            .held()
            .watch(String::from("pool"), Arc::downgrade(&pool));
        let server = Server::new(app);
        let closes = async move || drop(pool);
        server.hook(Hook::named("pool", closes)).unwrap();
        server.hook(Hook::blocking("flush", |_| ())).unwrap();
        let waits = |signal: lamplighter::ShutdownSignal| async move { signal.draining().await };
        server.worker("poller", waits).unwrap();
        let (report, said) = life.judge(server, async |running| ask(running, "/").await);
        assert_eq!(said, "", "{report}");
        assert!(report.is_clean(), "{report}");
    }
}

#[test]
fn what_is_on_its_way_out_at_the_stop_is_waited_for() {
    let life = Life::of(0);
    let app = app().route(
        "/late",
        get(|| async {
            let signal = lamplighter::ShutdownSignal::current().unwrap();
            tokio::spawn(async move {
                signal.draining().await;
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            });
            let late = Arc::new(Mutex::new(()));
            tokio::task::spawn_blocking(move || drop(late.lock()));
        }),
    );
    let server = Server::new(life.ledger.noted(app));
    let (report, said) = life.judge(server, async |running| ask(running, "/late").await);
    assert_eq!(said, "", "{report}");
}

#[test]
fn a_task_that_is_left_is_named_by_the_request_that_spawned_it() {
    let life = Life::leaky();
    let leak = || async { drop(tokio::spawn(std::future::pending::<()>())) };
    let gate = Gate::new();
    let brief = {
        let gate = gate.clone();
        || async move {
            tokio::spawn(async move { gate.pass().await })
                .await
                .unwrap()
        }
    };
    let app = app().route("/leak", get(leak)).route("/brief", get(brief));
    gate.open();
    let server = Server::new(life.ledger.noted(app));
    let (_, said) = life.judge(server, async |running| {
        ask(running, "/").await;
        ask(running, "/leak").await;
        ask(running, "/leak").await;
        ask(running, "/brief").await;
    });
    let (left, origin) = said.split_once("; ").unwrap();
    assert_eq!(
        origin,
        "tasks were spawned while: GET /brief was being handled (1), \
         GET /leak was being handled (2)"
    );
    assert!(left.starts_with("it leaked: 2 tasks are left"), "{said}");
    let place = "harness/src/leak/tests.rs:";
    assert_eq!(left.contains(place), cfg!(tokio_unstable), "{said}");
}

#[test]
fn nobody_is_named_for_a_task_where_several_threads_work() {
    let life = Life::of(2).impatient();
    let leak = || async { drop(tokio::spawn(std::future::pending::<()>())) };
    let app = app().route("/leak", get(leak));
    let server = Server::new(life.ledger.noted(app));
    let (_, said) = life.judge(server, async |running| ask(running, "/leak").await);
    assert!(said.starts_with("it leaked: 1 task is left"), "{said}");
    assert!(!said.contains("/leak was"), "{said}");
}

#[test]
fn a_task_of_the_test_is_no_leak_of_a_server_that_shares_its_runtime() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::of_shared_runtime();
        tokio::spawn(std::future::pending::<()>());
        let network = Ephemeral::entering(ledger.ports());
        let running = Server::new(app()).network(network).start().await.unwrap();
        let report = within("the end", running.stop()).await;
        let leaks = ledger.settle(&report).await;
        ledger.close(leaks).unwrap();
    });
}

#[test]
fn blocking_code_that_is_still_at_work_is_left() {
    let life = Life::leaky();
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let app = app().route(
        "/leak",
        get({
            let lock = Arc::clone(&lock);
            || async move { drop(tokio::task::spawn_blocking(move || drop(lock.lock()))) }
        }),
    );
    let server = Server::new(app);
    let (_, said) = life.judge(server, async |running| ask(running, "/leak").await);
    drop(held);
    assert_eq!(
        said,
        "it leaked: threads of its runtime that are still at work, in `spawn_blocking` or in a task \
         that blocks: 1"
    );
}

#[test]
fn an_object_that_somebody_still_holds_is_named_with_its_holders() {
    let life = Life::leaky();
    let (pool, gone) = (Arc::new(1), Arc::new(2));
    life.ledger
        .held()
        .watch(String::from("pool"), Arc::downgrade(&pool));
    life.ledger
        .held()
        .watch(String::from("gone"), Arc::downgrade(&gone));
    let again = Arc::clone(&pool);
    let app = app().route("/pool", get(async move || format!("{again}{gone}")));
    let (_, said) = life.judge(Server::new(app), async |running| {
        ask(running, "/pool").await;
    });
    assert_eq!(said, "it leaked: `pool` still has 1 holder");
    drop(pool);
}

#[test]
fn a_blocking_hook_that_still_runs_is_named() {
    let life = Life::leaky();
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let server = Server::new(app()).plan(short());
    let blocks = Arc::clone(&lock);
    let hook = Hook::blocking("flush", move |_| drop(blocks.lock()));
    server.hook(hook).unwrap();
    let (_, said) = life.judge(server, async |_| ());
    drop(held);
    assert_eq!(said, "it leaked: hook flush has not ended");
}

#[test]
fn a_worker_that_blocks_is_named_beside_its_task_and_its_thread() {
    let life = Life::of(2).impatient();
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let server = Server::new(app()).plan(short());
    let begun = Gate::new();
    let (blocks, begins) = (Arc::clone(&lock), begun.clone());
    begun.open();
    let worker = move |_| async move {
        begins.pass().await;
        drop(blocks.lock());
    };
    server.worker("poller", worker).unwrap();
    let (_, said) = life.judge(server, async |_| begun.reached(1).await);
    drop(held);
    assert!(said.contains("worker poller has not ended"), "{said}");
    assert!(said.contains("1 task is left"), "{said}");
    assert!(said.contains("; threads of its runtime"), "{said}");
}

/// A server one of whose requests blocks its thread, and what is said of it.
fn blocked(router: impl FnOnce(Router) -> Router, http2: bool) -> (Report, String) {
    let life = Life::of(2).impatient();
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let begun = Gate::new();
    begun.open();
    let (blocks, begins) = (Arc::clone(&lock), begun.clone());
    let blocks = || async move {
        begins.pass().await;
        drop(blocks.lock());
    };
    let app = router(app().route("/rows/{id}", get(blocks)));
    let server = Server::new(app).plan(short());
    let judged = life.judge(server, async |running| {
        let mut probe = Probe::connect(tcp(running)).await.unwrap();
        if http2 {
            probe.http2(Manners::Polite).await.unwrap();
            probe.open_stream("/rows/7").await.unwrap();
        } else {
            probe.request("/rows/7").await.unwrap();
        }
        begun.reached(1).await;
    });
    drop(held);
    judged
}

#[test]
fn a_request_that_blocks_is_named_with_its_connection() {
    let (_, said) = blocked(|router| router, false);
    let named = "conn#1 with a GET of an unknown route has not ended";
    assert!(said.contains(named), "{said}");
}

#[test]
fn a_request_that_blocks_in_its_first_poll_is_named_with_its_route() {
    let (_, said) = blocked(|router| router.layer(NamedRoutes), false);
    let named = "conn#1 with a GET /rows/{id} has not ended";
    assert!(said.contains(named), "{said}");
    let (report, _) = blocked(|router| router.layer(NamedRoutes), true);
    let cut = report.connections().cut.first().unwrap();
    let (method, route) = (&*cut.work.method, cut.work.template.as_deref());
    assert_eq!((method, route), ("GET", Some("/rows/{id}")), "{report:?}");
    assert!(cut.stuck, "{report:?}");
}

/// A report in which every kind of account stands.
fn some_report() -> Report {
    let server = Server::new(app());
    server.hook(Hook::named("cache", async || ())).unwrap();
    let waits = |signal: lamplighter::ShutdownSignal| async move { signal.draining().await };
    server.worker("poller", waits).unwrap();
    let (report, said) = Life::of(0).judge(server, async |running| ask(running, "/").await);
    assert_eq!(said, "");
    report
}

#[test]
fn accounts_that_do_not_come_out_even_are_a_leak() {
    let report = some_report();
    assert_eq!(told::connections(report.connections()), None);
    let mut open = report.connections().clone();
    (open.accepted, open.open) = (2, 1);
    let (accepted, ended) = (2, 1);
    let leak = |open| Leak::Connections {
        accepted,
        ended,
        open,
    };
    assert_eq!(told::connections(&open), Some(leak(1)));
    open.open = 0;
    assert_eq!(told::connections(&open), Some(leak(0)));
    open.accepted = 1;
    open.open = 1;
    assert!(told::connections(&open).is_some());
}

#[test]
fn hooks_and_workers_without_an_end_are_a_leak() {
    let report = some_report();
    let mut hook = report.hooks()[0].clone();
    let mut worker = report.workers()[0].clone();
    hook.outcome = Some(HookOutcome::TimedOut);
    assert_eq!((told::hook(&hook), told::worker(&worker)), (None, None));
    hook.outcome = None;
    worker.outcome = None;
    let said = told::hook(&hook).unwrap().to_string();
    assert_eq!(said, "hook cache was never settled");
    let said = told::worker(&worker).unwrap().to_string();
    assert_eq!(said, "worker poller still runs");
}
