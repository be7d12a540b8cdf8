//! HTTP/2 streams that cannot go on: what wakes them when they are cut, and what ends them then
//! (floor 2).
//!
//! hyper does not poll the body of an answer while the peer grants no window, so that the body never
//! hears that it is cut. The task of a stream that is still pending when its connection is forced
//! ends here instead, and h2 resets what nobody holds any more.
//!
//! **Invariant:** a stream that is answered within one poll takes no lock.
//! **Invariant:** no stream is pending after its connection was forced.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use slab::Slab;

use super::account::{Account, lock};
use super::flag;

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

    /// Lets every one of them see that its connection was forced.
    pub(super) fn wake(&self) {
        for (_, waker) in &*lock(&self.0) {
            waker.wake_by_ref();
        }
    }
}

/// Runs a stream until it ends, or is pending though its connection is forced.
pub(super) fn until_forced<F: Future<Output = ()>>(
    account: Arc<Account>,
    stream: F,
) -> UntilForced<F> {
    UntilForced {
        stream,
        place: None,
        account,
    }
}

pin_project! {
    pub(super) struct UntilForced<F> {
        #[pin]
        stream: F,
        place: Option<usize>,
        account: Arc<Account>,
    }

    impl<F> PinnedDrop for UntilForced<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(place) = this.place.take() {
                this.account.stalled.leave(place);
            }
        }
    }
}

impl<F: Future<Output = ()>> Future for UntilForced<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let polled = this.stream.poll(cx);
        if polled.is_pending() {
            // The task is the same for as long as it lives, and so is its waker.
            this.place
                .get_or_insert_with(|| this.account.stalled.enter(cx.waker()));
            // Who begins to wait while everything is cut hears it here.
            if this.account.has(flag::FORCED) {
                return Poll::Ready(());
            }
        }
        polled
    }
}
