//! HTTP/2 streams that the application took over by a CONNECT: in flight until they end (floor 2).
//!
//! hyper has the bytes of a tunnel carried by a task that it spawns in the very poll that hands the
//! head over. What the tunnel holds waits for that ([`spawning`]), from the head to the spawn. Its stream cannot be reset from here, since the application holds the other half of it: whoever
//! writes the connection's bytes resets it when everything else has ended (`frames`).
//!
//! **Invariant:** a tunnel is in flight from its request to its end, and hears a force at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::body::{Held, Hold};
use super::flag;
use super::in_flight::Exchange;
use super::spawning::{self, Purpose};

/// The stream of this request is a tunnel from now on, if its task is spawned.
pub(super) fn opens(exchange: &Arc<Exchange>) {
    exchange.tunnel();
    exchange.account().raise(flag::TUNNELS);
    spawning::announce(Purpose::Tunnel(Arc::clone(exchange)));
}

/// Carries a tunnel to its end, or until it is cut.
pub(super) async fn carry(exchange: Arc<Exchange>, bytes: impl Future<Output = ()>) {
    // Declared first, so dropped last: it is over when its bytes are let go of.
    let held = Held::new(Hold::Shared(exchange));
    let mut bytes = pin!(bytes);
    let Some(exchange) = held.get().map(Hold::exchange) else {
        return;
    };
    let mut waits = false;
    let ended = poll_fn(|cx| {
        let is_cut = || exchange.account().has(flag::FORCED);
        if is_cut() {
            return Poll::Ready(false);
        }
        if bytes.as_mut().poll(cx).is_ready() {
            return Poll::Ready(!is_cut());
        }
        if !std::mem::replace(&mut waits, true) {
            exchange.waits_here(cx);
        }
        // Who begins to wait while everything is cut hears it here.
        if is_cut() {
            Poll::Ready(false)
        } else {
            Poll::Pending
        }
    })
    .await;
    if ended {
        exchange.finish();
    }
}
