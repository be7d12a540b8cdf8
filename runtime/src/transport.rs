//! Bytes to services: every connection of one server, from accept to close (floor 2).
//!
//! The server above hands in what it is told by ([`Sink`]) and says how far a stop has come
//! ([`Transport::direct`]); what each connection does about that, its own machine decides
//! (`lamplighter_lifecycle::connection`). Per connection two inputs go up, opened and closed, and a
//! third where a force close finds work, and two around the time that one lingers; per request none.
//!
//! **Invariant:** nothing that is shared between connections is written per request.
//! **Invariant:** every connection that was opened is reported closed, exactly once, after its last
//! request is settled and its socket closed, or its side of it ended while it lingers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamplighter_lifecycle::{Budget, ConnectionId, Directive, Input, Instant, WhileDraining, Work};
use tokio::task::AbortHandle;

use crate::os::clock::Clock;
use crate::os::listener::{Addr, Io};
use crate::os::tasks::{TaskName, Tasks};
use crate::os::watch;

mod accept;
mod account;
mod answer_head;
mod app;
mod application;
mod body;
mod broken;
mod connection;
mod content_type;
mod conversation;
mod deadline;
mod flag;
mod frames;
#[cfg(feature = "grpc")]
mod grpc;
mod health;
mod host;
mod in_flight;
mod infrastructure;
mod io;
mod limits;
mod linger;
mod orders;
#[cfg(feature = "axum")]
mod outside;
mod own_answer;
mod parting;
mod peer;
mod protocol;
#[cfg(feature = "grpc")]
mod question;
#[cfg(feature = "grpc")]
mod reflection;
mod room;
mod route;
mod scope;
mod seen;
mod service;
mod shutdown_signal;
mod sniff;
mod spawning;
mod stalled;
mod tunnel;
mod turn;
mod upgrade;
mod upload;
mod verb;

#[cfg(test)]
mod tests;

pub(crate) use accept::{Accepting, Newcomers, Queue};
pub use app::App;
#[cfg(feature = "grpc")]
pub use app::{AppBody, AppFuture, WithGrpc};
pub use application::Application;
pub(crate) use health::Answers;
pub use health::http::HttpHealth;
pub use health::{Check, Health, ServingStatus};
pub(crate) use infrastructure::{Infrastructure, nothing_else};
pub use limits::{Limits, LimitsError};
#[cfg(feature = "axum")]
pub use outside::OutsideServer;
pub use peer::Peer;
pub(crate) use protocol::Protocols;
pub use protocol::{Healthcheck, ProtocolError, ServerProtocol};
#[cfg(feature = "grpc")]
pub use reflection::Reflection;
pub use route::name_route;
#[cfg(feature = "axum")]
pub use route::{NamedRoute, NamedRoutes};
pub(crate) use scope::{ServerKey, ServerScope, current_server, scope, scope_sync};
pub(crate) use service::BoxError;
pub use service::Incoming;
pub(crate) use service::sealed::Erased;
pub use shutdown_signal::{ShutdownController, ShutdownSignal};

use accept::Listeners;
use account::{Account, lock};
use connection::Connected;
use linger::Lingering;
use orders::Orders;
use room::{Room, Seat};

/// Where the transport tells what happens, and what it asks for the time.
///
/// Called from any thread, with none of the transport's locks held.
pub(crate) trait Sink: Send + Sync + 'static {
    /// Something happened.
    fn input(&self, input: Input);
    /// The server's time.
    fn now(&self) -> Instant;
}

/// What a transport is made of.
pub(crate) struct Setup {
    /// The application.
    pub(crate) app: Erased,
    /// What answers beside it.
    pub(crate) infrastructure: Option<Arc<Infrastructure>>,
    /// Its defences.
    pub(crate) limits: Limits,
    /// The budget of a stop, for what it says of connections.
    pub(crate) budget: Budget,
    /// Makes its timers; the time itself comes from the sink.
    pub(crate) clock: Clock,
    /// Spawns its tasks.
    pub(crate) tasks: Tasks,
    /// Is told.
    pub(crate) sink: Arc<dyn Sink>,
    /// Whom requests work for.
    pub(crate) server: ServerKey,
    /// Moves the signal that requests see.
    pub(crate) controller: ShutdownController,
}

/// The connections of one server. Clones are the same transport.
#[derive(Clone)]
pub(crate) struct Transport {
    inner: Arc<Inner>,
}

struct Inner {
    app: Erased,
    infrastructure: Option<Arc<Infrastructure>>,
    limits: Limits,
    drain_spread: Duration,
    while_draining: WhileDraining,
    clock: Clock,
    tasks: Tasks,
    sink: Arc<dyn Sink>,
    scope: ServerScope,
    controller: ShutdownController,
    orders: Orders,
    opened: AtomicU64,
    connections: Mutex<BTreeMap<ConnectionId, Entry>>,
    listeners: Mutex<Listeners>,
    close: watch::Watched<Option<Queue>>,
    /// Whether shared listeners are accepted from.
    serving: watch::Watched<bool>,
    room: Room,
    lingering: Lingering,
}

struct Entry {
    account: Arc<Account>,
    task: Option<AbortHandle>,
    _seat: Seat,
}

impl Transport {
    /// A transport without listeners, whose connections answer 503 until it is directed to serve.
    pub(crate) fn new(setup: Setup) -> Self {
        let Setup {
            app,
            infrastructure,
            limits,
            budget,
            clock,
            tasks,
            sink,
            server,
            controller,
        } = setup;
        let scope = ServerScope::new(server, controller.signal().clone());
        Self {
            inner: Arc::new(Inner {
                app,
                infrastructure,
                room: Room::new(limits.connections()),
                limits,
                drain_spread: budget.drain_spread(),
                while_draining: budget.while_draining(),
                clock,
                tasks,
                sink,
                scope,
                controller,
                orders: Orders::default(),
                opened: AtomicU64::new(0),
                connections: Mutex::default(),
                listeners: Mutex::default(),
                close: watch::Watched::new(None),
                serving: watch::Watched::new(false),
                lingering: Lingering::default(),
            }),
        }
    }

    /// Begins to accept from these listeners, each in a task of its own; from shared ones once it is
    /// directed to serve.
    pub(crate) fn accept(&self, listeners: Vec<Accepting>) {
        accept::spawn(&self.inner, listeners);
    }

    /// Begins to accept from one more; `false`, and it is dropped, once listeners are to close.
    pub(crate) fn accept_late(&self, listener: Accepting) -> bool {
        accept::spawn_late(&self.inner, listener)
    }

    /// Passes on how far a stop has come: first to the shutdown signal, then to every connection.
    ///
    /// Level-based: what was said before is kept, and saying it again changes nothing. Connections
    /// hear it when their tasks next run.
    pub(crate) fn direct(&self, directive: &Directive) {
        self.inner.controller.direct(directive);
        if matches!(directive, Directive::Serve) {
            self.inner.serving.send_modify(|serving| *serving = true);
        }
        if self.inner.orders.direct(directive) {
            for account in self.inner.accounts() {
                account.wake();
            }
        }
    }

    /// Stops accepting and closes every listener; then reports that they are closed, at once if
    /// there is none. Only the first call counts.
    pub(crate) fn close_listeners(&self, queue: Queue) {
        accept::close(&self.inner, queue);
    }

    /// How many requests are in flight, upgraded connections included.
    pub(crate) fn in_flight(&self) -> usize {
        self.sum(Account::in_flight)
    }

    /// The same without streams of infrastructure's, which no drain waits for.
    pub(crate) fn work_in_flight(&self) -> usize {
        self.sum(Account::work_in_flight)
    }

    fn sum(&self, count: impl Fn(&Account) -> u64) -> usize {
        let accounts = self.inner.accounts();
        let sum: u64 = accounts.iter().map(|account| count(account)).sum();
        usize::try_from(sum).unwrap_or(usize::MAX)
    }

    /// The requests in flight, each with its connection.
    pub(crate) fn work(&self) -> Vec<(ConnectionId, Work)> {
        let accounts = self.inner.accounts();
        let work = accounts.iter().flat_map(|account| {
            let work = account.work().into_iter();
            work.map(|work| (account.id, work))
        });
        work.collect()
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        lock(&self.inner.connections).len()
    }

    /// Reports what each living connection is doing. To be called before directing force.
    pub(crate) fn forced(&self) {
        for account in self.inner.accounts() {
            self.inner.sink.input(Input::ConnectionForced {
                connection: account.id,
                protocol: account.protocol(),
                tally: account.tally(),
                work: account.work(),
            });
        }
    }

    /// Closes every connection that lingers; none lingers from here on.
    pub(crate) fn end_linger(&self) {
        self.inner.lingering.end();
    }

    /// Aborts the tasks of all connections; their sockets are closed as the tasks are dropped,
    /// those that the application has taken over among them.
    pub(crate) fn abort(&self) {
        for account in self.inner.accounts() {
            // No stream that has not begun begins before its task is gone.
            account.raise(flag::FORCED);
            account.wake_requests();
        }
        let tasks: Vec<AbortHandle> = lock(&self.inner.connections)
            .values()
            .filter_map(|entry| entry.task.clone())
            .collect();
        for task in tasks {
            task.abort();
        }
    }
}

/// The name of a connection's task.
pub(crate) const fn connection_task(id: ConnectionId) -> TaskName {
    TaskName::numbered("connection", id.number())
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("open_connections", &self.open_connections())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn accounts(&self) -> Vec<Arc<Account>> {
        lock(&self.connections)
            .values()
            .map(|entry| Arc::clone(&entry.account))
            .collect()
    }

    fn open(self: &Arc<Self>, socket: Io, peer: Addr, seat: Seat) {
        let (heard, asked) = self.orders.read();
        let flags = if asked.serves() { flag::SERVING } else { 0 };
        let now = self.sink.now();
        let id = ConnectionId::new(self.opened.fetch_add(1, Ordering::Relaxed) + 1);
        let (account, token) = Account::open(id, Arc::clone(self), flags, now);
        let entry = Entry {
            account: Arc::clone(&account),
            task: None,
            _seat: seat,
        };
        lock(&self.connections).insert(id, entry);
        self.sink.input(Input::ConnectionOpened {
            connection: id,
            peer: match peer.tcp() {
                Some(addr) => addr.into(),
                None => peer.to_string().into(),
            },
        });
        let connected = Connected::new(self, socket, peer, token, heard, asked, now);
        let task = self.tasks.spawn(connection_task(id), connected);
        if let Some(entry) = lock(&self.connections).get_mut(&id) {
            entry.task = Some(task.abort_handle());
        }
    }

    fn forget(&self, id: ConnectionId) {
        // The seat is given back after the lock.
        let entry = lock(&self.connections).remove(&id);
        drop(entry);
        self.room.leave();
    }
}
