//! The accept loops: one task per listener (floor 2).
//!
//! **Invariant:** no error of a listener, and no wait after one, delays a stop.
//! **Invariant:** a loop ends with its listener closed, and says so.

use std::sync::Arc;
use std::time::Duration;

use lamplighter_lifecycle::{Input, ListenerId};
use tokio::sync::watch;

use super::Inner;
use super::account::lock;
use crate::os::listener::{AcceptError, AnyListener, Backoff, Spare, TurnedAway};
use crate::os::log;
use crate::os::tasks::TaskName;

/// What becomes of connections that wait in a listener's queue when it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// They are accepted, until none is left or 20 ms have passed.
    Drain,
    /// They are left: to another holder of the socket, or to nobody.
    Leave,
}

/// How long accepting what is queued may take at a stop. It ends when the queue is dry; a storm of
/// new connections must not keep it going.
const DRY_LIMIT: Duration = Duration::from_millis(20);

/// The accept loops of one transport.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    open: usize,
    closing: bool,
    reported: bool,
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
    /// Their first packet is dropped, so that dry means dry.
    Refuse,
}

pub(super) fn spawn(
    inner: &Arc<Inner>,
    id: ListenerId,
    listener: AnyListener,
    newcomers: Newcomers,
) {
    lock(&inner.listeners).open += 1;
    let open = Open(Arc::clone(inner));
    let closing = inner.close.subscribe();
    let name = TaskName::numbered("accept", u64::from(id.number()));
    drop(
        inner
            .tasks
            .spawn(name, accept(open, listener, newcomers, closing)),
    );
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
struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        let ends = {
            let mut listeners = lock(&self.0.listeners);
            listeners.open -= 1;
            listeners.ends()
        };
        if ends {
            self.0.sink.input(Input::ListenersClosed);
        }
    }
}

async fn accept(
    open: Open,
    mut listener: AnyListener,
    newcomers: Newcomers,
    mut closing: watch::Receiver<Option<Queue>>,
) {
    let inner = &open.0;
    let mut spare = Spare::take();
    let mut backoff = Backoff::default();
    let queue = loop {
        let error = tokio::select! {
            biased;
            queue = closed(&mut closing) => break queue,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    backoff.reset();
                    inner.open(socket, peer);
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
                if AcceptError::lacks_descriptors(&error) {
                    turn_away(&mut spare, &mut listener);
                }
                tokio::select! {
                    biased;
                    queue = closed(&mut closing) => break queue,
                    () = inner.clock.sleep_until(inner.sink.now() + wait) => {}
                }
            }
            AcceptError::Fatal => {
                let name = listener
                    .local_addr()
                    .map_or_else(|_| "(unknown)".to_owned(), |addr| addr.to_string());
                inner.sink.input(Input::ListenerFailed {
                    listener: name.into(),
                    error: error.to_string().into(),
                });
                break Queue::Leave;
            }
        }
    };
    if queue == Queue::Drain {
        if newcomers == Newcomers::Refuse {
            refuse_new(inner, &mut listener).await;
        }
        accept_queued(inner, &mut spare, &mut listener);
    }
    // Closed before it is reported.
    drop(listener);
    drop(open);
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
fn turn_away(spare: &mut Spare, listener: &mut AnyListener) -> bool {
    matches!(spare.turn_away(listener), Ok(TurnedAway::One))
}

fn accept_queued(inner: &Arc<Inner>, spare: &mut Spare, listener: &mut AnyListener) {
    let until = inner.sink.now() + DRY_LIMIT;
    while inner.sink.now() < until {
        let goes_on = match listener.accept_queued() {
            Ok(Some((socket, peer))) => {
                inner.open(socket, peer);
                true
            }
            Ok(None) => false,
            Err(error) => match AcceptError::classify(&error) {
                AcceptError::PerConnection => true,
                AcceptError::Resource => {
                    AcceptError::lacks_descriptors(&error) && turn_away(spare, listener)
                }
                AcceptError::Fatal => false,
            },
        };
        if !goes_on {
            break;
        }
    }
}

async fn closed(closing: &mut watch::Receiver<Option<Queue>>) -> Queue {
    match closing.wait_for(Option::is_some).await {
        Ok(queue) => queue.unwrap_or(Queue::Leave),
        // The transport is gone, so nobody waits for what is queued.
        Err(_) => Queue::Leave,
    }
}
