//! What a test server is given before it starts.
//!
//! **Invariant:** everything is done to the server by its own public methods, in the order in which it
//! was said here.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use lamplighter::{
    Application, Bind, Cause, Check, HookResult, IntoHook, Limits, Plan, Ready, Report, Running,
    Server, ServerError, ServerHandle, ServerProtocol, ShutdownSignal, Signal, SignalSource,
    StartError,
};
use tempfile::TempDir;

use super::TestServer;
use super::home::{Home, Waiting};
use super::thread::OwnThread;
use crate::ephemeral::Ephemeral;
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
    /// Where Unix sockets go; removed with the server.
    directory: Option<TempDir>,
}

type Step = Box<dyn FnOnce(Server) -> Server + Send>;

#[derive(Clone, Copy, Debug)]
enum Place {
    OwnThread,
    Here,
}

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
    /// [`Server::listen`]. Whatever TCP address it is, it becomes a free port of the loopback address.
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
        self.listen(Bind::unix(path).named(name))
    }
}

// And then.
impl TestServerBuilder {
    /// Starts a server for this application. It is ready when this resolves.
    ///
    /// # Panics
    ///
    /// If it does not start, with the server's own error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server in the background.
    #[track_caller]
    pub fn spawn(self, app: impl Application) -> impl Future<Output = TestServer> + Send {
        self.start(Server::new(app))
    }

    /// Starts this server, wherever it was told to listen on a free port instead. It is ready when
    /// this resolves.
    ///
    /// # Panics
    ///
    /// If it does not start, with the server's own error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server in the background.
    #[track_caller]
    pub fn start(self, server: Server) -> impl Future<Output = TestServer> + Send {
        let here = Location::caller();
        let start = self.try_start(server);
        async move {
            match start.await {
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
    /// After its [`patience`](Self::patience), if it neither starts nor fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server in the background.
    #[track_caller]
    pub fn try_start(
        self,
        server: Server,
    ) -> impl Future<Output = Result<TestServer, StartError>> + Send {
        let here = Location::caller();
        let Self {
            place,
            workers,
            patience,
            steps,
            directory,
        } = self;
        let server = server.network(Ephemeral::default());
        let server = steps.into_iter().fold(server, |server, step| step(server));
        async move {
            let (running, home) = match (place, workers) {
                (Place::Here, Some(_)) => fail(
                    here,
                    "`worker_threads` is for a server with a runtime of its own, and this one is \
                     kept `here`",
                ),
                (Place::Here, None) => (start_here(here, server, patience).await?, Home::here()),
                (Place::OwnThread, workers) => {
                    start_elsewhere(here, server, workers, patience).await?
                }
            };
            Ok(TestServer {
                running,
                home,
                patience,
                here,
                _directory: directory,
            })
        }
    }
}

async fn start_here(
    here: &'static Location<'static>,
    server: Server,
    patience: Duration,
) -> Result<Running, StartError> {
    let handle = server.handle();
    let started = Waiting::Here.bounded(patience, server.start()).await;
    started.unwrap_or_else(|| never_started(here, &handle, patience))
}

fn never_started(here: &Location<'_>, handle: &ServerHandle, limit: Duration) -> ! {
    let phase = handle.phase();
    fail(
        here,
        &format!("waited {limit:?} for the server to start; it is {phase}"),
    )
}

async fn start_elsewhere(
    here: &'static Location<'static>,
    server: Server,
    workers: Option<usize>,
    patience: Duration,
) -> Result<(Running, Home), StartError> {
    let handle = server.handle();
    let (thread, started) = OwnThread::start(server, workers).unwrap_or_else(|error| {
        fail(
            here,
            &format!("the server has no runtime of its own: {error}"),
        )
    });
    let mut home = Home::Own(Some(thread));
    let Some(started) = home.waiting().bounded(patience, started).await else {
        never_started(here, &handle, patience)
    };
    match started {
        Ok(Ok(running)) => Ok((running, home)),
        Ok(Err(error)) => {
            if let Err(left) = home.settle(here, error.report(), patience).await {
                fail(
                    here,
                    &format!("the server did not start: {error}; and {left}"),
                );
            }
            Err(error)
        }
        Err(_) => fail(here, "the server's thread panicked; see above"),
    }
}
