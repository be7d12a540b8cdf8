//! A server under test: started as in production, on a port of its own, ready when a test has it.
//!
//! **Invariant:** nothing of a server is replaced but its addresses.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

use lamplighter::{
    Addr, Application, Phase, Report, Running, Server, ServerHandle, Signal, StartError,
};

use crate::ephemeral::Ephemeral;
use crate::patience::{PATIENCE, bounded, fail};
use crate::probe::{Answer, Probe};

/// A server that runs in the runtime of its test, on a free port of the loopback address.
///
/// Dropped without [`stop`](Self::stop), it begins to stop in the background; whether it gets to the
/// end depends on the runtime it is in, which may be gone first.
#[derive(Debug)]
#[must_use = "dropping it stops the server: keep it, and `stop()` it"]
pub struct TestServer {
    running: Running,
    addr: SocketAddr,
}

impl TestServer {
    /// Starts a server for this application. It is ready when this resolves.
    ///
    /// # Panics
    ///
    /// If it does not start, with the reason.
    #[track_caller]
    pub fn spawn(app: impl Application) -> impl Future<Output = Self> {
        Self::start(Server::new(app))
    }

    /// Starts this server, wherever it was told to listen on a free port instead. It is ready when
    /// this resolves.
    ///
    /// # Panics
    ///
    /// If it does not start, with the reason.
    #[track_caller]
    pub fn start(server: Server) -> impl Future<Output = Self> {
        let here = Location::caller();
        async move {
            match Self::try_start(server).await {
                Ok(server) => server,
                Err(error) => fail(here, &format!("the server did not start: {error}")),
            }
        }
    }

    /// As [`start`](Self::start), for a test that wants to see it fail.
    ///
    /// # Errors
    ///
    /// Those of [`Server::start`].
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], if it neither starts nor fails.
    #[track_caller]
    pub fn try_start(server: Server) -> impl Future<Output = Result<Self, StartError>> {
        let here = Location::caller();
        async move {
            let handle = server.handle();
            let start = server.network(Ephemeral::default()).start();
            let Some(started) = bounded(PATIENCE, start).await else {
                let phase = handle.phase();
                fail(
                    here,
                    &format!("waited {PATIENCE:?} for the server to start; it is {phase}"),
                )
            };
            let running = started?;
            let Addr::Tcp(addr) = *running.addr() else {
                fail(
                    here,
                    &format!("a server on {:?}, not on TCP", running.addr()),
                )
            };
            Ok(Self { running, addr })
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What everybody else may hold.
    #[must_use]
    pub const fn handle(&self) -> &ServerHandle {
        self.running.handle()
    }

    /// The server as its owner holds it.
    pub const fn running(&self) -> &Running {
        &self.running
    }

    /// Asks for a path, over HTTP/1.1 on a connection of its own.
    ///
    /// # Panics
    ///
    /// If the server is not there or gives no answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Answer> {
        let here = Location::caller();
        let probe = self.probe();
        async move {
            let mut probe = probe.await;
            if let Err(error) = probe.request(path).await {
                fail(here, &format!("cannot ask for {path}: {error}"));
            }
            probe.answer().await
        }
    }

    /// A connection to it.
    ///
    /// # Panics
    ///
    /// If the server is not there.
    #[track_caller]
    pub fn probe(&self) -> impl Future<Output = Probe> + use<> {
        let here = Location::caller();
        let addr = self.addr;
        async move {
            match Probe::connect(addr).await {
                Ok(probe) => probe,
                Err(error) => fail(here, &format!("cannot connect to {addr}: {error}")),
            }
        }
    }

    /// Gives this server a signal, as if the process had got it.
    pub fn signal(&self, signal: Signal) {
        self.handle().signal(signal);
    }

    /// Resolves once the server is in this phase, or past it.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], saying which phase it is in.
    #[track_caller]
    pub fn reached(&self, phase: Phase) -> impl Future<Output = ()> + use<> {
        let here = Location::caller();
        let handle = self.handle().clone();
        async move {
            if bounded(PATIENCE, handle.reached(phase)).await.is_none() {
                let now = handle.phase();
                fail(
                    here,
                    &format!("waited {PATIENCE:?} for {phase}; it is {now}"),
                );
            }
        }
    }

    /// Stops the server; resolves when nothing of it is left.
    ///
    /// # Panics
    ///
    /// If it is not over [`PATIENCE`] after its budget, with the report so far.
    #[track_caller]
    pub fn stop(self) -> impl Future<Output = Report> {
        let here = Location::caller();
        let stopping = self.running.stop();
        async move { self.ended(here, stopping).await }
    }

    /// Waits for the end of a stop that something else has begun or will begin.
    ///
    /// # Panics
    ///
    /// If it is not over [`PATIENCE`] after its budget, with the report so far.
    #[track_caller]
    pub fn wait(self) -> impl Future<Output = Report> {
        let here = Location::caller();
        async move { self.ended(here, self.running.wait()).await }
    }

    async fn ended(&self, here: &Location<'_>, end: impl Future<Output = Report>) -> Report {
        let budget = self.report().budget().unwrap_or(Duration::ZERO);
        let limit = budget.saturating_add(PATIENCE);
        bounded(limit, end).await.unwrap_or_else(|| {
            let report = self.report();
            let timeline = report.timeline();
            fail(
                here,
                &format!("waited {limit:?} for the server's end; {report}\n{timeline}"),
            )
        })
    }

    /// All the facts so far.
    pub fn report(&self) -> Report {
        self.handle().report()
    }
}
