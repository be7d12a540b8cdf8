//! The hosts of a simulation in turmoil: the server's, one that clients share and some that they have
//! to themselves, and what may happen to the network between them.
//!
//! **Invariant:** two simulations of one seed and one set of hosts do the same in every tick.
//! **Invariant:** in each tick clients come before the server, so that what they do to it is done at
//! once, as on one machine.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use turmoil::{Builder, Sim};

use super::clock::{StepClock, TICK};
use super::net::{TurmoilDial, TurmoilNetwork};
use super::queue::Queue;
use super::wire::{Caller, Wires};
use crate::scenario::{AcceptFault, Bind};
use crate::service::PORT;
use crate::trace::Trace;

/// What a simulation is made of.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// What turmoil draws by lot is drawn from this.
    pub(super) seed: u64,
    /// Of every message, both ways.
    pub(super) latency: Duration,
    /// The largest window of a connection.
    pub(super) window: usize,
    /// How many clients there are, each with one connection to be made at a time.
    pub(super) clients: usize,
    /// What binding the server's address comes to.
    pub(super) bind: Bind,
    /// The clients that have a host to themselves.
    pub(super) alone: Vec<u16>,
    /// How many hosts there are with a server beside the first one.
    pub(super) others: u16,
}

/// A simulation that has not begun, or goes on.
pub(super) struct Hosts {
    sim: Sim<'static>,
    clock: StepClock,
    wires: Arc<Wires>,
    /// The accept queue of the server's host.
    queue: Queue,
    bind: Bind,
    shared: Host,
    alone: BTreeMap<u16, Host>,
    server: Host,
    /// The hosts with a server beside the first one, and their accept queues.
    others: Vec<(Host, Queue)>,
    /// The hosts whose line is held.
    held: Vec<IpAddr>,
    /// How many ticks the present one is to take instead of one.
    freeze: u32,
}

/// A machine, and a line to what runs on it.
struct Host {
    addr: IpAddr,
    orders: mpsc::UnboundedSender<Order>,
}

type Process = Pin<Box<dyn Future<Output = ()>>>;

/// What a host is told from outside, to be done in the next tick.
enum Order {
    /// Runs this process, known by this number.
    Run(u16, Process),
    /// Ends it without a word: what it had open is closed.
    End(u16),
    /// Moves the host's clock.
    Advance(Duration),
}

/// When simulations happen: turmoil's own would be today.
const EPOCH: Duration = Duration::from_secs(1_000_000_000);

/// The end of time, which turmoil's own of 10 s is not: whoever steps says when it is over.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Hosts {
    /// A simulation whose time `clock` is to tell. If there is a trace, what passes at the server's end
    /// of each connection is written down in it.
    pub(super) fn new(setting: &Setting, clock: StepClock, wire: Option<Trace>) -> Self {
        let mut sim = Builder::new()
            .rng_seed(setting.seed)
            .epoch(SystemTime::UNIX_EPOCH + EPOCH)
            .tick_duration(TICK)
            .simulation_duration(NEVER)
            .min_message_latency(setting.latency)
            .max_message_latency(setting.latency)
            // One number for the accept queue and for the segments of a connection. A segment has a
            // byte or more, so that none of a full window is turned away, nor the end behind them;
            // and a full accept queue would be a panic.
            .tcp_capacity(setting.window.max(setting.clients) + 1)
            .build();
        // The server's host is the last one, and so the last in each tick.
        let shared = Host::new(&mut sim, "clients");
        let alone = setting.alone.iter();
        let alone = alone
            .map(|client| (*client, Host::new(&mut sim, &format!("client-{client}"))))
            .collect();
        let others = (1..=setting.others).map(|host| {
            let host = Host::new(&mut sim, &format!("server-{host}"));
            (host, Queue::default())
        });
        let others = others.collect();
        let server = Host::new(&mut sim, "server");
        Self {
            sim,
            wires: Wires::new(clock.clone(), setting.latency, wire),
            queue: Queue::default(),
            bind: setting.bind,
            clock,
            shared,
            alone,
            server,
            others,
            held: Vec::new(),
            freeze: 0,
        }
    }

    /// Simulated time.
    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// What a server binds with, on its host.
    pub(super) fn network(&self, host: u16) -> TurmoilNetwork {
        let (queue, bind) = match self.other(host) {
            Some((_, queue)) => (queue, Bind::Ok),
            None => (&self.queue, self.bind),
        };
        TurmoilNetwork::new(Arc::clone(&self.wires), queue.clone(), bind)
    }

    fn other(&self, host: u16) -> Option<&(Host, Queue)> {
        self.others.get(usize::from(host.checked_sub(1)?))
    }

    fn server(&self, host: u16) -> &Host {
        self.other(host).map_or(&self.server, |(host, _)| host)
    }

    /// What a server dials the others with, on its host.
    pub(super) fn dial_from(&self, host: u16, window: usize) -> TurmoilDial {
        // Of a number that no client has.
        let client = u16::MAX - host;
        self.dials(self.server(host).addr, Caller { client, window })
    }

    fn dials(&self, from: IpAddr, caller: Caller) -> TurmoilDial {
        let others = self.others.iter().map(|(host, _)| host.addr);
        let servers = std::iter::once(self.server.addr).chain(others);
        let server = SocketAddr::new(self.server.addr, PORT);
        let servers = servers.map(|addr| SocketAddr::new(addr, PORT)).collect();
        TurmoilDial::new(Arc::clone(&self.wires), from, server, caller, servers)
    }

    /// What a client dials the server with, on its host.
    pub(super) fn dial(&self, client: u16, window: usize) -> TurmoilDial {
        self.dials(self.host(client).addr, Caller { client, window })
    }

    /// Runs a client on its host, from the next tick on.
    pub(super) fn run_client(&self, client: u16, process: impl Future<Output = ()> + 'static) {
        self.host(client)
            .order(Order::Run(client, Box::pin(process)));
    }

    /// Runs a process on the host of a server, from the next tick on.
    pub(super) fn run_on_server(&self, host: u16, process: impl Future<Output = ()> + 'static) {
        self.server(host).order(Order::Run(0, Box::pin(process)));
    }

    /// Does what is to be done now, on every host.
    ///
    /// # Errors
    ///
    /// When what runs on a host panicked.
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.wires.step();
        if self.freeze > 0 {
            // At once: a tick of a host is over when its clock has moved.
            for host in self.all() {
                host.order(Order::Advance(TICK * self.freeze));
            }
        }
        let stepped = self.sim.step();
        stepped.map(drop).map_err(|error| error.to_string())
    }

    /// Lets a tick pass.
    pub(super) fn tick(&mut self) {
        self.clock.tick();
        self.thaw();
    }

    /// The next accepts fail.
    pub(super) fn fail_accepts(&self, times: u16, fault: AcceptFault) {
        self.queue.fail(times, fault);
    }

    /// No accept succeeds any more.
    pub(super) fn break_listener(&self) {
        self.queue.breaks();
    }

    /// Keeps back every message between the server and this client's host, until they are released.
    pub(super) fn hold(&mut self, client: u16) {
        let host = self.host(client).addr;
        self.wires.hold(host);
        self.sim.hold(host, self.server.addr);
        self.held.push(host);
    }

    /// The end of [`hold`](Self::hold): what was kept back arrives at once.
    pub(super) fn release(&mut self, client: u16) {
        let host = self.host(client).addr;
        self.held.retain(|held| *held != host);
        self.wires.release(host);
        self.sim.release(host, self.server.addr);
    }

    /// Loses every message between the server and this client's host, those on their way as well. For
    /// good: nothing is sent again in turmoil, so that no connection would ever be whole again.
    pub(super) fn partition(&self, client: u16) {
        let host = self.host(client).addr;
        self.wires.cut(host);
        self.sim.partition(host, self.server.addr);
    }

    /// Ends a client's process: the server sees that its connections end, as a kernel ends those of a
    /// process that was killed.
    pub(super) fn crash(&self, client: u16) {
        self.host(client).order(Order::End(client));
    }

    /// Moves the clock of the server's host on, and nobody else's. What is due by then is done in the
    /// tick after the next.
    pub(super) fn jump(&self, by: Duration) {
        // The tick in which it moves ends with that.
        self.server.order(Order::Advance(by + TICK));
    }

    /// Lets the next tick take so many: nobody runs after what is done in it, time passes, and then
    /// all that was due meanwhile comes at once.
    pub(super) fn freeze(&mut self, ticks: u32) {
        // What befalls in one tick befalls one after the other.
        self.freeze = self.freeze.saturating_add(ticks);
    }

    fn thaw(&mut self) {
        let Some(more) = std::mem::take(&mut self.freeze).checked_sub(1) else {
            return;
        };
        self.clock.skip(more);
        let held = &self.held;
        self.sim.links(|links| {
            for link in links {
                let (one, other) = link.pair();
                if !held.contains(&one) && !held.contains(&other) {
                    link.deliver_all();
                }
            }
        });
    }

    fn host(&self, client: u16) -> &Host {
        self.alone.get(&client).unwrap_or(&self.shared)
    }

    fn all(&self) -> impl Iterator<Item = &Host> {
        let clients = std::iter::once(&self.shared).chain(self.alone.values());
        let others = self.others.iter().map(|(host, _)| host);
        clients.chain(others).chain(std::iter::once(&self.server))
    }
}

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosts")
            .field("now", &self.clock.now())
            .finish_non_exhaustive()
    }
}

impl Host {
    fn new(sim: &mut Sim<'static>, name: &str) -> Self {
        let (orders, given) = mpsc::unbounded_channel();
        let given = std::cell::RefCell::new(Some(given));
        // Asked for once, since no host is started again.
        sim.host(name, move || {
            let given = given.borrow_mut().take();
            async move {
                if let Some(given) = given {
                    obey(given).await;
                }
                Ok(())
            }
        });
        Self {
            addr: sim.lookup(name),
            orders,
        }
    }

    fn order(&self, order: Order) {
        // Nobody hears it on a host that is down.
        drop(self.orders.send(order));
    }
}

/// Does on a host what is ordered from outside, until nobody can order any more. A panic of a process
/// is the host's, so that it ends the simulation.
async fn obey(mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut processes = JoinSet::new();
    let mut ends: BTreeMap<u16, AbortHandle> = BTreeMap::new();
    loop {
        let order = tokio::select! {
            biased;
            Some(ended) = processes.join_next() => {
                if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
                    resume_unwind(panic);
                }
                continue;
            }
            Some(order) = orders.recv() => order,
            else => return,
        };
        match order {
            Order::Run(number, process) => {
                ends.insert(number, processes.spawn_local(process));
            }
            Order::End(number) => {
                if let Some(process) = ends.remove(&number) {
                    process.abort();
                }
            }
            Order::Advance(by) => {
                // Whoever has something to do now does it before the clock moves.
                tokio::task::yield_now().await;
                tokio::time::advance(by).await;
            }
        }
    }
}
