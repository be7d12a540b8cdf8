//! The network in memory: every line of it, the listener, and what arrives when.
//!
//! **Invariant:** event-driven: somebody sleeps until the next arrival, and nobody counts ticks.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::end::End;
use super::line::{Line, Side};
use super::listener::Backlog;
use crate::scenario::{AcceptFault, Link, Scenario, millis};
use crate::trace::Trace;

/// The network of one run. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Net(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Link,
    /// What of each client's window differs from the link's.
    windows: Vec<Option<u32>>,
    /// Where the server's reads and writes are written down, if they are.
    wire: Option<Trace>,
    state: Mutex<State>,
    released: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// In order of their times: nothing is sent that arrives before what was sent already.
    arrivals: VecDeque<(Instant, Arrives)>,
    /// Whoever lets things arrive.
    post: Option<Waker>,
    pub(super) backlog: Option<Backlog>,
    /// Accepts that fail, whoever is asked next.
    pub(super) faults: VecDeque<AcceptFault>,
    pub(super) broken: bool,
    lines: Vec<Weak<Line>>,
    opened: u32,
    cut: BTreeMap<u16, Cut>,
    /// Nobody is there any more to whom anything could arrive.
    over: bool,
}

/// Why nothing travels to and from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Held,
    Partitioned,
}

#[derive(Debug)]
enum Arrives {
    At(Arc<Line>, Side),
    InQueue,
}

impl Net {
    pub(super) fn new(scenario: &Scenario, wire: Option<Trace>) -> Self {
        Self(Arc::new(Inner {
            link: scenario.link,
            windows: scenario
                .clients
                .iter()
                .map(|client| client.does.window_bytes())
                .collect(),
            wire,
            state: Mutex::default(),
            released: Notify::new(),
        }))
    }

    pub(super) fn latency(&self) -> Duration {
        millis(self.0.link.latency_ms)
    }

    pub(super) fn wire(&self) -> Option<&Trace> {
        self.0.wire.as_ref()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Two ends of a new line.
    pub(super) fn line(&self, client: u16) -> (End, End) {
        let window = self.0.windows.get(usize::from(client)).copied().flatten();
        let window = window.unwrap_or(self.0.link.window_bytes) as usize;
        let mut state = self.state();
        state.opened += 1;
        let line = Arc::new(Line::new(client, state.opened, self.latency(), window));
        state.lines.push(Arc::downgrade(&line));
        drop(state);
        let client = End::new(self.clone(), Arc::clone(&line), Side::Client);
        (client, End::new(self.clone(), line, Side::Server))
    }

    /// Something arrives at this end then.
    pub(super) fn arrives(&self, line: &Arc<Line>, side: Side, at: Instant) {
        self.post(
            at,
            || line.wake(side),
            || Arrives::At(Arc::clone(line), side),
        );
    }

    /// A connection is in the listener's queue then.
    pub(super) fn arrives_in_queue(&self, at: Instant) {
        self.post(at, || self.wake_listener(), || Arrives::InQueue);
    }

    fn post(&self, at: Instant, now: impl FnOnce(), later: impl FnOnce() -> Arrives) {
        if self.0.link.latency_ms == 0 {
            return now();
        }
        let mut state = self.state();
        if state.over {
            return;
        }
        // Only a reset that answers bytes underway comes later than what is sent after it.
        let place = state.arrivals.partition_point(|(other, _)| *other <= at);
        let first = place == 0;
        state.arrivals.insert(place, (at, later()));
        if first && let Some(post) = &state.post {
            post.wake_by_ref();
        }
    }

    fn wake_listener(&self) {
        let waker = self.state().backlog.as_mut().and_then(Backlog::take_waker);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Lets everything arrive that has, and wakes the caller for what comes next.
    pub(super) fn poll(&self, cx: &mut Context<'_>, sleep: &mut Option<Pin<Box<Sleep>>>) {
        loop {
            let now = Instant::now();
            let mut state = self.state();
            if !state
                .post
                .as_ref()
                .is_some_and(|post| post.will_wake(cx.waker()))
            {
                state.post = Some(cx.waker().clone());
            }
            let Some((at, _)) = state.arrivals.front() else {
                return;
            };
            let at = *at;
            if at > now {
                drop(state);
                let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
                if sleep.deadline() != at {
                    sleep.as_mut().reset(at);
                }
                if sleep.as_mut().poll(cx).is_pending() {
                    return;
                }
                continue;
            }
            let arrived = state.arrivals.pop_front();
            drop(state);
            match arrived {
                Some((_, Arrives::At(line, side))) => line.wake(side),
                Some((_, Arrives::InQueue)) => self.wake_listener(),
                None => return,
            }
        }
    }

    /// Resolves once something can travel to and from this client.
    pub(super) async fn travels(&self, client: u16) {
        loop {
            let released = self.0.released.notified();
            if !self.state().cut.contains_key(&client) {
                return;
            }
            released.await;
        }
    }

    pub(super) fn hold(&self, client: u16) {
        self.cut(client, Cut::Held);
    }

    pub(super) fn partition(&self, client: u16) {
        self.cut(client, Cut::Partitioned);
    }

    fn cut(&self, client: u16, cut: Cut) {
        let now = Instant::now();
        let lines = {
            let mut state = self.state();
            let known = state.cut.entry(client).or_insert(cut);
            if cut == Cut::Partitioned {
                *known = cut;
            }
            state.lines_of(client)
        };
        lines.iter().for_each(|line| line.hold(now));
    }

    pub(super) fn release(&self, client: u16) {
        let lines = {
            let mut state = self.state();
            if state.cut.get(&client) != Some(&Cut::Held) {
                return;
            }
            state.cut.remove(&client);
            state.lines_of(client)
        };
        lines.iter().for_each(|line| line.release());
        self.0.released.notify_waiters();
    }

    /// The next accepts fail.
    pub(super) fn fail_accepts(&self, times: u16, fault: AcceptFault) {
        let faults = std::iter::repeat_n(fault, usize::from(times));
        self.state().faults.extend(faults);
    }

    /// No accept succeeds any more, and nobody who waits in the queue is taken.
    pub(super) fn break_listener(&self) {
        let queued = {
            let mut state = self.state();
            state.broken = true;
            state.backlog.as_mut().map(Backlog::take_queue)
        };
        drop(queued);
        self.wake_listener();
    }

    /// Nothing arrives any more.
    pub(super) fn end(&self) {
        let (arrivals, backlog) = {
            let mut state = self.state();
            state.over = true;
            state.post = None;
            (std::mem::take(&mut state.arrivals), state.backlog.take())
        };
        drop((arrivals, backlog));
    }

    /// Whether nothing arrives any more.
    pub(super) fn is_over(&self) -> bool {
        self.state().over
    }
}

impl State {
    fn lines_of(&mut self, client: u16) -> Vec<Arc<Line>> {
        self.lines.retain(|line| line.strong_count() > 0);
        let lines = self.lines.iter().filter_map(Weak::upgrade);
        lines.filter(|line| line.client == client).collect()
    }
}

/// What an accept that fails so says.
pub(super) fn accept_error(fault: AcceptFault) -> io::Error {
    match fault {
        // The same number on every Unix; the kind that std gives it is not stable.
        AcceptFault::TooManyFiles => io::Error::from_raw_os_error(24),
        AcceptFault::Aborted => io::ErrorKind::ConnectionAborted.into(),
        AcceptFault::OutOfMemory => io::ErrorKind::OutOfMemory.into(),
    }
}
