//! What the two ends of a connection in turmoil know of each other beside its segments: whose it is,
//! how much is on its way, and whether an end is a reset.
//!
//! turmoil counts segments of any size, so that a slow reader never holds a writer up, and it has no
//! way to ask for a reset. Both ends are ours, so both are written down here.
//!
//! **Invariant:** no more than a window of bytes is on its way or unread, in either direction.
//! **Invariant:** nothing here tells an end of the other's doings before a message could have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use super::clock::StepClock;
use crate::trace::{Trace, Who, WireSaw};

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

/// The connections of one simulated network.
#[derive(Debug)]
pub(super) struct Wires {
    clock: StepClock,
    latency: Duration,
    /// Where the server's reads and writes are written down, if they are.
    wire: Option<Trace>,
    table: Mutex<Table>,
    released: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// Who has asked for a connection and has none, by host; in the order in which they asked, which is
    /// that in which they are accepted.
    dialling: BTreeMap<IpAddr, VecDeque<Dialling>>,
    dialled: u64,
    accepted: u32,
    /// Connections of which only the server's end is there, by the addresses of client and server.
    half: BTreeMap<(SocketAddr, SocketAddr), Arc<Wire>>,
    /// Ends that went, in the order in which the other ends come to know.
    leaving: VecDeque<Leaving>,
    held: BTreeSet<IpAddr>,
    cut: BTreeSet<IpAddr>,
}

/// Whose a connection is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The client's place in the scenario.
    pub(super) client: u16,
    /// How many bytes may be on their way or unread, in either direction.
    pub(super) window: usize,
}

#[derive(Debug)]
struct Dialling {
    number: u64,
    caller: Caller,
}

/// An attempt to connect: given up when it is dropped, if nobody has accepted it.
#[derive(Debug)]
pub(super) struct Attempt {
    wires: Arc<Wires>,
    host: IpAddr,
    number: u64,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut table = lock(&self.wires.table);
        if let Some(dialling) = table.dialling.get_mut(&self.host) {
            dialling.retain(|other| other.number != self.number);
        }
    }
}

#[derive(Debug)]
struct Leaving {
    at: Duration,
    wire: Arc<Wire>,
    end: End,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    host: IpAddr,
    caller: Caller,
    /// The how-manieth that was accepted, from 1.
    number: u32,
    ways: Mutex<Ways>,
}

#[derive(Debug)]
struct Ways {
    to_server: Way,
    to_client: Way,
}

/// One direction of a connection.
#[derive(Debug)]
struct Way {
    /// How many more bytes may be sent.
    room: usize,
    /// Who waits for room.
    writer: Option<Waker>,
    /// Nobody reads it any more, and its writer may know.
    broken: bool,
    /// Its end is a reset.
    reset: bool,
}

impl Wires {
    pub(super) fn new(clock: StepClock, latency: Duration, wire: Option<Trace>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            latency,
            wire,
            table: Mutex::default(),
            released: Notify::new(),
        })
    }

    /// How long a message takes.
    pub(super) const fn latency(&self) -> Duration {
        self.latency
    }

    /// Somebody on `host` sends a SYN in this instant.
    pub(super) fn dials(self: &Arc<Self>, host: IpAddr, caller: Caller) -> Attempt {
        let mut table = lock(&self.table);
        let number = table.dialled;
        table.dialled += 1;
        let dialling = table.dialling.entry(host).or_default();
        dialling.push_back(Dialling { number, caller });
        Attempt {
            wires: Arc::clone(self),
            host,
            number,
        }
    }

    /// The server's end of a connection that it has accepted; `None` if nobody has asked for one.
    pub(super) fn accepted(&self, client: SocketAddr, server: SocketAddr) -> Option<Arc<Wire>> {
        let mut table = lock(&self.table);
        let caller = table.dialling.get_mut(&client.ip())?.pop_front()?.caller;
        table.accepted += 1;
        let wire = Arc::new(Wire::new(client.ip(), caller, table.accepted));
        table.half.insert((client, server), Arc::clone(&wire));
        Some(wire)
    }

    /// The client's end of a connection that was accepted.
    pub(super) fn connected(&self, client: SocketAddr, server: SocketAddr) -> Option<Arc<Wire>> {
        lock(&self.table).half.remove(&(client, server))
    }

    /// Writes down what passes at the server's end.
    pub(super) fn saw(&self, wire: &Wire, end: End, what: impl FnOnce() -> WireSaw) {
        if end == End::Server
            && let Some(trace) = &self.wire
        {
            trace.record(Who::Wire(wire.number), what());
        }
    }

    /// This end is gone. Whoever waits for room towards it knows one latency later, as by the reset
    /// that the bytes on their way are answered with.
    pub(super) fn left(&self, wire: &Arc<Wire>, end: End) {
        lock(&self.table).leaving.push_back(Leaving {
            at: self.clock.now() + self.latency,
            wire: Arc::clone(wire),
            end,
        });
    }

    /// Tells what is due at the clock's time.
    pub(super) fn step(&self) {
        let now = self.clock.now();
        let mut table = lock(&self.table);
        let Table {
            leaving, held, cut, ..
        } = &mut *table;
        let mut told = Vec::new();
        leaving.retain(|gone| {
            let host = &gone.wire.host;
            if gone.at > now || held.contains(host) {
                return true;
            }
            if !cut.contains(host) {
                told.push((Arc::clone(&gone.wire), gone.end));
            }
            false
        });
        drop(table);
        for (wire, end) in told {
            wire.breaks(end);
        }
    }

    /// Keeps from both ends of this host's connections what the other does, until it is released.
    pub(super) fn hold(&self, host: IpAddr) {
        lock(&self.table).held.insert(host);
    }

    /// The end of [`hold`](Self::hold).
    pub(super) fn release(&self, host: IpAddr) {
        lock(&self.table).held.remove(&host);
        self.released.notify_waiters();
    }

    /// Resolves when something can travel between the server and this host.
    pub(super) async fn travels(&self, host: IpAddr) {
        loop {
            let released = self.released.notified();
            {
                let table = lock(&self.table);
                if !table.held.contains(&host) && !table.cut.contains(&host) {
                    return;
                }
            }
            released.await;
        }
    }

    /// As [`hold`](Self::hold), for ever.
    pub(super) fn cut(&self, host: IpAddr) {
        lock(&self.table).cut.insert(host);
    }
}

impl Wire {
    fn new(host: IpAddr, caller: Caller, number: u32) -> Self {
        let way = || Way {
            room: caller.window,
            writer: None,
            broken: false,
            reset: false,
        };
        Self {
            host,
            caller,
            number,
            ways: Mutex::new(Ways {
                to_server: way(),
                to_client: way(),
            }),
        }
    }

    /// Whose connection it is, by the client's place in the scenario.
    pub(super) const fn client(&self) -> u16 {
        self.caller.client
    }

    /// How many bytes this end may send, once there are any; `None` if the other end is gone.
    pub(super) fn poll_room(&self, end: End, cx: &Context<'_>) -> Poll<Option<usize>> {
        let mut ways = lock(&self.ways);
        let way = ways.from(end);
        if way.room > 0 {
            return Poll::Ready(Some(way.room));
        }
        if way.broken {
            return Poll::Ready(None);
        }
        match &mut way.writer {
            Some(writer) => writer.clone_from(cx.waker()),
            None => way.writer = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// This end has sent so many bytes.
    pub(super) fn sent(&self, end: End, bytes: usize) {
        let mut ways = lock(&self.ways);
        let way = ways.from(end);
        way.room = way.room.saturating_sub(bytes);
    }

    /// This end has read so many bytes.
    pub(super) fn read(&self, end: End, bytes: usize) {
        let mut ways = lock(&self.ways);
        let way = ways.from(end.other());
        way.room += bytes;
        let writer = way.writer.take();
        drop(ways);
        writer.into_iter().for_each(Waker::wake);
    }

    /// From now on what this end says last is a reset.
    pub(super) fn reset(&self, end: End) {
        lock(&self.ways).from(end).reset = true;
    }

    /// Whether what this end says last is a reset.
    pub(super) fn resets(&self, end: End) -> bool {
        lock(&self.ways).from(end).reset
    }

    /// Whether the end of what this end reads is a reset.
    pub(super) fn is_reset(&self, end: End) -> bool {
        lock(&self.ways).from(end.other()).reset
    }

    fn breaks(&self, gone: End) {
        let mut ways = lock(&self.ways);
        let way = ways.from(gone.other());
        way.broken = true;
        let writer = way.writer.take();
        drop(ways);
        writer.into_iter().for_each(Waker::wake);
    }
}

impl Ways {
    const fn from(&mut self, end: End) -> &mut Way {
        match end {
            End::Client => &mut self.to_server,
            End::Server => &mut self.to_client,
        }
    }
}

impl End {
    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A panic of a simulated host must not hide behind another one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
