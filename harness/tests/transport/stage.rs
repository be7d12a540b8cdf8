//! One server on a real socket, in the phase that a test wants it in, under a clock that stands still.
//!
//! **Invariant:** virtual time passes in [`Stage::passes`] and nowhere else until the test is over.
//! **Invariant:** a phase is held open by what is no connection: a readiness check, a lame duck's
//! length, a worker.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lamplighter::{
    Addr, Check, ConnectionEnd, Limits, Listener, Network, Phase, Plan, Running, Server,
    ServerHandle, StartError, Stopping, TcpNetwork,
};
use lamplighter_harness::{Gate, Manners, Misbehave, Probe, own_loopback, within};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::app::app;
use crate::over::Over;
use crate::{millis, secs};

/// The lame duck of those stages that have one.
pub(crate) const LAME_DUCK: Duration = secs(10);

/// An hour: a stop that ends before it has not waited for it.
pub(crate) const DRAIN: Duration = secs(3600);

/// A server, and all that a test needs of it.
pub(crate) struct Stage {
    pub(crate) handle: ServerHandle,
    pub(crate) addr: SocketAddr,
    /// Where `/held` waits.
    pub(crate) gate: Gate,
    start: JoinHandle<Result<Running, StartError>>,
    ready: Gate,
    anchor: Gate,
    clock: Option<Still>,
    passers_by: RefCell<Vec<ConnectionEnd>>,
    tasks_before: usize,
}

/// As most tests want it: no lame duck, an hour for work in flight, and force at once.
pub(crate) fn plan() -> Plan {
    Plan::new().drain_timeout(DRAIN).cancel_lead(Duration::ZERO)
}

/// What a stage is made of.
pub(crate) struct Setting {
    plan: Plan,
    anchored: bool,
}

impl Setting {
    pub(crate) const fn new(plan: Plan) -> Self {
        let anchored = false;
        Self { plan, anchored }
    }

    /// A worker holds the drain open until [`Stage::weighs_anchor`].
    pub(crate) const fn anchored(mut self) -> Self {
        self.anchored = true;
        self
    }

    /// The server listens, and is not ready until [`Stage::gets_ready`].
    pub(crate) async fn starting(self) -> Stage {
        let tasks_before = tasks();
        let (gate, ready, anchor) = (Gate::new(), Gate::new(), Gate::new());
        let network = Told::default();
        let addr = Arc::clone(&network.0);
        let server = Server::new(app(&gate))
            .listen(own_loopback())
            .network(network)
            .plan(self.plan.start_timeout(secs(900)).ready_timeout(secs(600)))
            // Nothing but a stop bounds a connection, and no byte of an answer depends on the day.
            .limits(
                Limits::default()
                    .header_read_timeout(None)
                    .date_header(false),
            );
        let inside = ready.clone();
        let warm_up = move || {
            let inside = inside.clone();
            async move {
                inside.pass().await;
                Ok::<(), String>(())
            }
        };
        let check = Check::new("warm-up", warm_up).timeout(secs(300));
        server.health().check(check);
        if self.anchored {
            let inside = anchor.clone();
            let holds = move |_| async move { inside.pass().await };
            server.worker("anchor", holds).unwrap();
        }
        let handle = server.handle();
        let clock = Some(Still::now());
        let start = tokio::spawn(server.start());
        ready.reached(1).await;
        let addr = *addr.get().unwrap();
        Stage {
            handle,
            addr,
            gate,
            start,
            ready,
            anchor,
            clock,
            passers_by: RefCell::default(),
            tasks_before,
        }
    }

    /// The server runs.
    pub(crate) async fn running(self) -> Stage {
        let stage = self.starting().await;
        stage.gets_ready().await;
        stage
    }
}

impl Stage {
    /// A server that listens and is not ready.
    pub(crate) async fn starting() -> Self {
        Setting::new(plan()).starting().await
    }

    /// A server that runs.
    pub(crate) async fn running() -> Self {
        Setting::new(plan()).running().await
    }

    /// A server that runs and will have a lame duck.
    pub(crate) async fn with_lame_duck() -> Self {
        Setting::new(plan().lame_duck(LAME_DUCK)).running().await
    }

    /// A server that runs, whose drain lasts until [`weighs_anchor`](Self::weighs_anchor).
    pub(crate) async fn anchored() -> Self {
        Setting::new(plan()).anchored().running().await
    }

    pub(crate) async fn gets_ready(&self) {
        self.ready.open();
        within("readiness", self.handle.reached(Phase::Running)).await;
    }

    pub(crate) fn weighs_anchor(&self) {
        self.anchor.open();
    }

    /// Begins to stop, and waits for the lame duck, which lasts until its time has passed.
    pub(crate) async fn enters_lame_duck(&self) {
        drop(self.stop());
        within("the lame duck", self.handle.reached(Phase::LameDuck)).await;
    }

    /// Begins to stop, and waits for the drain.
    pub(crate) async fn drains(&self) {
        drop(self.stop());
        within("the drain", self.handle.reached(Phase::Draining)).await;
    }

    pub(crate) fn stop(&self) -> Stopping {
        self.handle.stop()
    }

    /// Begins to stop, and cuts what is left: what a second signal does.
    pub(crate) async fn forces(&self) {
        self.drains().await;
        drop(self.handle.force());
    }

    /// Lets this much virtual time pass; every timer rings at its own instant.
    pub(crate) async fn passes(&mut self, time: Duration) {
        self.clock = None;
        let passed = timeout(time, pending::<()>()).await;
        assert!(passed.is_err());
        self.clock = Some(Still::now());
    }

    /// A connection that says nothing yet.
    pub(crate) async fn connects(&self) -> Probe {
        Probe::connect(self.addr).await.unwrap()
    }

    /// A connection that has said this, with the server having read it.
    pub(crate) async fn says(&self, text: impl AsRef<[u8]>) -> Probe {
        let mut probe = self.connects().await;
        probe.send(text).await.unwrap();
        self.has_read().await;
        probe
    }

    /// A kept-alive HTTP/1 connection, its first request answered.
    pub(crate) async fn idle(&self) -> Probe {
        let mut probe = self.connects().await;
        probe.request("/").await.unwrap();
        let answer = probe.answer().await;
        assert!(!answer.head.closes(), "{answer:?}");
        probe
    }

    /// An HTTP/1 connection whose request waits at the gate.
    pub(crate) async fn held(&self) -> Probe {
        self.asks("/held").await
    }

    /// An HTTP/1 connection whose request is in flight. For requests that are begun at once.
    pub(crate) async fn asks(&self, path: &str) -> Probe {
        let (before, mut probe) = (self.handle.in_flight(), self.connects().await);
        probe.request(path).await.unwrap();
        self.in_flight(before + 1).await;
        probe
    }

    /// An HTTP/2 connection, its SETTINGS exchanged as far as its manners go.
    pub(crate) async fn http2(&self, manners: Manners) -> Probe {
        self.misbehave().http2(manners).await
    }

    /// Its clients that misbehave.
    pub(crate) fn misbehave(&self) -> Misbehave {
        Misbehave::towards(self.addr)
    }

    /// Waits until so many requests are in flight.
    pub(crate) async fn in_flight(&self, count: usize) {
        let reached = async {
            while self.handle.in_flight() != count {
                tokio::task::yield_now().await;
            }
        };
        within(format!("{count} requests in flight"), reached).await;
    }

    /// Waits until the server has read what was sent before: it has answered somebody who came
    /// after that, and left.
    pub(crate) async fn has_read(&self) {
        let ended = |end| self.handle.report().connections().ended(end);
        let before = ConnectionEnd::ALL.map(ended);
        let mut passer_by = self.connects().await;
        passer_by.request("/").await.unwrap();
        passer_by.answer().await;
        drop(passer_by);
        let left = async {
            loop {
                let mut ends = ConnectionEnd::ALL.into_iter().zip(before);
                match ends.find(|(end, before)| ended(*end) > *before) {
                    Some((end, _)) => break end,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let end = within("a passer-by to leave", left).await;
        self.passers_by.borrow_mut().push(end);
    }

    /// Waits for the end of the stop, checks what holds for every stop, and gives the accounts.
    ///
    /// No virtual time passes until hooks run: what a test does not let pass, nobody waited for.
    pub(crate) async fn over(mut self) -> Over {
        let drained = self.handle.reached(Phase::RunningHooks);
        within("the end of the drain", drained).await;
        self.clock = None;
        let report = within("the end of the stop", self.handle.wait()).await;
        let started = within("the end of the start", self.start).await.unwrap();
        drop(started);
        assert_eq!(self.handle.in_flight(), 0);
        self.gate.empty().await;
        // Another test of this process starts a child, which has all that is open here until it is
        // another program.
        let refused = async {
            loop {
                match Probe::connect(self.addr).await {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return,
                    // It listens still, or has ceased to in this moment.
                    Ok(_) | Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        within("nobody to listen", refused).await;
        let gone = async {
            while tasks() > self.tasks_before {
                tokio::task::yield_now().await;
            }
        };
        within("the last task of the server to end", gone).await;
        Over::of(report, self.passers_by.take())
    }
}

/// How many tasks this test's runtime has.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Holds a paused clock still until it is dropped: such a clock does not jump to its next timer
/// while a blocking task of its runtime is at work.
struct Still {
    _held: mpsc::Sender<()>,
}

impl Still {
    fn now() -> Self {
        let (held, holds) = mpsc::channel();
        drop(tokio::task::spawn_blocking(move || holds.recv().is_ok()));
        Self { _held: held }
    }
}

/// A network that tells where it listens, before anybody is ready.
#[derive(Default)]
struct Told(Arc<OnceLock<SocketAddr>>);

impl Network for Told {
    type Listener = <TcpNetwork as Network>::Listener;

    fn bind(&self, addr: &Addr) -> impl Future<Output = io::Result<Self::Listener>> + Send {
        let (addr, told) = (addr.clone(), Arc::clone(&self.0));
        async move {
            let listener = TcpNetwork::default().bind(&addr).await?;
            let local = listener.local_addr()?;
            if let Some(local) = local.tcp() {
                told.get_or_init(|| local);
            }
            Ok(listener)
        }
    }
}

/// Timers are exact to a millisecond, on both of their ends.
pub(crate) const EXACT: Duration = millis(2);
