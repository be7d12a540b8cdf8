//! What a server has left behind, found out after its end: the ledger of everything that it took.
//!
//! **Invariant:** a leak is judged once the server says that it has stopped, and what is on its way out
//! has [`GRACE`] to be gone.
//! **Invariant:** what belongs to the test, or to another server of the process, is never counted, but
//! where a test has asked to judge the whole process.

mod held;
mod noted;
mod ports;
#[cfg(tokio_unstable)]
mod spawned;
mod tasks;
mod threads;
mod told;
mod whole_process;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lamplighter::{Report, ServerHandle};

pub(crate) use held::Held;
pub(crate) use noted::Noted;
pub(crate) use ports::Ports;

use tasks::{Count, Tasks};
use threads::Threads;
use whole_process::WholeProcess;

/// How long what a server leaves may take to be gone by itself: the end of a connection of a pool that
/// was dropped with the application takes some turns of the runtime, and an answer of the kernel.
///
/// As long as the runtime itself waits for the last bytes of a connection; only a test that fails takes
/// that long.
const GRACE: Duration = Duration::from_secs(1);

/// How many turns of the runtime it has at least: on a busy machine all the time may be gone in one.
const TURNS: usize = 100;

/// Everything that one server took, from before its start until nothing of it may be left.
#[derive(Debug)]
pub(crate) struct Ledger {
    server: Option<ServerHandle>,
    tasks: Tasks,
    threads: Threads,
    ports: Ports,
    held: Held,
    unix: Vec<PathBuf>,
    whole_process: Option<WholeProcess>,
    grace: Duration,
    allowed: Option<String>,
}

// Its beginning.
impl Ledger {
    /// For a server with a runtime of its own: all tasks and threads of that runtime are the server's.
    pub(crate) fn of_own_runtime() -> Self {
        Self::of(Count::All)
    }

    /// For a server in the runtime of its test, whose tasks and threads cannot be told from the test's.
    pub(crate) fn of_shared_runtime() -> Self {
        Self::of(Count::Nothing)
    }

    fn of(count: Count) -> Self {
        Self {
            server: None,
            tasks: Tasks::new(count),
            threads: Threads::default(),
            ports: Ports::default(),
            held: Held::default(),
            unix: Vec::new(),
            whole_process: None,
            grace: GRACE,
            allowed: None,
        }
    }

    /// Enters the server itself, before its start.
    pub(crate) fn server(&mut self, server: ServerHandle) {
        self.server = Some(server);
    }

    /// Lets what is left be, without a wait: the test has this reason for it.
    pub(crate) fn allow(&mut self, reason: String) {
        self.grace = Duration::ZERO;
        self.allowed = Some(reason);
    }

    /// Why leaks are allowed, if they are.
    pub(crate) fn allowed(&self) -> Option<&str> {
        self.allowed.as_deref()
    }

    /// Waits for so long at most for what is on its way out, instead of [`GRACE`].
    #[cfg(test)]
    pub(crate) fn patient_for(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// How long what is on its way out is waited for.
    pub(crate) const fn grace(&self) -> Duration {
        self.grace
    }

    /// The application, noting what was being handled whenever a task came up.
    pub(crate) fn noted<A>(&self, app: A) -> Noted<A> {
        Noted::new(app, self.tasks.notes())
    }

    /// Where whoever binds ports for the server enters them.
    pub(crate) fn ports(&self) -> Ports {
        self.ports.clone()
    }

    /// Where objects are entered that must be gone with the server.
    pub(crate) fn held(&self) -> Held {
        self.held.clone()
    }

    /// Enters a Unix socket whose file must be gone with the server.
    pub(crate) fn unix(&mut self, path: PathBuf) {
        self.unix.push(path);
    }

    /// Enters what the process holds besides: for a test that is alone in its process.
    pub(crate) fn whole_process(&mut self) {
        self.whole_process = Some(WholeProcess::new());
    }

    /// Whether what the process holds besides is judged.
    pub(crate) const fn judges_whole_process(&self) -> bool {
        self.whole_process.is_some()
    }

    /// Watches the runtime of the server from its making on. Each of its threads begins with `begins`:
    /// a builder has room for one such call alone.
    pub(crate) fn observe(
        &self,
        builder: &mut tokio::runtime::Builder,
        begins: impl Fn() + Send + Sync + 'static,
    ) {
        self.tasks.observe(builder);
        let mark = self.whole_process.as_ref().map(WholeProcess::mark);
        self.threads.observe(builder, move || {
            if let Some(mark) = &mark {
                mark.set();
            }
            begins();
        });
    }

    /// The runtime is made, the server is not started: called on the thread that will drive it.
    pub(crate) fn begin(&mut self) {
        if let Some(whole_process) = &mut self.whole_process {
            whole_process.begin();
        }
    }
}

// Its end.
impl Ledger {
    /// What is left of a server that has stopped. Runs in the server's runtime, while that still
    /// lives: what its end would sweep away is left until then.
    pub(crate) async fn settle(&self, report: &Report) -> Leaks {
        let mut leaks = told::told(report);
        let begun = Instant::now();
        let mut turns = 0;
        loop {
            let left = self.look(report);
            let waited = turns >= TURNS && begun.elapsed() >= self.grace;
            if left.is_empty() || waited {
                leaks.extend(left);
                return Leaks(leaks);
            }
            // Turns, not timers: a paused clock stands still meanwhile.
            turns += 1;
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
    }

    fn look(&self, report: &Report) -> Vec<Leak> {
        let mut left = Vec::new();
        let own = self.server.iter().flat_map(ServerHandle::left_behind);
        left.extend(own.map(|name| told::stuck(report, &name)));
        left.extend(self.tasks.left());
        left.extend(self.held.left());
        if self.tasks.share_a_runtime() {
            left.extend(self.ports.left());
        }
        let paths = self
            .unix
            .iter()
            .filter(|path| path.is_symlink() || path.exists());
        left.extend(paths.cloned().map(Leak::UnixPath));
        left
    }

    /// The same, with the ports that are still open when the server's own runtime is gone: nobody in it
    /// holds one any more.
    pub(crate) fn look_at_ports(&self, before: Leaks) -> Leaks {
        let Leaks(mut leaks) = before;
        if self.tasks.share_a_runtime() {
            return Leaks(leaks);
        }
        let begun = Instant::now();
        let mut left = self.ports.left();
        while !left.is_empty() && begun.elapsed() < self.grace {
            std::thread::yield_now();
            left = self.ports.left();
        }
        leaks.extend(left);
        Leaks(leaks)
    }

    /// Drops the server itself, which has been asked for all that it knows.
    pub(crate) fn let_go_of_the_server(&mut self) {
        self.server = None;
    }

    /// What is left when the server's runtime is gone as well, with all that was found before.
    ///
    /// # Errors
    ///
    /// All leaks, if there are any.
    pub(crate) fn close(&self, before: Leaks) -> Result<(), Leaks> {
        let Leaks(mut leaks) = before;
        let busy = self.threads.left();
        if busy > 0 {
            leaks.push(Leak::Threads(busy));
        }
        if let Some(whole_process) = &self.whole_process {
            leaks.extend(whole_process.left(busy, self.grace));
        }
        if leaks.is_empty() {
            Ok(())
        } else {
            Err(Leaks(leaks))
        }
    }
}

/// All that a server has left behind.
#[derive(Debug)]
#[must_use = "a leak is to fail the test"]
pub(crate) struct Leaks(Vec<Leak>);

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it leaked: ")?;
        for (index, leak) in self.0.iter().enumerate() {
            write!(f, "{}{leak}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// One thing that was left, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leak {
    /// Tasks that somebody spawned beside the server.
    Tasks {
        left: usize,
        /// What is known of where they came from: a sentence, or nothing.
        origin: String,
    },
    /// Threads of the server's runtime that did not end with it.
    Threads(usize),
    /// Threads that something in the server has started by itself.
    Started(usize),
    /// Connections whose accounts do not come out even.
    Connections {
        accepted: u64,
        ended: u64,
        open: u64,
    },
    /// Work of the server that it has told to end, and that lives: its name.
    Stuck(String),
    /// A worker that nobody has waited for.
    Worker(Arc<str>),
    /// A hook that was never settled.
    Hook(String),
    /// A TCP listener that is still open.
    Port(SocketAddr),
    /// A Unix socket that is still in the file system.
    UnixPath(PathBuf),
    /// An object that somebody still holds, so many times.
    Held { name: String, holders: usize },
    /// A descriptor, and what it is open on.
    Descriptor { fd: String, of: PathBuf },
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tasks { left: 1, origin } => write!(f, "1 task is left{origin}"),
            Self::Tasks { left, origin } => write!(f, "{left} tasks are left{origin}"),
            Self::Threads(left) => write!(
                f,
                "threads of its runtime that are still at work, in `spawn_blocking` or in a task that \
                 blocks: {left}"
            ),
            Self::Started(left) => {
                write!(
                    f,
                    "threads that are left and that something in it has started: {left}"
                )
            }
            Self::Connections {
                accepted,
                ended,
                open,
            } => write!(
                f,
                "{accepted} connections were accepted, {ended} have ended, {open} open"
            ),
            Self::Stuck(name) => write!(f, "{name} has not ended"),
            Self::Worker(name) => write!(f, "worker {name} still runs"),
            Self::Hook(name) => write!(f, "hook {name} was never settled"),
            Self::Port(addr) => write!(f, "the listener on {addr} is still open"),
            Self::UnixPath(path) => write!(f, "the Unix socket {} is still there", path.display()),
            Self::Held { name, holders } => {
                let plural = if *holders == 1 { "" } else { "s" };
                write!(f, "`{name}` still has {holders} holder{plural}")
            }
            Self::Descriptor { fd, of } => {
                write!(f, "descriptor {fd} is still open on {}", of.display())
            }
        }
    }
}
