//! One run: tick by tick, what comes in it, what is seen in it, and whether it is the last one.
//!
//! **Invariant:** what is seen in a tick is shown before time goes on.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use lamplighter::{ChannelSignals, Report, ServerEventKind, signal_channel};
use tokio::sync::{Notify, oneshot};

use super::clock::{StepClock, TICK};
use super::hosts::{Hosts, Setting};
use super::net::TurmoilDial;
use crate::act::{Actor, Comes, Fault, Schedule, live};
use crate::scenario::{ActDoes, Client, Home, Origin, Scenario, millis};
use crate::trace::{Entry, Trace, WhatHappened, Who, WorldDid};
use crate::world::cast::{BoxError, Cast, Opened, Opening, Support, Ways, no_signals};
use crate::world::{AFTERMATH, Observer, Rescue, Rescued, Run, RunEnd};

/// How long a run goes on after its last thing, to see that nothing follows it.
const QUIET: Duration = Duration::from_millis(200);

/// How long clients may do nothing that is seen once the life is over. Those that wait for a server
/// behind a line that is held or cut would do so for ever, and every millisecond of it is paid for.
const SILENCE: Duration = Duration::from_secs(2);

/// A run that goes on.
pub(super) struct Life<F> {
    scenario: Arc<Scenario>,
    hosts: Hosts,
    trace: Trace,
    seen: Vec<Entry>,
    schedule: Schedule,
    rescue: Rescue,
    /// From when the schedule counts.
    origin: Rc<Cell<Option<Duration>>>,
    /// The server's, once it is made.
    actor: Rc<OnceCell<Actor>>,
    report: Rc<RefCell<Option<Report>>>,
    /// Why there is no server, if there is none.
    unmade: Rc<RefCell<Option<BoxError>>>,
    /// How many clients are at work.
    at_work: Rc<Cell<usize>>,
    /// What clients do.
    client: F,
}

impl<F, Fut> Life<F>
where
    F: Fn(u16, Client, TurmoilDial, Trace) -> Fut,
    Fut: Future<Output = ()> + 'static,
{
    pub(super) fn new<C: Cast + Clone + 'static>(
        scenario: &Scenario,
        wire: bool,
        cast: &C,
        client: F,
    ) -> Self {
        let scenario = Arc::new(scenario.clone());
        let clock = StepClock::default();
        let now = clock.clone();
        let trace = Trace::new(Arc::new(move || now.now()));
        if wire {
            trace.with_wire();
        }
        let wire = wire.then(|| trace.clone());
        let others = cast.hosts().saturating_sub(1);
        let hosts = Hosts::new(&setting(&scenario, others), clock, wire);
        let schedule = Schedule::new(&scenario);
        let life = Self {
            rescue: Rescue::new(&scenario, schedule.ends()),
            origin: Rc::default(),
            scenario,
            hosts,
            trace,
            seen: Vec::new(),
            schedule,
            actor: Rc::default(),
            report: Rc::default(),
            unmade: Rc::default(),
            at_work: Rc::default(),
            client,
        };
        life.call(cast);
        life
    }

    pub(super) fn run(mut self, observer: &mut dyn Observer) -> Run {
        let end = self.goes_on(observer);
        let report = self.report.borrow_mut().take();
        let mut run = Run::new(self.seen, report, end);
        run.unmade = self.unmade.borrow().as_ref().map(ToString::to_string);
        run
    }

    fn goes_on(&mut self, observer: &mut dyn Observer) -> RunEnd {
        let mut over = None;
        loop {
            let now = self.hosts.now();
            self.begin_what_comes(now);
            if self.end_server(now).is_break() {
                return RunEnd::Stuck;
            }
            self.step();
            if self.show(observer).is_break() {
                return RunEnd::Broken;
            }
            if self.unmade.borrow().is_some() {
                return RunEnd::Done;
            }
            if self.report.borrow().is_some() && self.is_empty() {
                let over = *over.get_or_insert(now);
                let left = self.at_work.get();
                let last = self.seen.last().map_or(over, |entry| entry.at).max(over);
                if left == 0 && now >= last + QUIET {
                    return RunEnd::Done;
                }
                if now >= last + SILENCE || now >= over + AFTERMATH {
                    return RunEnd::ClientsLeft(left);
                }
            }
            self.hosts.tick();
        }
    }

    /// Makes the servers, each on its host, those that the first one depends on before it; and calls
    /// it.
    fn call<C: Cast + Clone + 'static>(&self, cast: &C) {
        let (signals, source) = signal_channel();
        let over = Arc::new(Notify::new());
        let mut ready = Vec::new();
        for host in 1..cast.hosts() {
            let open = self.opens(cast, host, no_signals());
            let (trace, unmade) = (self.trace.clone(), Rc::clone(&self.unmade));
            let (tell, told) = oneshot::channel();
            ready.push(told);
            let over = Arc::clone(&over);
            self.hosts.run_on_server(host, async move {
                match Support::begin(host, &trace, open()).await {
                    Ok(support) => {
                        let over = over.notified();
                        // Nobody waits for it where the service is given up already.
                        let _ = tell.send(());
                        over.await;
                        support.end().await;
                    }
                    Err(error) => *unmade.borrow_mut() = Some(error),
                }
            });
        }
        let open = self.opens(cast, 0, source);
        let (scenario, trace) = (Arc::clone(&self.scenario), self.trace.clone());
        let (actor, done) = (Rc::clone(&self.actor), Rc::clone(&self.report));
        let (origin, unmade) = (Rc::clone(&self.origin), Rc::clone(&self.unmade));
        self.hosts.run_on_server(0, async move {
            for ready in ready {
                // One that fails has said why.
                drop(ready.await);
            }
            let made = match open() {
                Opened::Made(server) => Ok(server),
                Opened::Making(making) => making.await,
            };
            let server = match made {
                Ok(server) => server,
                Err(error) => {
                    unmade.borrow_mut().get_or_insert(error);
                    return;
                }
            };
            let drop_owner = Arc::new(Notify::new());
            let made = Actor {
                handle: server.handle(),
                signals,
                drop_owner: Arc::clone(&drop_owner),
                trace: trace.clone(),
            };
            actor.get_or_init(|| made);
            if scenario.from == Origin::Call {
                origin.set(Some(trace.now()));
            }
            trace.record(Who::World, WorldDid::Called);
            let report = live(server, scenario.start.call, drop_owner).await;
            trace.record(Who::World, WorldDid::Returned);
            *done.borrow_mut() = Some(report);
            over.notify_waiters();
        });
    }

    /// Makes the server of a host, once it is on it.
    fn opens<C: Cast + Clone + 'static>(
        &self,
        cast: &C,
        host: u16,
        signals: ChannelSignals,
    ) -> Open {
        let window = self.scenario.link.window_bytes as usize;
        let ways = Ways::new(self.hosts.dial_from(host, window));
        let network = self.hosts.network(host);
        let (cast, trace) = (cast.clone(), self.trace.clone());
        let scenario = Arc::clone(&self.scenario);
        Box::new(move || {
            let stage = Opening {
                host,
                scenario: &scenario,
                trace: &trace,
                ways,
            };
            cast.open(stage, network, signals)
        })
    }

    /// Whether nothing more comes.
    fn is_empty(&self) -> bool {
        // Where the server is never ready, nobody comes.
        self.schedule.next().is_none() || self.origin.get().is_none()
    }

    fn begin_what_comes(&mut self, now: Duration) {
        let (Some(origin), Some(actor)) = (self.origin.get(), self.actor.get().cloned()) else {
            return;
        };
        while let Some(comes) = self.schedule.take(now.saturating_sub(origin)) {
            match comes {
                Comes::Client(number) => self.begin_client(number),
                Comes::Act(act) => {
                    if let Some(fault) = actor.does(act) {
                        self.befall(fault);
                    }
                }
            }
        }
    }

    fn begin_client(&self, number: u16) {
        let Some(client) = self.scenario.clients.get(usize::from(number)).cloned() else {
            return;
        };
        let window = client.does.window_bytes();
        let window = window.unwrap_or(self.scenario.link.window_bytes);
        let dial = self.hosts.dial(number, window as usize);
        let at_work = AtWork::begin(&self.at_work);
        let run = (self.client)(number, client, dial, self.trace.clone());
        self.hosts.run_client(number, async move {
            let _at_work = at_work;
            run.await;
        });
    }

    fn befall(&mut self, fault: Fault) {
        match fault {
            Fault::Hold(client) => self.hosts.hold(client),
            Fault::Release(client) => self.hosts.release(client),
            Fault::Partition(client) => self.hosts.partition(client),
            Fault::Crash(client) => self.hosts.crash(client),
            Fault::AcceptErrors(times, fault) => self.hosts.fail_accepts(times, fault),
            Fault::BreakListener => self.hosts.break_listener(),
            Fault::Jump(by) => self.hosts.jump(by),
            Fault::Freeze(by) => self.hosts.freeze(ticks(by)),
        }
    }

    #[expect(clippy::panic, reason = "a simulator that broke says so")]
    fn step(&mut self) {
        if let Err(error) = self.hosts.step() {
            panic!("a host of the simulation broke: {error}");
        }
    }

    /// Shows what was seen in this tick.
    fn show(&mut self, observer: &mut dyn Observer) -> ControlFlow<()> {
        let from = self.seen.len();
        let mut context = Context::from_waker(Waker::noop());
        let _nothing_new = self
            .trace
            .poll_take(&mut context, &mut self.seen)
            .is_pending();
        for entry in self.seen.get(from..).unwrap_or_default() {
            if let WhatHappened::Server(event) = &entry.what
                && entry.who == Who::Server
                && event.kind == ServerEventKind::Ready
            {
                self.origin.set(self.origin.get().or(Some(entry.at)));
            }
            observer.sees(entry)?;
        }
        ControlFlow::Continue(())
    }

    /// Ends a server that nobody ends, once it is time.
    fn end_server(&mut self, now: Duration) -> ControlFlow<()> {
        let time = self.origin.get().unwrap_or_default() + self.rescue.next();
        if now < time || self.report.borrow().is_some() {
            return ControlFlow::Continue(());
        }
        match (self.rescue.take(), self.actor.get()) {
            (Rescued::By(signal), Some(actor)) => {
                actor.ends(signal);
                ControlFlow::Continue(())
            }
            (Rescued::By(_) | Rescued::Stuck, _) => ControlFlow::Break(()),
        }
    }
}

impl<F> std::fmt::Debug for Life<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// Makes a server on its host.
type Open = Box<dyn FnOnce() -> Opened>;

/// A client that is at work, until it is dropped.
struct AtWork(Rc<Cell<usize>>);

impl AtWork {
    fn begin(many: &Rc<Cell<usize>>) -> Self {
        many.set(many.get() + 1);
        Self(Rc::clone(many))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn setting(scenario: &Scenario, others: u16) -> Setting {
    let link = scenario.link.window_bytes;
    let windows = scenario.clients.iter();
    let windows = windows.filter_map(|client| client.does.window_bytes());
    Setting {
        seed: scenario.seed,
        latency: millis(scenario.link.latency_ms),
        window: windows.fold(link, u32::max) as usize,
        clients: scenario.clients.len(),
        bind: scenario.start.bind,
        alone: alone(scenario),
        others,
    }
}

/// The clients that have a host to themselves: those that are said to, and those whose line alone is
/// held or parted.
fn alone(scenario: &Scenario) -> Vec<u16> {
    let befallen = |number: u16| {
        scenario.acts.iter().any(|act| {
            matches!(
                act.does,
                ActDoes::Hold { client } | ActDoes::Release { client } | ActDoes::Partition { client }
                    if client == number
            )
        })
    };
    (0..)
        .zip(&scenario.clients)
        .filter(|(number, client)| client.home == Home::Own || befallen(*number))
        .map(|(number, _)| number)
        .collect()
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}
