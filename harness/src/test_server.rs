//! A server under test: started as in production, on a port of its own, ready when a test has it.
//!
//! **Invariant:** nothing of a server is replaced but its addresses.
//! **Invariant:** a test server is over when it is gone: whoever drops it waits for its end.

mod builder;
mod clients;
mod home;
mod last_word;
mod log;
mod settle;
mod thread;
mod told;

use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamplighter::{Addr, Application, Report, Running, Server, ServerHandle, Signal, StartError};
use tempfile::TempDir;

pub use builder::TestServerBuilder;
pub use clients::Clients;

pub(crate) use self::home::Waiting;

use self::home::Home;
use self::told::Told;
use crate::client::Dialler;
use crate::leak::Held;
#[cfg(doc)]
use crate::patience::PATIENCE;
use crate::patience::fail;

/// A server on a free port of the loopback address, on a thread and in a runtime of its own.
///
/// ```
/// use axum::{Router, routing::get};
/// use lamplighter_harness::TestServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = TestServer::spawn(Router::new().route("/", get(|| async { "hello" }))).await;
/// assert_eq!(server.get("/").await.text(), "hello");
/// assert!(server.stop().await.is_clean());
/// # }
/// ```
///
/// Tests run side by side: each server has its own port, and none of them knows of another. It lives
/// on real time, whatever clock the test has; [`here`](Self::here) keeps one on the test's.
///
/// # Dropping it
///
/// In any kind of test, a drop stops the server and waits for it: 100 ms for a graceful end, then by
/// force, for [`PATIENCE`] at most. If it does not end, or leaves something behind, the test fails. It
/// blocks the thread meanwhile, so a client that lives there cannot take part in the end: a test about
/// a stop calls [`stop`](Self::stop).
///
/// # Leaks
///
/// However it ends, it has a second to leave nothing behind, or the test fails with what is left:
///
/// | what | is a leak if |
/// |---|---|
/// | tasks of its runtime | one is left, whoever spawned it |
/// | blocking code (`spawn_blocking`) and threads of its runtime | one is still at work |
/// | connections | as many have not ended as were accepted |
/// | requests, workers, hooks | one did not end although it was told to |
/// | ports and Unix sockets that it has bound | one is still open, or still a file |
/// | objects that it is to let go of: [`watch`](Self::watch) | somebody still holds one |
/// | descriptors and threads of the process | asked for by [`whole_process`](TestServerBuilder::whole_process) |
///
/// A task is named by the request that was being handled when it came up, where the application was
/// given to [`spawn`](Self::spawn) and one thread does all the work; in a build with
/// `--cfg tokio_unstable`, by the line that spawned it as well. A server that is kept
/// [`here`](Self::here) shares tasks and threads with its test, so those two are not judged.
/// [`allow_leaks`](TestServerBuilder::allow_leaks) is for a test that has to leave something.
///
/// ```no_run
/// # use axum::{Router, routing::get};
/// use lamplighter_harness::TestServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let forgets = || async { drop(tokio::spawn(std::future::pending::<()>())) };
/// let server = TestServer::spawn(Router::new().route("/leak", get(forgets))).await;
/// server.get("/leak").await;
/// // it leaked: 1 task is left; tasks were spawned while: GET /leak was being handled (1)
/// assert!(server.stop().await.is_clean());
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it stops the server: keep it as long as it is needed"]
pub struct TestServer {
    // Told to stop before the directory of its sockets goes.
    running: Running,
    home: Home,
    held: Held,
    patience: Duration,
    here: &'static Location<'static>,
    told: Told,
    /// To its listener in memory, once it has one.
    dialler: Mutex<Option<Dialler>>,
    _directory: Option<TempDir>,
}

// Its start.
impl TestServer {
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
    pub fn spawn(app: impl Application) -> impl Future<Output = Self> + Send {
        Self::builder().spawn(app)
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
    pub fn start(server: Server) -> impl Future<Output = Self> + Send {
        Self::builder().start(server)
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
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server in the background.
    #[track_caller]
    pub fn try_start(server: Server) -> impl Future<Output = Result<Self, StartError>> + Send {
        Self::builder().try_start(server)
    }

    /// A test server to be, with what it is given before it starts.
    pub const fn builder() -> TestServerBuilder {
        TestServerBuilder::new()
    }

    /// A test server to be, which is kept in the runtime of the test: for virtual time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use axum::{Router, routing::get};
    /// use lamplighter_harness::TestServer;
    ///
    /// # tokio::runtime::Builder::new_current_thread()
    /// #     .enable_all().start_paused(true).build().unwrap().block_on(async {
    /// // in a `#[tokio::test(start_paused = true)]`
    /// let slow = || tokio::time::sleep(Duration::from_secs(60));
    /// let app = Router::new().route("/", get(move || async move { slow().await; "slow" }));
    /// let server = TestServer::here().spawn(app).await;
    /// assert!(server.stop().await.is_clean());
    /// # });
    /// ```
    ///
    /// See [`TestServerBuilder::here`].
    pub const fn here() -> TestServerBuilder {
        TestServerBuilder::new().here()
    }
}

// What it is.
impl TestServer {
    /// Where it listens by TCP: its first listener, unless that is no TCP listener; see
    /// [`addr_of`](Self::addr_of) for all others.
    ///
    /// # Panics
    ///
    /// If its first listener is a Unix socket or the like.
    #[must_use]
    #[track_caller]
    pub fn addr(&self) -> SocketAddr {
        self.running.addr().tcp().unwrap_or_else(|| {
            fail(
                Location::caller(),
                &format!("the server listens on {}, not on TCP", self.running.addr()),
            )
        })
    }

    /// The address of the listener of this name; `None` if no listener has it.
    #[must_use]
    pub fn addr_of(&self, name: &str) -> Option<&Addr> {
        self.running.addr_of(name)
    }

    /// The URL of a path on it.
    ///
    /// # Panics
    ///
    /// As [`addr`](Self::addr).
    #[must_use]
    #[track_caller]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    /// Expects of this object that nobody holds it when the server has stopped. See
    /// [`TestServerBuilder::watch`].
    pub fn watch<T: Send + Sync + 'static>(&self, name: impl Into<String>, object: &Arc<T>) {
        self.held.watch(name.into(), Arc::downgrade(object));
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

    /// All the facts so far.
    pub fn report(&self) -> Report {
        self.handle().report()
    }
}

// Its life.
impl TestServer {
    /// How long each wait of the test for this server may take from now on, and each of the clients
    /// that it gives from now on. For a test that waits for what never comes: the start, and what was
    /// waited for until then, had what the [builder](Self::builder) was told.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Gives this server a signal, as if the process had got it: one that comes within 300 ms of the one
    /// before is taken for the same. What a second one does, [`ServerHandle::force`] does without that wait.
    pub fn signal(&self, signal: Signal) {
        self.handle().signal(signal);
    }

    /// Stops the server; resolves when nothing of it is left. The stop begins when this is called.
    ///
    /// # Panics
    ///
    /// If it is not over [`PATIENCE`] after its budget, with the report so far; if it leaves something
    /// behind.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is a drop of the server.
    #[track_caller]
    pub fn stop(self) -> impl Future<Output = Report> + Send {
        let here = Location::caller();
        let stopping = self.running.stop();
        async move { self.ended(here, stopping).await }
    }

    /// Waits for the end of a stop that something else has begun or will begin.
    ///
    /// # Panics
    ///
    /// If it is not over [`PATIENCE`] after its budget, with the report so far; if it leaves something
    /// behind.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is a drop of the server.
    #[track_caller]
    pub fn wait(self) -> impl Future<Output = Report> + Send {
        let here = Location::caller();
        let handle = self.handle().clone();
        async move { self.ended(here, handle.wait()).await }
    }

    async fn ended(
        mut self,
        here: &'static Location<'static>,
        end: impl Future<Output = Report> + Send,
    ) -> Report {
        let waiting = self.home.waiting();
        let mut limit = self.patience;
        let over = {
            let mut over = pin!(self.home.over(end));
            let soon = waiting.bounded(limit, over.as_mut()).await;
            if soon.is_some() {
                soon
            } else {
                let budget = self.running.handle().report().budget();
                let budget = budget.unwrap_or(Duration::ZERO);
                limit = limit.saturating_add(budget);
                waiting.bounded(budget, over).await
            }
        };
        let report = self.report();
        // One that has ended may still be looked at for what it has left.
        if over.is_none() && !report.is_complete() {
            let told = self.told.lines();
            fail(
                here,
                &format!("waited {limit:?} for the server's end; {report}; {told}"),
            )
        }
        let patience = self.patience;
        let mut home = std::mem::replace(&mut self.home, Home::OVER);
        // While its thread ends.
        drop(self);
        if let Err(left) = home.settle(here, &report, patience).await {
            fail(here, &format!("the server has not ended well: {left}"));
        }
        report
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let Err(left) = self.home.drop_it(self.running.handle(), self.patience) else {
            return;
        };
        let message = format!("the server has not ended well: {left}");
        if std::thread::panicking() {
            // The test has failed already, with a message of its own.
            #[expect(
                clippy::print_stderr,
                reason = "a second panic would end the process and hide the first"
            )]
            {
                eprintln!("{}: {message}", self.here);
            }
        } else {
            fail(self.here, &message);
        }
    }
}
