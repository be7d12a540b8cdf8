//! A thread with a runtime for one server alone, from its start until nothing of it is left.
//!
//! One runtime per server makes what is left in it the server's own, however many tests share the
//! process, and keeps a handler that blocks from holding up another test.
//!
//! **Invariant:** the runtime is gone before the thread says what is left of the server.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lamplighter::{Running, Server, StartError};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::last_word::{Listener, Silence, Speaker, last_word};
use super::log::Log;
use super::settle::{Found, settle};
use crate::descriptors::OneServer;
use crate::leak::Ledger;

/// The thread of one server.
///
/// Dropped, it is left to itself: it ends when its server does.
#[derive(Debug)]
pub(super) struct OwnThread {
    thread: JoinHandle<()>,
    let_go: Option<oneshot::Sender<()>>,
    found: Listener<(Found, Ledger)>,
}

/// What has become of a start.
pub(super) type Started = oneshot::Receiver<Result<Running, StartError>>;

/// The ends that the thread itself holds.
struct Ends {
    started: oneshot::Sender<Result<Running, StartError>>,
    let_go: oneshot::Receiver<()>,
    found: Speaker<(Found, Ledger)>,
}

impl OwnThread {
    /// Starts this server in a runtime of its own, with so many worker threads; with none, the
    /// thread itself does all the work.
    ///
    /// Dropping what it returns drops the start, and so ends the server.
    ///
    /// What it takes is entered in the ledger. It logs as the thread does that calls this.
    pub(super) fn start(
        server: Server,
        workers: Option<usize>,
        ledger: Ledger,
    ) -> io::Result<(Self, Started)> {
        let name = name();
        let log = Log::here();
        let counted = OneServer::enter();
        let mut runtime = runtime(workers, &name, &log, &ledger)?;
        let (made, is_made) = last_word();
        let (started, has_started) = oneshot::channel();
        let (let_go, is_let_go) = oneshot::channel();
        let (found, is_found) = last_word();
        let ends = Ends {
            started,
            let_go: is_let_go,
            found,
        };
        let thread = thread::Builder::new().name(name).spawn(move || {
            // None is made, and whoever asked for it says why.
            let Ok(runtime) = is_made.hear() else {
                return;
            };
            log.adopt();
            let _counted = counted;
            log.within(|| live(runtime, server, ends, ledger));
        })?;
        // Made here, where it can be said that it cannot be made, while the thread comes up: woken by whoever
        // asks, a server is as a rule on the processor of its clients, and a life is a sixth shorter.
        match runtime.build() {
            Ok(runtime) => made.say(runtime),
            Err(error) => {
                drop(made);
                drop(thread.join());
                return Err(error);
            }
        }
        let own = Self {
            thread,
            let_go: Some(let_go),
            found: is_found,
        };
        Ok((own, has_started))
    }

    /// Lets the thread end once its server has.
    pub(super) fn let_go(&mut self) {
        if let Some(let_go) = self.let_go.take() {
            // It may have ended already, after a start that failed.
            let _ended = let_go.send(());
        }
    }

    /// Resolves when the server has settled and the thread is as good as gone; at once from then on.
    pub(super) async fn settled(&self) {
        // Gone without a word, it has panicked, and the next question says so.
        self.found.is_said().await;
    }

    /// What was left of the server, and its ledger, once it has settled within `limit`; blocks
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// What is to be said of a thread that has ended without a word.
    pub(super) fn found(&self, limit: Duration) -> Option<Result<(Found, Ledger), String>> {
        let found = self.found.take(limit)?;
        Some(found.map_err(|Silence| String::from("its thread panicked; see above")))
    }

    /// Whether this is called from within the server.
    pub(super) fn is_current(&self) -> bool {
        self.thread.thread().id() == thread::current().id()
    }

    /// Waits for the thread that has said what it has found.
    pub(super) fn join(self) {
        // What it panicked with stands on standard error.
        drop(self.thread.join());
    }
}

/// Says in every panic message which test the server belongs to.
fn name() -> String {
    let current = thread::current();
    format!(
        "server of {}",
        current.name().unwrap_or("a nameless thread")
    )
}

/// The runtime of such a server, to be made.
fn runtime(workers: Option<usize>, name: &str, log: &Log, ledger: &Ledger) -> io::Result<Builder> {
    let mut builder = match workers {
        None => Builder::new_current_thread(),
        Some(0) => return Err(io::Error::other("0 worker threads; at least 1 is needed")),
        Some(workers) => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    let log = log.without_span();
    ledger.observe(&mut builder, move || log.adopt());
    builder.thread_name(name).enable_all();
    Ok(builder)
}

fn live(runtime: Runtime, server: Server, ends: Ends, mut ledger: Ledger) {
    let handle = server.handle();
    ledger.begin();
    let found = runtime.block_on(async {
        let mut started = ends.started;
        let start = tokio::select! {
            biased;
            start = server.start() => Some(start),
            () = started.closed() => None,
        };
        // Nobody waits for a server whose start was dropped, and the drop of it stops it.
        let is_owned = start.is_some_and(|start| started.send(start).is_ok());
        let report = handle.wait().await;
        if is_owned {
            // Asked last: whoever stops the server lets go of it as well, and need not wake this
            // twice. An error is a test that is gone without a word.
            drop(ends.let_go.await);
        }
        settle(&report, &ledger).await
    });
    runtime.shutdown_timeout(ledger.grace());
    // Whoever hears it has the last hold on the server, and lets go of that while this thread ends.
    drop(handle);
    ends.found.say((found, ledger));
}
