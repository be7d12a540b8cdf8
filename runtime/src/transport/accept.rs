//! The accept loops: one task per listener (floor 2).
//!
//! **Invariant:** no error of a listener, and no wait after one, delays a stop.
//! **Invariant:** a loop ends with its listener closed, and says so.
//! **Invariant:** of a shared listener nothing is taken before the server serves, nor after it stops.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lamplighter_lifecycle::{Input, ListenerId};

use super::Inner;
use super::account::{Account, lock};
use super::room::Seat;
use crate::os::listener::{AcceptError, Addr, AnyListener, Backoff, Io, Label, Spare, TurnedAway};
use crate::os::log;
use crate::os::tasks::TaskName;

/// What becomes of connections that wait in a listener's queue when it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// They are accepted: all that are there, and who still comes, for 20 ms at most.
    Drain,
    /// They are left: to another holder of the socket, or to nobody.
    Leave,
}

/// How long accepting may go on at a stop after what was queued at its beginning. It ends when the
/// queue is dry; a storm of new connections must not keep it going.
const DRY_LIMIT: Duration = Duration::from_millis(20);

/// As many as a queue has at most, unless its system was told otherwise: the `somaxconn` of Linux
/// since 5.4 (listen(2)). So many are taken however long it takes: on a machine that stalls they
/// have waited long enough, and whoever was there when the close began is among them.
const QUEUE: usize = 4096;

/// How many are taken at most, however little time passes: some queues full of newcomers.
const STORM: usize = 4 * QUEUE;

/// How many are taken before other tasks get their turn, those of the connections among them.
const TURN: usize = 64;

/// The accept loops of one transport.
#[derive(Default)]
pub(super) struct Listeners {
    open: usize,
    /// Of these, those that will never accept again.
    broken: usize,
    closing: bool,
    reported: bool,
    /// Connections that say something when the last one has closed.
    waiting: Vec<Arc<Account>>,
}

impl Listeners {
    /// Whether the end is to be reported now.
    fn ends(&mut self) -> bool {
        let ends = self.closing && self.open == 0 && !self.reported;
        self.reported |= ends;
        ends
    }
}

/// What becomes of clients that come when the listener is about to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newcomers {
    /// They queue, and are accepted as far as the queue runs dry in its time.
    Queue,
    /// No connection can begin any more, so that dry means dry.
    Refuse,
    /// They are left in the queue, for whoever holds the socket as well; so are those who come
    /// before the server serves.
    Leave,
}

/// A listener to accept from.
#[derive(Debug)]
pub(crate) struct Accepting {
    pub(crate) id: ListenerId,
    /// What it is called if it breaks.
    pub(crate) label: Label,
    pub(crate) listener: AnyListener,
    pub(crate) newcomers: Newcomers,
}

/// Whether no listener is open.
pub(super) fn is_shut(inner: &Inner) -> bool {
    lock(&inner.listeners).open == 0
}

/// Whether no listener is open; if one is, the connection is woken when the last one has closed.
pub(super) fn is_shut_or_tells(inner: &Inner, account: &Arc<Account>) -> bool {
    let mut listeners = lock(&inner.listeners);
    let shut = listeners.open == 0;
    if !shut {
        listeners.waiting.push(Arc::clone(account));
    }
    shut
}

pub(super) fn spawn(inner: &Arc<Inner>, listeners: Vec<Accepting>) {
    for (name, accepts) in loops(inner, listeners) {
        drop(inner.tasks.spawn(name, accepts));
    }
}

/// As [`spawn`], for one that comes when others are at work already; `false` once they are to close:
/// then it is dropped, so that nothing is accepted after all are closed.
pub(super) fn spawn_late(inner: &Arc<Inner>, listener: Accepting) -> bool {
    let (name, accepts) = {
        let mut listeners = lock(&inner.listeners);
        if listeners.closing {
            return false;
        }
        listeners.open += 1;
        accept_loop(inner, listener)
    };
    drop(inner.tasks.spawn(name, accepts));
    true
}

/// The loop of each listener, which is open from this call on until its loop is dropped: all of them are
/// to be taken.
pub(super) fn loops(
    inner: &Arc<Inner>,
    listeners: Vec<Accepting>,
) -> impl Iterator<Item = (TaskName, impl Future<Output = ()> + Send + use<>)> {
    // All of them are there before the first one can break.
    lock(&inner.listeners).open += listeners.len();
    let accepts = |accepting| accept_loop(inner, accepting);
    listeners.into_iter().map(accepts)
}

/// The loop of a listener that has been counted as open.
fn accept_loop(
    inner: &Arc<Inner>,
    accepting: Accepting,
) -> (TaskName, impl Future<Output = ()> + Send + use<>) {
    let open = Open {
        inner: Arc::clone(inner),
        broken: false,
    };
    let name = TaskName::numbered("accept", u64::from(accepting.id.number()));
    (name, accept(open, accepting))
}

pub(super) fn close(inner: &Inner, queue: Queue) {
    let ends = {
        let mut listeners = lock(&inner.listeners);
        listeners.closing = true;
        listeners.ends()
    };
    inner.close.send_modify(|close| {
        close.get_or_insert(queue);
    });
    if ends {
        inner.sink.input(Input::ListenersClosed);
    }
}

/// One loop that has not ended.
struct Open {
    inner: Arc<Inner>,
    broken: bool,
}

impl Open {
    /// This one's listener broke; says how many are left.
    fn breaks(&mut self) -> usize {
        self.broken = true;
        let mut listeners = lock(&self.inner.listeners);
        listeners.broken += 1;
        listeners.open - listeners.broken
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let (ends, waiting) = {
            let mut listeners = lock(&self.inner.listeners);
            listeners.open -= 1;
            listeners.broken -= usize::from(self.broken);
            let waiting = if listeners.open == 0 {
                std::mem::take(&mut listeners.waiting)
            } else {
                Vec::new()
            };
            (listeners.ends(), waiting)
        };
        for account in waiting {
            account.wake();
        }
        if ends {
            self.inner.sink.input(Input::ListenersClosed);
        }
    }
}

async fn accept(mut open: Open, accepting: Accepting) {
    let Accepting {
        label,
        mut listener,
        newcomers,
        ..
    } = accepting;
    let inner = Arc::clone(&open.inner);
    let mut spare = Spare::take(&listener);
    let queue = accept_until_closed(&mut open, &label, &mut listener, newcomers, &mut spare).await;
    // Whoever holds a shared socket as well gets what is queued.
    if queue == Queue::Drain && newcomers != Newcomers::Leave {
        if newcomers == Newcomers::Refuse {
            refuse_new(&inner, &mut listener).await;
        }
        accept_queued(&inner, &mut spare, &mut listener).await;
    }
    // Closed before it is reported.
    drop(listener);
    drop(open);
}

/// Accepts until it is told to end, or the listener breaks; says what becomes of the queue.
async fn accept_until_closed(
    open: &mut Open,
    label: &Label,
    listener: &mut AnyListener,
    newcomers: Newcomers,
    spare: &mut Spare,
) -> Queue {
    let inner = Arc::clone(&open.inner);
    let mut backoff = Backoff::default();
    // Whether a wait after an error has come to its end in vain.
    let mut waited = false;
    if newcomers == Newcomers::Leave {
        tokio::select! {
            biased;
            queue = closed(&inner) => return queue,
            _ = inner.serving.wait_for(|serving| *serving) => {}
        }
    }
    loop {
        let has_left = inner.room.has_left();
        let error = tokio::select! {
            biased;
            queue = closed(&inner) => return queue,
            accepted = next(&inner, listener) => match accepted {
                Ok((socket, peer)) => {
                    backoff.reset();
                    waited = false;
                    if let Some(queue) = seat(&inner, socket, peer).await {
                        return queue;
                    }
                    continue;
                }
                Err(error) => error,
            },
        };
        match AcceptError::classify(&error) {
            // A listener that has nothing but such errors must not keep its thread to itself.
            AcceptError::PerConnection => tokio::task::yield_now().await,
            AcceptError::Resource => {
                let wait = backoff.next_wait();
                log::warn!(target: "lamplighter::transport", %error, ?wait, "cannot accept");
                // While connections go, those who wait get their turn, and no longer wait than
                // that; another holder may have what is lacking here.
                let lacks = waited && AcceptError::lacks_descriptors(&error);
                if lacks && newcomers != Newcomers::Leave {
                    turn_away(&inner, spare, listener);
                }
                waited = tokio::select! {
                    biased;
                    queue = closed(&inner) => return queue,
                    // What it held may be what was lacking.
                    () = has_left => false,
                    () = inner.clock.sleep_until(inner.sink.now() + wait) => true,
                };
            }
            AcceptError::Fatal => {
                let left = open.breaks();
                inner.sink.input(Input::ListenerFailed {
                    listener: label.to_string().into(),
                    error: error.to_string().into(),
                    left,
                });
                return Queue::Leave;
            }
        }
    }
}

/// The next connection, once there is a seat for it.
async fn next(inner: &Inner, listener: &mut AnyListener) -> std::io::Result<(Io, Addr)> {
    inner.room.is_free().await;
    listener.accept().await
}

/// Opens a connection as soon as it has a seat: another listener may have been quicker, and then it
/// is held until one is free. At the close it is opened without.
async fn seat(inner: &Arc<Inner>, socket: Io, peer: Addr) -> Option<Queue> {
    let mut close = None;
    let seat = match inner.room.try_take() {
        Some(seat) => seat,
        None => tokio::select! {
            biased;
            queue = closed(inner) => {
                close = Some(queue);
                Seat::extra()
            }
            seat = inner.room.take() => seat,
        },
    };
    inner.open(socket, peer, seat);
    close
}

/// Lets no new connection begin, and those that have begun come into the queue.
async fn refuse_new(inner: &Inner, listener: &mut AnyListener) {
    match listener.refuse_new() {
        Ok(settles) => {
            let settled = inner.sink.now() + settles;
            inner.clock.sleep_until(settled).await;
        }
        // Without it the queue is emptied as far as it runs dry, as for every other listener.
        Err(error) => {
            log::warn!(target: "lamplighter::transport", %error, "cannot refuse new connections");
        }
    }
}

/// Turns one waiting client away, so that it tries elsewhere instead of waiting for descriptors.
fn turn_away(inner: &Inner, spare: &mut Spare, listener: &mut AnyListener) -> bool {
    let turned = matches!(spare.turn_away(listener), Ok(TurnedAway::One));
    if turned {
        inner.sink.input(Input::ConnectionsTurnedAway(1));
    }
    turned
}

/// Takes what is queued until nothing is, or until only newcomers can be left and have had their
/// time.
async fn accept_queued(inner: &Arc<Inner>, spare: &mut Spare, listener: &mut AnyListener) {
    let until = inner.sink.now() + DRY_LIMIT;
    for taken in 0..STORM {
        if taken >= QUEUE && inner.sink.now() >= until {
            break;
        }
        if taken % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        let goes_on = match listener.accept_queued() {
            Ok(Some((socket, peer))) => {
                inner.open(socket, peer, Seat::extra());
                true
            }
            Ok(None) => false,
            Err(error) => match AcceptError::classify(&error) {
                AcceptError::PerConnection => true,
                AcceptError::Resource => {
                    AcceptError::lacks_descriptors(&error) && turn_away(inner, spare, listener)
                }
                AcceptError::Fatal => false,
            },
        };
        if !goes_on {
            break;
        }
    }
}

async fn closed(inner: &Inner) -> Queue {
    let close = inner.close.wait_for(Option::is_some).await;
    close.unwrap_or(Queue::Leave)
}
