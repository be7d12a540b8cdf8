//! What moves a run on real sockets on.
//!
//! **Invariant:** a machine that stalls moves what is to come, and never brings two things closer to
//! each other than the scenario says.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lamplighter::{Report, ServerEventKind, signal_channel};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::net::{Loopback, LoopbackDial};
use super::pace::Pace;
use crate::act::{Actor, Comes, Fault, Schedule, live};
use crate::scenario::{Client, Origin, Scenario};
use crate::service;
use crate::trace::{Clock, Entry, Trace, WhatHappened, Who, WorldDid};
use crate::world::{AFTERMATH, Observer, Rescue, Rescued, Run, RunEnd};

pub(super) struct Root<F> {
    scenario: Arc<Scenario>,
    called: Instant,
    trace: Trace,
    network: Loopback,
    actor: Actor,
    schedule: Schedule,
    pace: Pace,
    /// When the schedule's times begin, once they have; later by how late things came.
    origin: Option<Instant>,
    client: F,
    clients: Vec<Option<JoinHandle<()>>>,
    owner: JoinHandle<Report>,
    report: Option<Report>,
    rescue: Rescue,
    /// Until when clients may go on once the life is over.
    aftermath: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    seen: Vec<Entry>,
    shown: usize,
}

impl<F, Fut> Root<F>
where
    F: Fn(u16, Client, LoopbackDial, Trace) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    pub(super) fn new(scenario: &Arc<Scenario>, pace: Pace, client: F) -> Self {
        let called = Instant::now();
        let clock: Clock = Arc::new(move || called.elapsed());
        let trace = Trace::new(clock);
        let (signals, source) = signal_channel();
        let network = Loopback::new(scenario.start.bind);
        let server = service::server(scenario, network.clone(), source, &trace);
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
            network,
            actor,
            rescue: Rescue::new(scenario, schedule.ends()),
            schedule,
            pace,
            origin: (scenario.from == Origin::Call).then_some(called),
            client,
            clients: Vec::new(),
            owner: tokio::spawn(owner),
            report: None,
            aftermath: None,
            timer: Box::pin(tokio::time::sleep_until(called)),
            seen: Vec::new(),
            shown: 0,
            trace,
        }
    }

    pub(super) async fn run(mut self, observer: &mut dyn Observer) -> Run {
        let end = poll_fn(|cx| self.poll(cx, observer)).await;
        self.seen.append(&mut self.trace.take());
        Run::new(self.seen, self.report, end)
    }

    fn poll(&mut self, cx: &mut Context<'_>, observer: &mut dyn Observer) -> Poll<RunEnd> {
        loop {
            if self.show(cx, observer).is_break() {
                return Poll::Ready(RunEnd::Broken);
            }
            let now = Instant::now();
            if let Some(end) = self.live(cx, now) {
                let broken = self.show(cx, observer).is_break();
                return Poll::Ready(if broken { RunEnd::Broken } else { end });
            }
            if self.due(now) {
                continue;
            }
            if let Some(end) = self.rescue(now) {
                return Poll::Ready(end);
            }
            if !self.rings(cx, now) {
                return Poll::Pending;
            }
        }
    }

    /// Shows the observer what is new.
    fn show(&mut self, cx: &mut Context<'_>, observer: &mut dyn Observer) -> ControlFlow<()> {
        while self.trace.poll_take(cx, &mut self.seen).is_ready() {
            while let Some(entry) = self.seen.get(self.shown) {
                self.shown += 1;
                if let WhatHappened::Server(event) = &entry.what
                    && event.kind == ServerEventKind::Ready
                {
                    self.origin.get_or_insert(self.called + entry.at);
                }
                observer.sees(entry)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether the run is over.
    fn live(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<RunEnd> {
        if self.aftermath.is_none()
            && let Poll::Ready(report) = Pin::new(&mut self.owner).poll(cx)
        {
            self.report = report.ok();
            self.trace.record(Who::World, WorldDid::Returned);
            self.aftermath = Some(now + AFTERMATH);
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
        (now >= aftermath).then_some(RunEnd::ClientsLeft(left))
    }

    /// Does what is due and may come; whether there was anything.
    fn due(&mut self, now: Instant) -> bool {
        let Some(origin) = self.origin else {
            return false;
        };
        let Some(at) = self.schedule.next() else {
            return false;
        };
        let since = now.saturating_duration_since(origin);
        if since < at {
            return false;
        }
        let next = self.schedule.clone().take(at);
        if matches!(next, Some(Comes::Act(_))) && !self.pace.allows(&self.seen) {
            return false;
        }
        // What follows keeps its distance.
        self.origin = Some(origin + (since - at));
        match self.schedule.take(at) {
            Some(Comes::Client(number)) => self.begin(number),
            Some(Comes::Act(act)) => {
                self.pace.next();
                if let Some(Fault::Crash(client)) = self.actor.does(act) {
                    self.crash(client);
                }
            }
            None => return false,
        }
        true
    }

    fn begin(&mut self, number: u16) {
        let Some(client) = self.scenario.clients.get(usize::from(number)).cloned() else {
            return;
        };
        let dial = self.network.dial(client.does.window_bytes());
        let client = (self.client)(number, client, dial, self.trace.clone());
        self.clients.push(Some(tokio::spawn(client)));
    }

    fn crash(&self, client: u16) {
        // They begin in the order of their numbers.
        if let Some(Some(client)) = self.clients.get(usize::from(client)) {
            client.abort();
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
    fn rings(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let next = self.schedule.next().filter(|_| self.origin.is_some());
        // One that is due waits for something to be seen, which wakes this as well.
        let next = next
            .map(|next| self.base() + next)
            .filter(|next| *next > now);
        let last = self
            .aftermath
            .unwrap_or_else(|| self.base() + self.rescue.next());
        let at = next.map_or(last, |next| next.min(last));
        if self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }
}
