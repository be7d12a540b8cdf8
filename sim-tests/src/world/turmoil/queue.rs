//! Connections that are made and not accepted yet, and how accepting them can fail.
//!
//! Somebody waits in it from when a client's SYN is there, and can be accepted from when the client's
//! answer to the server's is: a round trip later.
//!
//! **Invariant:** an accept that fails does so only where somebody waits to be accepted, as a
//! kernel's; a broken listener fails always.

use std::collections::VecDeque;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lamplighter::Addr;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::stream::TurmoilIo;
use crate::scenario::AcceptFault;

/// The accept queue of the server's host. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// In the order in which they can be accepted, with when that is.
    waiting: VecDeque<(Instant, TurmoilIo, Addr)>,
    /// Whoever waits for somebody to wait.
    listener: Option<Waker>,
    /// How the next accepts fail.
    faults: VecDeque<AcceptFault>,
    broken: bool,
    closed: bool,
    /// What fills it.
    kernel: Option<AbortHandle>,
}

impl Queue {
    /// This task fills it, until it is broken or closed.
    pub(super) fn filled_by(&self, kernel: AbortHandle) {
        self.lock().kernel = Some(kernel);
    }

    /// Somebody comes, and can be accepted then.
    pub(super) fn push(&self, at: Instant, io: TurmoilIo, peer: Addr) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            io.reset();
            return;
        }
        state.waiting.push_back((at, io, peer));
    }

    /// Resolves when somebody who could not be accepted can be, and lets the listener know.
    pub(super) async fn ripens(&self) {
        let now = Instant::now();
        let next = {
            let state = self.lock();
            let times = state.waiting.iter().map(|(at, ..)| *at);
            times.filter(|at| *at > now).min()
        };
        match next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => pending().await,
        }
        let listener = self.lock().listener.take();
        listener.into_iter().for_each(Waker::wake);
    }

    /// The next connection, or why there is none though somebody waits; `None` if nobody does.
    pub(super) fn take(&self) -> Option<io::Result<(TurmoilIo, Addr)>> {
        let mut state = self.lock();
        if state.broken {
            // On the server's host, since a connection that is dropped elsewhere tells nobody.
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            turn_away(waiting);
            return Some(Err(ErrorKind::NotConnected.into()));
        }
        let now = Instant::now();
        if state.waiting.front().is_none_or(|(at, ..)| *at > now) {
            return None;
        }
        let Some(fault) = state.faults.pop_front() else {
            let taken = state.waiting.pop_front();
            return taken.map(|(_, io, peer)| Ok((io, peer)));
        };
        let aborted = if fault == AcceptFault::Aborted {
            state.waiting.pop_front()
        } else {
            None
        };
        drop(state);
        turn_away(aborted);
        Some(Err(accept_error(fault)))
    }

    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<io::Result<(TurmoilIo, Addr)>> {
        if let Some(taken) = self.take() {
            return Poll::Ready(taken);
        }
        self.lock().listener = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next accepts fail.
    pub(super) fn fail(&self, times: u16, fault: AcceptFault) {
        let faults = std::iter::repeat_n(fault, times.into());
        self.lock().faults.extend(faults);
    }

    /// No accept succeeds any more, and nobody who waits is taken.
    pub(super) fn breaks(&self) {
        let mut state = self.lock();
        state.broken = true;
        let listener = state.listener.take();
        if let Some(kernel) = &state.kernel {
            kernel.abort();
        }
        drop(state);
        listener.into_iter().for_each(Waker::wake);
    }

    /// Nobody listens any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if let Some(kernel) = &state.kernel {
            kernel.abort();
        }
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        turn_away(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By a reset, as a kernel does with whoever it has let in and nobody took.
fn turn_away(waiting: impl IntoIterator<Item = (Instant, TurmoilIo, Addr)>) {
    for (_, io, _) in waiting {
        io.reset();
    }
}

/// What an accept that fails so says.
fn accept_error(fault: AcceptFault) -> io::Error {
    match fault {
        // The same number on every Unix; the kind that std gives it is not stable.
        AcceptFault::TooManyFiles => io::Error::from_raw_os_error(24),
        AcceptFault::Aborted => ErrorKind::ConnectionAborted.into(),
        AcceptFault::OutOfMemory => ErrorKind::OutOfMemory.into(),
    }
}
