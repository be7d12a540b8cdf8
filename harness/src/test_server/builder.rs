//! What a test server is given before it starts.
//!
//! **Invariant:** everything is done to the server by its own public methods, in the order in which it
//! was said here.

mod leaks;
mod start;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use lamplighter::{
    Bind, Cause, Check, HookResult, IntoHook, Limits, Plan, Ready, Report, Server, ServerError,
    ServerProtocol, ShutdownSignal, Signal, SignalSource,
};
use tempfile::TempDir;

use self::start::Place;
#[cfg(doc)]
use super::TestServer;
use crate::leak::Ledger;
use crate::patience::{PATIENCE, fail};

/// A test server to be.
///
/// Every setting does what the method of [`Server`] of the same name does;
/// [`configure`](Self::configure) is for all else.
///
/// ```
/// # use std::time::Duration;
/// # use axum::{Router, routing::get};
/// use lamplighter::Plan;
/// use lamplighter_harness::TestServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = Router::new().route("/", get(|| async { "hello" }));
/// let server = TestServer::builder()
///     .plan(Plan::new().drain_timeout(Duration::from_secs(1)))
///     .hook(|| async { /* close the pool */ })
///     .listen("127.0.0.1:0")
///     .unix("admin")
///     .spawn(app)
///     .await;
/// assert_eq!(server.get("/").await.text(), "hello");
/// assert!(server.addr_of("admin").is_some());
/// assert!(server.stop().await.is_clean());
/// # }
/// ```
#[must_use = "it is nothing yet: `spawn` an application or `start` a server with it"]
pub struct TestServerBuilder {
    place: Place,
    workers: Option<usize>,
    patience: Duration,
    steps: Vec<Step>,
    entries: Vec<Entry>,
    /// Where Unix sockets go; removed with the server.
    directory: Option<TempDir>,
}

type Step = Box<dyn FnOnce(Server) -> Server + Send>;

/// What is entered in the ledger before the start.
type Entry = Box<dyn FnOnce(&mut Ledger) + Send>;

impl fmt::Debug for TestServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServerBuilder")
            .field("place", &self.place)
            .field("workers", &self.workers)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

// Where it lives.
impl TestServerBuilder {
    pub(super) const fn new() -> Self {
        Self {
            place: Place::OwnThread,
            workers: None,
            patience: PATIENCE,
            steps: Vec::new(),
            entries: Vec::new(),
            directory: None,
        }
    }

    /// Keeps the server in the runtime of the test, so that it lives by the test's clock: for
    /// `#[tokio::test(start_paused = true)]`.
    ///
    /// Then it has to be ended by [`stop`](TestServer::stop) or [`wait`](TestServer::wait): a drop,
    /// which cannot wait for anything, fails the test.
    pub const fn here(mut self) -> Self {
        self.place = Place::Here;
        self
    }

    /// Gives the server's runtime so many worker threads. Without, the one thread that every test
    /// server has does all its work, which is what shows that a handler blocks.
    ///
    /// Refused at the start together with [`here`](Self::here), and if it is 0.
    pub const fn worker_threads(mut self, threads: usize) -> Self {
        self.workers = Some(threads);
        self
    }

    /// How long each wait of the test for this server may take, by the real clock: [`PATIENCE`],
    /// unless told otherwise; a stop has the budget of its plan before that.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

// What it is.
impl TestServerBuilder {
    /// Does this to the server before it starts: whatever has no method here.
    pub fn configure(mut self, step: impl FnOnce(Server) -> Server + Send + 'static) -> Self {
        self.steps.push(Box::new(step));
        self
    }

    /// The time budget. See [`Server::plan`].
    pub fn plan(self, plan: Plan) -> Self {
        self.configure(|server| server.plan(plan))
    }

    /// What a peer may take and grow. See [`Server::limits`].
    pub fn limits(self, limits: Limits) -> Self {
        self.configure(|server| server.limits(limits))
    }

    /// Speaks this beside the application. See [`Server::protocol`].
    pub fn protocol(self, protocol: impl ServerProtocol + Send + 'static) -> Self {
        self.configure(|server| server.protocol(protocol))
    }

    /// Adds a check to the health of the server. See [`lamplighter::Health::check`].
    pub fn check(self, check: Check) -> Self {
        self.configure(|server| {
            server.health().check(check);
            server
        })
    }

    /// The signals of its source that stop it. See [`Server::stop_on`].
    pub fn stop_on(self, signals: impl IntoIterator<Item = Signal>) -> Self {
        let signals: Vec<Signal> = signals.into_iter().collect();
        self.configure(|server| server.stop_on(signals))
    }

    /// Where its signals come from. See [`Server::signal_source`].
    pub fn signal_source(self, source: impl SignalSource) -> Self {
        self.configure(|server| server.signal_source(source))
    }

    /// Registers a cleanup step. See [`Server::hook`].
    ///
    /// # Panics
    ///
    /// When the server is started, if it refuses the hook.
    #[track_caller]
    pub fn hook<M>(self, hook: impl IntoHook<M>) -> Self {
        let here = Location::caller();
        let hook = hook.into_hook();
        self.configure(move |server| match server.hook(hook) {
            Ok(()) => server,
            Err(error) => fail(here, &format!("the server refused a hook: {error}")),
        })
    }

    /// Registers a background task. See [`Server::worker`].
    ///
    /// # Panics
    ///
    /// When the server is started, if it refuses the worker.
    #[track_caller]
    pub fn worker<F, Fut, R>(self, name: impl Into<String>, worker: F) -> Self
    where
        F: FnOnce(ShutdownSignal) -> Fut + Send + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: HookResult,
    {
        let here = Location::caller();
        let name = name.into();
        self.configure(move |server| match server.worker(name, worker) {
            Ok(()) => server,
            Err(error) => fail(here, &format!("the server refused a worker: {error}")),
        })
    }

    /// Is told when the start begins. See [`Server::on_start`].
    pub fn on_start(self, callback: impl FnMut() + Send + 'static) -> Self {
        self.tell(|server| server.on_start(callback))
    }

    /// Is told when the server is ready. See [`Server::on_ready`].
    pub fn on_ready(self, callback: impl FnMut(&Ready) + Send + 'static) -> Self {
        self.tell(|server| server.on_ready(callback))
    }

    /// Is told when a stop has begun. See [`Server::on_stopping`].
    pub fn on_stopping(self, callback: impl FnMut(&Cause) + Send + 'static) -> Self {
        self.tell(|server| server.on_stopping(callback))
    }

    /// Is told when the server has stopped. See [`Server::on_stop`].
    pub fn on_stop(self, callback: impl FnMut(&Report) + Send + 'static) -> Self {
        self.tell(|server| server.on_stop(callback))
    }

    /// Is told what failed. See [`Server::on_error`].
    pub fn on_error(self, callback: impl FnMut(&ServerError) + Send + 'static) -> Self {
        self.tell(|server| server.on_error(callback))
    }

    fn tell(self, register: impl FnOnce(&Server) + Send + 'static) -> Self {
        self.configure(|server| {
            register(&server);
            server
        })
    }
}

// Where it listens.
impl TestServerBuilder {
    /// Listens here: the first one replaces what the server listens on, later ones add. See
    /// [`Server::listen`]. Whatever TCP address it is, it becomes a free port of the loopback address,
    /// or of the one that it is among those of the loopback.
    pub fn listen(self, bind: impl Into<Bind>) -> Self {
        let bind = bind.into();
        self.configure(|server| server.listen(bind))
    }

    /// Listens on a Unix socket, in a directory of its own that is removed with the server;
    /// `addr_of(name)` says where. The first listener that is named here replaces what the server
    /// listens on, later ones add.
    ///
    /// # Panics
    ///
    /// If there can be no such directory.
    #[track_caller]
    pub fn unix(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        let directory = self
            .directory
            .take()
            .map_or_else(|| tempfile::Builder::new().prefix("lamp-").tempdir(), Ok);
        let directory = directory.unwrap_or_else(|error| {
            let here = Location::caller();
            fail(here, &format!("no directory for a Unix socket: {error}"))
        });
        // The name may be one that no file can have.
        let path = directory.path().join(format!("{}.sock", self.steps.len()));
        self.directory = Some(directory);
        let file = path.clone();
        self.entries.push(Box::new(|ledger| ledger.unix(file)));
        self.listen(Bind::unix(path).named(name))
    }
}
