//! The server's half of the network in memory: it binds, and takes connections from a queue.
//!
//! **Invariant:** an accept that fails does so only where somebody waits to be accepted, as a kernel's;
//! a broken one fails always.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, Waker};

use lamplighter::{Addr, Listener, Network};
use tokio::time::Instant;

use super::end::End;
use super::net::{Net, State, accept_error};
use crate::scenario::{AcceptFault, Bind, millis};
use crate::trace::WireSaw;

/// Connections that nobody has taken yet, by when they are there.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    queue: VecDeque<(Instant, End)>,
    waker: Option<Waker>,
}

impl Backlog {
    pub(super) fn push(&mut self, at: Instant, end: End) {
        self.queue.push_back((at, end));
    }

    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Everybody who waits; dropped, they are reset.
    pub(super) fn take_queue(&mut self) -> Queue {
        Queue(std::mem::take(&mut self.queue))
    }
}

/// Connections that nobody will take.
pub(super) struct Queue(VecDeque<(Instant, End)>);

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, end)| end.abort());
    }
}

/// Binds the one listener of a run.
#[derive(Debug)]
pub(super) struct MemoryNetwork {
    pub(super) net: Net,
    pub(super) bind: Bind,
}

impl Network for MemoryNetwork {
    type Listener = MemoryListener;

    async fn bind(&self, addr: &Addr) -> io::Result<MemoryListener> {
        match self.bind {
            Bind::Ok => {}
            Bind::Late { ms } => tokio::time::sleep(millis(ms)).await,
            Bind::InUse => return Err(ErrorKind::AddrInUse.into()),
            Bind::Hang => pending().await,
        }
        let mut state = self.net.state();
        if state.backlog.is_some() {
            return Err(ErrorKind::AddrInUse.into());
        }
        state.backlog = Some(Backlog::default());
        drop(state);
        Ok(MemoryListener {
            net: self.net.clone(),
            addr: addr.clone(),
        })
    }

    /// What its clients have is simulated.
    fn has_clock(&self) -> bool {
        false
    }
}

/// The listener of a run.
#[derive(Debug)]
pub(super) struct MemoryListener {
    net: Net,
    addr: Addr,
}

impl MemoryListener {
    fn poll_accept(&self, cx: &Context<'_>) -> Poll<io::Result<(End, Addr)>> {
        match self.take() {
            Some(accepted) => Poll::Ready(accepted),
            None => {
                if let Some(backlog) = &mut self.net.state().backlog {
                    backlog.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    fn take(&self) -> Option<io::Result<(End, Addr)>> {
        let mut state = self.net.state();
        if state.broken {
            return Some(Err(ErrorKind::NotConnected.into()));
        }
        let now = Instant::now();
        let State {
            backlog, faults, ..
        } = &mut *state;
        let queue = &mut backlog.as_mut()?.queue;
        queue.front().filter(|(at, _)| *at <= now)?;
        let fault = faults.pop_front();
        let stays = fault.is_some_and(|fault| fault != AcceptFault::Aborted);
        let taken = if stays { None } else { queue.pop_front() };
        // Its lock is the one that closing an end needs.
        drop(state);
        let taken = taken.map(|(_, end)| end);
        if let Some(fault) = fault {
            taken.iter().for_each(End::abort);
            return Some(Err(accept_error(fault)));
        }
        let end = taken?;
        let client = end.client();
        end.saw(|| WireSaw::Accepted { client });
        Some(Ok((end, Addr::Named(format!("client#{client}")))))
    }
}

impl Listener for MemoryListener {
    type Io = End;

    async fn accept(&mut self) -> io::Result<(End, Addr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(self.addr.clone())
    }

    fn accept_queued(&mut self) -> io::Result<Option<(End, Addr)>> {
        self.take().transpose()
    }

    fn abort(io: &End) -> io::Result<()> {
        io.abort();
        Ok(())
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        let queued = self
            .net
            .state()
            .backlog
            .take()
            .map(|mut backlog| backlog.take_queue());
        // Reset, as a kernel does with whoever it has let in and nobody took.
        drop(queued);
    }
}
