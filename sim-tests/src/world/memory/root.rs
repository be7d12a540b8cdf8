//! What moves a run in memory on.
//!
//! **Invariant:** whatever becomes due in one instant is done in that instant: first bytes arrive, then
//! the observer sees what was seen, then clients begin and acts befall.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lamplighter::{ChannelSignals, Report, ServerEventKind, SignalSender, signal_channel};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::dial::MemoryDial;
use super::listener::MemoryNetwork;
use super::net::Net;
use super::{Observer, Run, RunEnd};
use crate::act::{Actor, Comes, Fault, Schedule};
use crate::scenario::{Bind, Client, Origin, Scenario};
use crate::trace::{Entry, Trace, WhatHappened, Who, WorldDid};
use crate::world::cast::{BoxError, Cast, Made, MakingAll, Opened, Opening, Ways, no_signals};
use crate::world::{AFTERMATH, Rescue, Rescued};

pub(super) struct Root<F> {
    scenario: Arc<Scenario>,
    called: Instant,
    trace: Trace,
    /// The network of each host, in order.
    nets: Arc<[Net]>,
    /// The servers on their way to be made.
    making: Option<MakingAll>,
    unmade: Option<BoxError>,
    /// Where signals go, until there is somebody who sends them.
    signals: Option<SignalSender>,
    actor: Option<Actor>,
    schedule: Schedule,
    /// When the schedule's times begin, once they have.
    origin: Option<Instant>,
    client: F,
    clients: Vec<Option<JoinHandle<()>>>,
    owner: Option<JoinHandle<Report>>,
    report: Option<Report>,
    rescue: Rescue,
    /// Until when clients may go on once the life is over.
    aftermath: Option<Instant>,
    freeze: Option<Pin<Box<dyn Future<Output = ()>>>>,
    timer: Option<Pin<Box<Sleep>>>,
    posts: Vec<Option<Pin<Box<Sleep>>>>,
    seen: Vec<Entry>,
    shown: usize,
}

impl<F, Fut> Root<F>
where
    F: Fn(u16, Client, MemoryDial, Trace) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    pub(super) fn new<C: Cast>(
        scenario: &Arc<Scenario>,
        trace: Trace,
        called: Instant,
        cast: &C,
        client: F,
    ) -> Self {
        let nets: Arc<[Net]> = (0..cast.hosts())
            // What passes is written down of the first one, which everything is about.
            .map(|host| {
                let wire = (host == 0 && trace.has_wire()).then(|| trace.clone());
                Net::new(scenario, wire)
            })
            .collect();
        let (signals, source) = signal_channel();
        let schedule = Schedule::new(scenario);
        let mut root = Self {
            scenario: Arc::clone(scenario),
            called,
            making: None,
            unmade: None,
            signals: Some(signals),
            actor: None,
            rescue: Rescue::new(scenario, schedule.ends()),
            schedule,
            origin: None,
            client,
            clients: Vec::new(),
            owner: None,
            report: None,
            aftermath: None,
            freeze: None,
            timer: None,
            posts: nets.iter().map(|_| None).collect(),
            nets,
            seen: Vec::with_capacity(64),
            shown: 0,
            trace,
        };
        root.open(cast, source);
        root
    }

    /// Has the servers made; where the only one is there at once, it is called at once.
    fn open<C: Cast>(&mut self, cast: &C, source: ChannelSignals) {
        let trace = self.trace.clone();
        let mut source = Some(source);
        let mut opened = Vec::new();
        for (host, net) in (0..).zip(self.nets.iter()) {
            let network = MemoryNetwork {
                net: net.clone(),
                bind: if host == 0 {
                    self.scenario.start.bind
                } else {
                    Bind::Ok
                },
            };
            // Of a number that no client has.
            let ways = MemoryDial::new(&self.nets, u16::MAX - host);
            let stage = Opening {
                host,
                scenario: &self.scenario,
                trace: &trace,
                ways: ways.map_or_else(Ways::none, Ways::new),
            };
            let signals = source.take().unwrap_or_else(no_signals);
            opened.push((host, cast.open(stage, network, signals)));
        }
        let mut opened = opened.into_iter();
        let first = opened.next().map(|(_, first)| first);
        match (first, opened.len()) {
            (Some(Opened::Made(server)), 0) => self.call(Made::alone(server)),
            (Some(first), _) => {
                let others: Vec<_> = opened.collect();
                let made = async move { Made::open(first, others, &trace).await };
                self.making = Some(Box::pin(made));
            }
            (None, _) => {}
        }
    }

    fn call(&mut self, made: Made) {
        let Some(signals) = self.signals.take() else {
            return;
        };
        self.origin = (self.scenario.from == Origin::Call).then(Instant::now);
        let actor = Actor {
            handle: made.server.handle(),
            signals,
            drop_owner: Arc::new(Notify::new()),
            trace: self.trace.clone(),
        };
        self.trace.record(Who::World, WorldDid::Called);
        let owner = made.live(
            self.scenario.start.call,
            Arc::clone(&actor.drop_owner),
            self.trace.clone(),
        );
        self.actor = Some(actor);
        self.owner = Some(tokio::spawn(owner));
    }

    pub(super) async fn run(mut self, observer: &mut dyn Observer) -> Run {
        let end = poll_fn(|cx| self.poll(cx, observer)).await;
        let tasks = Handle::current().metrics().num_alive_tasks();
        self.nets.iter().for_each(Net::end);
        self.seen.append(&mut self.trace.take());
        let mut run = Run::new(self.seen, self.report, end);
        run.tasks_left = Some(tasks);
        run.unmade = self.unmade.map(|error| error.to_string());
        run
    }

    fn poll(&mut self, cx: &mut Context<'_>, observer: &mut dyn Observer) -> Poll<RunEnd> {
        loop {
            for (net, post) in self.nets.iter().zip(&mut self.posts) {
                net.poll(cx, post);
            }
            if let Some(freeze) = &mut self.freeze {
                if freeze.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.freeze = None;
            }
            if self.show(cx, observer).is_break() {
                return Poll::Ready(RunEnd::Broken);
            }
            if let Some(making) = &mut self.making
                && let Poll::Ready(made) = making.as_mut().poll(cx)
            {
                self.making = None;
                match made {
                    Ok(made) => self.call(made),
                    Err(error) => {
                        self.unmade = Some(error);
                        return Poll::Ready(RunEnd::Done);
                    }
                }
                continue;
            }
            if let Some(end) = self.live(cx) {
                // What the last step has made them see is shown as well.
                let broken = self.show(cx, observer).is_break();
                return Poll::Ready(if broken { RunEnd::Broken } else { end });
            }
            if self.due(Instant::now()) {
                continue;
            }
            if let Some(end) = self.rescue(Instant::now()) {
                return Poll::Ready(end);
            }
            if !self.rings(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Shows the observer what is new.
    fn show(&mut self, cx: &mut Context<'_>, observer: &mut dyn Observer) -> ControlFlow<()> {
        while self.trace.poll_take(cx, &mut self.seen).is_ready() {
            while let Some(entry) = self.seen.get(self.shown) {
                self.shown += 1;
                if self.origin.is_none()
                    && entry.who == Who::Server
                    && let WhatHappened::Server(event) = &entry.what
                    && event.kind == ServerEventKind::Ready
                {
                    self.origin = Some(self.called + entry.at);
                }
                observer.sees(entry)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether the run is over.
    fn live(&mut self, cx: &mut Context<'_>) -> Option<RunEnd> {
        if self.aftermath.is_none()
            && let Some(owner) = &mut self.owner
            && let Poll::Ready(report) = Pin::new(owner).poll(cx)
        {
            self.report = report.ok();
            self.trace.record(Who::World, WorldDid::Returned);
            self.aftermath = Some(Instant::now() + AFTERMATH);
        }
        let aftermath = self.aftermath?;
        for slot in &mut self.clients {
            if let Some(client) = slot
                && Pin::new(client).poll(cx).is_ready()
            {
                *slot = None;
            }
        }
        let left = self.clients.iter().flatten().count();
        let comes = self.origin.is_some() && self.schedule.next().is_some();
        if left == 0 && !comes {
            return Some(RunEnd::Done);
        }
        (Instant::now() >= aftermath).then_some(RunEnd::ClientsLeft(left))
    }

    /// Does what is due; whether there was anything.
    fn due(&mut self, now: Instant) -> bool {
        let Some(origin) = self.origin else {
            return false;
        };
        let Some(comes) = self.schedule.take(now.saturating_duration_since(origin)) else {
            return false;
        };
        match comes {
            Comes::Client(number) => self.begin(number),
            Comes::Act(act) => {
                let fault = self.actor.as_ref().and_then(|actor| actor.does(act));
                if let Some(fault) = fault {
                    self.befalls(fault);
                }
            }
        }
        true
    }

    fn begin(&mut self, number: u16) {
        let Some(client) = self.scenario.clients.get(usize::from(number)) else {
            return;
        };
        let Some(dial) = MemoryDial::new(&self.nets, number) else {
            return;
        };
        let client = (self.client)(number, client.clone(), dial, self.trace.clone());
        self.clients.push(Some(tokio::spawn(client)));
    }

    fn befalls(&mut self, fault: Fault) {
        match fault {
            Fault::Hold(client) => self.nets.iter().for_each(|net| net.hold(client)),
            Fault::Release(client) => self.nets.iter().for_each(|net| net.release(client)),
            Fault::Partition(client) => self.nets.iter().for_each(|net| net.partition(client)),
            Fault::Crash(client) => {
                // They begin in the order of their numbers.
                if let Some(Some(client)) = self.clients.get(usize::from(client)) {
                    client.abort();
                }
            }
            Fault::AcceptErrors(times, fault) => self
                .nets
                .iter()
                .take(1)
                .for_each(|net| net.fail_accepts(times, fault)),
            Fault::BreakListener => self
                .nets
                .iter()
                .take(1)
                .for_each(|net| net.break_listener()),
            Fault::Jump(time) | Fault::Freeze(time) => {
                self.freeze = Some(Box::pin(tokio::time::advance(time)));
            }
        }
    }

    /// Ends a server that nobody ends.
    fn rescue(&mut self, now: Instant) -> Option<RunEnd> {
        if self.aftermath.is_some() || now < self.base() + self.rescue.next() {
            return None;
        }
        match self.rescue.take() {
            Rescued::By(signal) => {
                match &self.actor {
                    Some(actor) => actor.ends(signal),
                    None => return Some(RunEnd::Stuck),
                }
                None
            }
            Rescued::Stuck => Some(RunEnd::Stuck),
        }
    }

    fn base(&self) -> Instant {
        self.origin.unwrap_or(self.called)
    }

    /// Whether the next thing is due by now.
    fn rings(&mut self, cx: &mut Context<'_>) -> bool {
        let next = self.schedule.next().filter(|_| self.origin.is_some());
        let next = next.map(|next| self.base() + next);
        let last = self
            .aftermath
            .unwrap_or_else(|| self.base() + self.rescue.next());
        let at = next.map_or(last, |next| next.min(last));
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx).is_ready()
    }
}
