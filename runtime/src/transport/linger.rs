//! What is left of a connection that is over: a socket whose peer has not got everything yet
//! (floor 2).
//!
//! It is the connection's own task that ends its side, reads and throws away, and closes; when and
//! why is for the machine of one such connection to say ([`Linger`]). While nobody stops the server
//! only those linger whose peers may still be sending: for the others the kernel does all that is
//! needed when their sockets are closed. In a stop those linger as well that have sent something
//! which is not acknowledged, since the process may be the last one of its network namespace.
//!
//! **Invariant:** a connection that lingers is reported as such before it is reported closed.
//! **Invariant:** no peer can make the number of sockets that linger grow beyond a limit.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use lamplighter_lifecycle::connection::{Awaited, Linger};
use lamplighter_lifecycle::{ConnectionId, Input, Protocol};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::account::{Account, lock};
use super::peer::Peer;
use super::{Inner, flag};
use crate::os::clock::Timer;
use crate::os::listener::Io;
use crate::os::log;

/// How many connections may linger at once while the server serves: half of the 1024 descriptors
/// that a process has by default. Beyond that they are closed at once, since whoever sends what
/// nobody reads could hold any number of sockets for a second each. A stop has no such limit: it
/// accepts nobody, so there are no more than there were connections.
const MOST_WHILE_SERVING: usize = 512;

/// The window of an HTTP/2 connection, as hyper opens it.
const WINDOW: usize = 1024 * 1024;

/// So many are named of those that have not got everything when a stop has no more time for them: as many
/// as of what is cut.
const NAMED: usize = 100;

/// How much is read at once, to be thrown away.
const ROOM: usize = 4096;

/// The connections of one transport that linger.
#[derive(Default)]
pub(super) struct Lingering(Mutex<Room>);

#[derive(Default)]
struct Room {
    present: BTreeMap<ConnectionId, Waker>,
    /// How many were left without having got everything.
    left: usize,
    /// Nobody may linger any more.
    over: bool,
}

impl Lingering {
    /// Sends everybody home.
    pub(super) fn end(&self) {
        let present = {
            let mut room = lock(&self.0);
            room.over = true;
            std::mem::take(&mut room.present)
        };
        present.into_values().for_each(Waker::wake);
    }

    fn is_over(&self) -> bool {
        lock(&self.0).over
    }

    /// Lets one more in, or keeps its waker up to date; `false` if there is no room for it.
    fn enter(&self, id: ConnectionId, waker: &Waker, most: usize) -> bool {
        let mut room = lock(&self.0);
        if room.over || (room.present.len() >= most && !room.present.contains_key(&id)) {
            return false;
        }
        room.present.insert(id, waker.clone());
        true
    }

    /// Counts one that has not got everything; whether it is to be named.
    fn is_left(&self) -> bool {
        let left = {
            let mut room = lock(&self.0);
            room.left = room.left.saturating_add(1);
            room.left
        };
        if left == NAMED + 1 {
            log::warn!(
                target: "lamplighter::transport",
                "there are more clients that had not got all of their answers: they are not named"
            );
        }
        left <= NAMED
    }

    fn leave(&self, id: ConnectionId) {
        let mut room = lock(&self.0);
        room.present.remove(&id);
    }
}

/// Whether the transport is being stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum While {
    Serving,
    Stopping,
}

/// One connection that is over, and whose socket is not.
pub(super) struct Lingerer {
    inner: Arc<Inner>,
    id: ConnectionId,
    /// Who is to get what was sent; `None` if that is of no interest any more.
    client: Option<Peer>,
    socket: Option<Io>,
    linger: Linger,
    timer: Timer,
    most: usize,
    side_ended: bool,
    peer_ended: bool,
    present: bool,
}

impl Lingerer {
    pub(super) fn new(
        inner: &Arc<Inner>,
        account: &Account,
        socket: Io,
        awaited: Awaited,
        during: While,
    ) -> Self {
        let is_http2 = account.protocol() == Protocol::Http2;
        let granted = if is_http2 { WINDOW } else { 0 };
        let mut linger = Linger::new(inner.sink.now(), awaited, granted);
        let peer_ended = account.has(flag::PEER_ENDED);
        if peer_ended {
            linger.peer_ended();
        }
        Self {
            inner: Arc::clone(inner),
            id: account.id,
            client: Peer::current().filter(|_| awaited != Awaited::PeersEnd),
            socket: Some(socket),
            linger,
            timer: inner.clock.timer(),
            most: match during {
                While::Serving => MOST_WHILE_SERVING,
                While::Stopping => usize::MAX,
            },
            side_ended: account.has(flag::SIDE_ENDED),
            peer_ended,
            present: false,
        }
    }

    /// Goes on; ready when the socket may be closed, which dropping this does.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inner.lingering.is_over() {
            return Poll::Ready(());
        }
        self.end_side(cx);
        self.discard(cx);
        loop {
            if self.linger.is_over() {
                return Poll::Ready(());
            }
            if self.linger.asks() {
                let known = self.socket.as_ref().and_then(Io::is_acknowledged);
                self.linger.answer(known);
                continue;
            }
            self.timer.set(self.linger.poll_timeout());
            let Some(deadline) = self.timer.deadline() else {
                return Poll::Ready(());
            };
            if Pin::new(&mut self.timer).poll(cx).is_pending() {
                break;
            }
            // A timer that has rung has come, whatever the clock's last digit says.
            let now = self.inner.sink.now().max(deadline);
            self.linger.handle_timeout(now);
        }
        let lingering = &self.inner.lingering;
        if !lingering.enter(self.id, cx.waker(), self.most) {
            return Poll::Ready(());
        }
        if !self.present {
            self.present = true;
            let connection = self.id;
            self.inner.sink.input(Input::LingerBegan { connection });
            if lingering.is_over() {
                // Ended in between, so that nobody would wake it.
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn end_side(&mut self, cx: &mut Context<'_>) {
        if self.side_ended {
            return;
        }
        let Some(socket) = &mut self.socket else {
            return;
        };
        match Pin::new(socket).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => self.side_ended = true,
            // There is no peer any more.
            Poll::Ready(Err(_)) => self.linger.broke(),
            Poll::Pending => {}
        }
    }

    fn discard(&mut self, cx: &mut Context<'_>) {
        let Some(socket) = &mut self.socket else {
            return;
        };
        while !self.peer_ended && !self.linger.is_full() && !self.linger.is_over() {
            if self.linger.room() == 0 {
                self.linger.filled_up(socket.is_acknowledged());
                continue;
            }
            let mut room = [MaybeUninit::uninit(); ROOM];
            let room = room.get_mut(..self.linger.room().min(ROOM));
            let mut bytes = ReadBuf::uninit(room.unwrap_or_default());
            match Pin::new(&mut *socket).poll_read(cx, &mut bytes) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !bytes.filled().is_empty() => {
                    self.linger.discarded(bytes.filled().len());
                }
                Poll::Ready(Ok(())) => {
                    self.peer_ended = true;
                    self.linger.peer_ended();
                }
                Poll::Ready(Err(_)) => self.linger.broke(),
            }
        }
    }
}

impl Lingerer {
    /// Says of a client whose time is over that it has not got everything: its answers are with the kernel,
    /// and counted so. Those of a container are lost; elsewhere the kernel goes on sending, until a client
    /// of HTTP/2 says something that nobody hears.
    fn tell_left(&self) {
        let (Some(client), Some(socket)) = (&self.client, &self.socket) else {
            return;
        };
        let stops = self.inner.orders.read().1.stops();
        if stops && socket.is_acknowledged() == Some(false) && self.inner.lingering.is_left() {
            log::warn!(
                target: "lamplighter::transport",
                connection = %self.id,
                peer = %client.addr(),
                "closed before its client had got all of its answers"
            );
        }
    }
}

impl Drop for Lingerer {
    fn drop(&mut self) {
        self.tell_left();
        // Closed before it is reported.
        drop(self.socket.take());
        if self.present {
            let connection = self.id;
            self.inner.lingering.leave(connection);
            self.inner.sink.input(Input::LingerEnded { connection });
        }
    }
}
