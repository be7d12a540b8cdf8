//! HTTP/2 streams that cannot go on, or stay when they are done: what wakes them when they are cut, and
//! what ends them then (floor 2).
//!
//! hyper does not poll the body of an answer while a part of it waits for a window that the peer has not
//! granted, so that the body never hears that it is cut. The task of a stream that is still pending when
//! its connection is forced ends here instead, and h2 resets what nobody holds any more.
//!
//! Nor does the body of a Watch, which is told news until the end, hear that the server drains. That one
//! ends here as soon as its peer has answered the PING behind GOAWAY, for which the connection has to wait
//! anyway: until then a window that was on its way has come. Other answers of infrastructure end by
//! themselves once they are taken, and have the time for it that the connection has.
//!
//! **Invariant:** a stream that is answered within one poll takes no lock.
//! **Invariant:** no stream is pending after its connection was forced.
//! **Invariant:** no Watch waits for a window after its peer has agreed to the end.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use slab::Slab;

use super::account::{Account, lock};
use super::flag;
use super::parting::{self, Parting};
use super::spawning::{self, Purpose};

/// The streams of one connection that are pending.
#[derive(Debug, Default)]
pub(super) struct Stalled(Mutex<Slab<Waker>>);

impl Stalled {
    fn enter(&self, waker: &Waker) -> usize {
        lock(&self.0).insert(waker.clone())
    }

    fn leave(&self, place: usize) {
        drop(lock(&self.0).try_remove(place));
    }

    /// Lets every one of them see whether it is over.
    pub(super) fn wake(&self) {
        for (_, waker) in &*lock(&self.0) {
            waker.wake_by_ref();
        }
    }
}

/// Whether a part of an endless stream's answer waits for its peer to grant a window. Its task alone
/// knows.
#[derive(Clone, Debug)]
pub(super) struct Stall(Arc<AtomicBool>);

impl Stall {
    /// The body of the answer was asked for more, and gave some or did not.
    pub(super) fn polled(&self, gave: bool) {
        self.0.store(gave, Ordering::Relaxed);
    }

    /// To be asked when the stream cannot go on: what the body gave last is not taken.
    fn waits(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The stream that hyper spawns next is one of infrastructure, and ends only with the server.
pub(super) fn expect_endless() -> Stall {
    let stall = Stall(Arc::default());
    spawning::announce(Purpose::Endless(stall.clone()));
    stall
}

/// Runs a stream until it ends, or is pending though it is over: its connection is forced, or it is an
/// endless one, the server drains, and its peer takes nothing.
pub(super) fn until_over<F: Future<Output = ()>>(
    account: Arc<Account>,
    stall: Option<Stall>,
    stream: F,
) -> UntilOver<F> {
    UntilOver {
        stream,
        parting: None,
        place: None,
        account,
        stall,
    }
}

pin_project! {
    pub(super) struct UntilOver<F> {
        #[pin]
        stream: F,
        // The stream is done, and held for a while.
        parting: Option<Parting>,
        place: Option<usize>,
        account: Arc<Account>,
        stall: Option<Stall>,
    }

    impl<F> PinnedDrop for UntilOver<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // Of a poll that panicked.
            parting::settle();
            if let Some(place) = this.place.take() {
                this.account.stalled.leave(place);
            }
        }
    }
}

impl<F: Future<Output = ()>> Future for UntilOver<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if let Some(parting) = this.parting {
            return parting.poll(cx);
        }
        let polled = this.stream.poll(cx);
        // Settled here, behind the poll that has handed over the last of its answer.
        let parts = parting::settle();
        if parts && polled.is_ready() {
            *this.parting = Parting::begin(this.account);
            if let Some(parting) = this.parting {
                this.place
                    .get_or_insert_with(|| this.account.stalled.enter(cx.waker()));
                return parting.poll(cx);
            }
        }
        if polled.is_pending() {
            // The task is the same for as long as it lives, and so is its waker.
            this.place
                .get_or_insert_with(|| this.account.stalled.enter(cx.waker()));
            // Who begins to wait while everything is cut hears it here.
            if this.account.has(flag::FORCED) {
                return Poll::Ready(());
            }
            if this.stall.as_ref().is_some_and(Stall::waits) && this.account.has_agreed_to_end() {
                return Poll::Ready(());
            }
        }
        polled
    }
}
