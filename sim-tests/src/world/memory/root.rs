//! What moves a run in memory on.
//!
//! **Invariant:** whatever becomes due in one instant is done in that instant: first bytes arrive, then
//! the observer sees what was seen, then clients begin and acts befall.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lamplighter::{Report, ServerEventKind, signal_channel};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::dial::MemoryDial;
use super::listener::MemoryNetwork;
use super::net::Net;
use super::{Observer, Run, RunEnd};
use crate::act::{Actor, Comes, Fault, Schedule, live};
use crate::scenario::{Client, Origin, Scenario};
use crate::service;
use crate::trace::{Entry, Trace, WhatHappened, Who, WorldDid};
use crate::world::{AFTERMATH, Rescue, Rescued};

pub(super) struct Root<F> {
    scenario: Arc<Scenario>,
    called: Instant,
    trace: Trace,
    net: Net,
    actor: Actor,
    schedule: Schedule,
    /// When the schedule's times begin, once they have.
    origin: Option<Instant>,
    client: F,
    clients: Vec<Option<JoinHandle<()>>>,
    owner: JoinHandle<Report>,
    report: Option<Report>,
    rescue: Rescue,
    /// Until when clients may go on once the life is over.
    aftermath: Option<Instant>,
    freeze: Option<Pin<Box<dyn Future<Output = ()>>>>,
    timer: Option<Pin<Box<Sleep>>>,
    post: Option<Pin<Box<Sleep>>>,
    seen: Vec<Entry>,
    shown: usize,
}

impl<F, Fut> Root<F>
where
    F: Fn(u16, Client, MemoryDial, Trace) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    pub(super) fn new(scenario: &Arc<Scenario>, trace: Trace, called: Instant, client: F) -> Self {
        let net = Net::new(scenario, trace.has_wire().then(|| trace.clone()));
        let (signals, source) = signal_channel();
        let network = MemoryNetwork {
            net: net.clone(),
            bind: scenario.start.bind,
        };
        let server = service::server(scenario, network, source, &trace);
        let actor = Actor {
            handle: server.handle(),
            signals,
            drop_owner: Arc::new(Notify::new()),
            trace: trace.clone(),
        };
        trace.record(Who::World, WorldDid::Called);
        let owner = live(server, scenario.start.call, Arc::clone(&actor.drop_owner));
        let schedule = Schedule::new(scenario);
        Self {
            scenario: Arc::clone(scenario),
            called,
            net,
            actor,
            rescue: Rescue::new(scenario, schedule.ends()),
            schedule,
            origin: (scenario.from == Origin::Call).then_some(called),
            client,
            clients: Vec::new(),
            owner: tokio::spawn(owner),
            report: None,
            aftermath: None,
            freeze: None,
            timer: None,
            post: None,
            seen: Vec::with_capacity(64),
            shown: 0,
            trace,
        }
    }

    pub(super) async fn run(mut self, observer: &mut dyn Observer) -> Run {
        let end = poll_fn(|cx| self.poll(cx, observer)).await;
        let tasks = Handle::current().metrics().num_alive_tasks();
        self.net.end();
        self.seen.append(&mut self.trace.take());
        let mut run = Run::new(self.seen, self.report, end);
        run.tasks_left = Some(tasks);
        run
    }

    fn poll(&mut self, cx: &mut Context<'_>, observer: &mut dyn Observer) -> Poll<RunEnd> {
        loop {
            self.net.poll(cx, &mut self.post);
            if let Some(freeze) = &mut self.freeze {
                if freeze.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.freeze = None;
            }
            if self.show(cx, observer).is_break() {
                return Poll::Ready(RunEnd::Broken);
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
            && let Poll::Ready(report) = Pin::new(&mut self.owner).poll(cx)
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
                if let Some(fault) = self.actor.does(act) {
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
        let dial = MemoryDial::new(self.net.clone(), number);
        let client = (self.client)(number, client.clone(), dial, self.trace.clone());
        self.clients.push(Some(tokio::spawn(client)));
    }

    fn befalls(&mut self, fault: Fault) {
        match fault {
            Fault::Hold(client) => self.net.hold(client),
            Fault::Release(client) => self.net.release(client),
            Fault::Partition(client) => self.net.partition(client),
            Fault::Crash(client) => {
                // They begin in the order of their numbers.
                if let Some(Some(client)) = self.clients.get(usize::from(client)) {
                    client.abort();
                }
            }
            Fault::AcceptErrors(times, fault) => self.net.fail_accepts(times, fault),
            Fault::BreakListener => self.net.break_listener(),
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
                self.actor.ends(signal);
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
