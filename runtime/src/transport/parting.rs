//! HTTP/2 streams whose answer was there before their request: how they are let go of (floor 2).
//!
//! A server may answer before it has read a request to its end, and then has to ask its client to stop
//! sending, by RST_STREAM with NO_ERROR (RFC 9113, 8.1). h2 sends that as soon as nobody holds the stream any
//! more, which is in the same write as the answer; and a client that had its body on the way, read both
//! at once and took the reset for a failure, has lost a whole answer. curl 7.88.1 does: over loopback, of
//! POSTs with a body of 15 bytes that a route refused, 2 in 100 ended as error 92 on a machine at rest,
//! and 99 in 100 where curl was traced. So the task of such a stream stays until the rest of the request
//! has come, which h2 throws away, and for a second at the longest, as a connection of HTTP/1 does that was
//! answered early (`linger`). Then the client is asked to stop.
//!
//! Which stream a request came on nobody is told. So a stream stays for as long as the body of any request
//! is to come that had begun by then on its connection; and what has not come in time once is not waited
//! for again. h2 holds small frames that nobody reads against their peer: once they have cost it a quarter
//! of what it has, no stream of its connection stays any more.
//!
//! What crosses the wish to stop is h2's: data is thrown away, and so are trailers for a second, of 50
//! streams at once (`reset_stream_duration`, `max_concurrent_reset_streams`: hyper sets neither for
//! servers). Later trailers are an error of the connection to it, as RFC 9113, 5.1, allows. Data for a
//! stream that it has forgotten is answered by one more reset, and the connection ends with the 1 024th of
//! these: resets that nobody reads would take memory without a limit.
//!
//! **Invariant:** a request that was there to its end when it was answered costs a look at two numbers.
//! **Invariant:** an answer that was handed over is settled at once: no stop waits for what stays here.
//! **Invariant:** no peer can make the number of streams that stay grow beyond a limit.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use lamplighter_lifecycle::connection::Linger;

use super::account::Account;
use super::flag;
use super::frames::Uploads;
use super::in_flight::Exchange;
use crate::os::clock::{self, Alarm};

/// How many streams of a connection may stay at once. Each takes one of the streams that its peer may have
/// open, and the memory of a task that is over; those beyond it are reset at once.
const MOST: u32 = 32;

/// What of a connection's requests is to come, for the tasks of its streams.
#[derive(Debug, Default)]
pub(super) struct Partings {
    /// The first and the latest stream whose requests are to come in part, without those that have had
    /// their time.
    first: AtomicU32,
    latest: AtomicU32,
    /// Up to this one they have had their time.
    forgotten: AtomicU32,
    /// How many stay.
    present: AtomicU32,
}

impl Partings {
    /// Something came; returns whether somebody stays who may have waited for it. Called by the
    /// connection's task alone.
    #[inline]
    pub(super) fn came(&self, uploads: &Uploads) -> bool {
        if uploads.is_charged() {
            // Nobody stays any more.
            self.forgotten.store(u32::MAX, Ordering::SeqCst);
        }
        let (first, latest) = uploads.open_beyond(self.forgotten.load(Ordering::SeqCst));
        if self.latest.load(Ordering::Relaxed) != latest {
            self.latest.store(latest, Ordering::SeqCst);
        }
        if self.first.load(Ordering::Relaxed) == first {
            return false;
        }
        // In one order with whoever begins to stay: that one sees this, or is seen here.
        self.first.store(first, Ordering::SeqCst);
        self.is_present()
    }

    /// Whether a stream stays.
    #[inline]
    pub(super) fn is_present(&self) -> bool {
        self.present.load(Ordering::SeqCst) > 0
    }

    /// Whether the rest of a request is to come that began no later than this one.
    #[inline]
    fn is_expected(&self, latest: u32) -> bool {
        let first = self.first.load(Ordering::SeqCst);
        first > self.forgotten.load(Ordering::SeqCst) && first <= latest
    }

    /// One more stays, if there is room.
    fn enter(&self) -> bool {
        let entered = self.present.fetch_add(1, Ordering::SeqCst) < MOST;
        if !entered {
            self.leave();
        }
        entered
    }

    fn leave(&self) {
        self.present.fetch_sub(1, Ordering::SeqCst);
    }
}

thread_local! {
    static NEXT: Cell<Option<Arc<Exchange>>> = const { Cell::new(None) };
}

/// Whether the stream of this exchange is to stay when its answer has been handed over.
#[inline]
pub(super) fn is_due(exchange: &Exchange) -> bool {
    exchange.has_upload() && exchange.account().partings.is_expected(u32::MAX)
}

/// The poll that this is called in hands over the last of an answer whose stream is to stay; its exchange
/// is settled when that has been done.
pub(super) fn announce(exchange: Arc<Exchange>) {
    settle();
    NEXT.set(Some(exchange));
}

/// Settles what the poll before announced, and says whether it did announce something. To be asked behind
/// each poll of a stream.
#[inline]
pub(super) fn settle() -> bool {
    let announced = NEXT.take();
    let announces = announced.is_some();
    if let Some(exchange) = announced {
        Exchange::leave(exchange);
    }
    announces
}

/// The stay of one stream.
pub(super) struct Parting {
    account: Arc<Account>,
    /// The latest stream whose request was to come as it began.
    latest: u32,
    alarm: Alarm,
}

impl Parting {
    /// Begins one; `None` if too many stay.
    pub(super) fn begin(account: &Arc<Account>) -> Option<Self> {
        account.partings.enter().then(|| Self {
            account: Arc::clone(account),
            latest: account.partings.latest.load(Ordering::SeqCst),
            alarm: clock::alarm(Linger::LONGEST),
        })
    }

    /// Ready when there is nothing to stay for any more. The task is to be woken when its connection is
    /// forced, ends, or agrees to its end, and when all requests have come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let account = &self.account;
        let over = account.has(flag::FORCED | flag::OVER)
            || account.has_agreed_to_end()
            || !account.partings.is_expected(self.latest);
        if over {
            return Poll::Ready(());
        }
        let rang = self.alarm.as_mut().poll(cx);
        if rang.is_ready() {
            let forgotten = &account.partings.forgotten;
            forgotten.fetch_max(self.latest, Ordering::SeqCst);
        }
        rang
    }
}

impl Drop for Parting {
    fn drop(&mut self) {
        self.account.partings.leave();
    }
}
