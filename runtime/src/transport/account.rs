//! One connection's account: its counts, its flags, and what waits on it (floor 2).
//!
//! A request is in flight from the moment its head goes to the application until the last byte of
//! its answer is with the kernel. A connection is over when its socket is closed and nothing of it
//! is in flight: every part of it holds a [`Token`], and the last one dropped reports the end.
//!
//! **Invariant:** begun = answered + cut + aborted + in flight, at every instant.
//! **Invariant:** the end is reported once, after everything that it counts.
//! **Invariant:** a request that is answered within one poll takes no lock that another task may hold, and
//! reads no clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use lamplighter_lifecycle::{ConnectionId, Instant, Protocol, Tally, Work};

use super::broken::Broken;
use super::frames::{Uploads, Wanted};
use super::in_flight::By;
use super::io::Place;
use super::parting::Partings;
use super::route::Routes;
use super::seen::Seen;
use super::stalled::Stalled;
use super::upload::Upload;
use super::verb::Verb;
use super::{Inner, flag};

mod awaited;
mod ending;
mod named;
mod recent;
mod written;

use ending::Ending;
use recent::Recent;

/// The account of one connection. Lives until everything of the connection is gone.
pub(super) struct Account {
    pub(super) id: ConnectionId,
    inner: Arc<Inner>,
    flags: AtomicU16,
    protocol: AtomicU8,
    /// The number of the request after which no more are wanted.
    last_request: u64,
    // Written by the connection's own task alone, read by others.
    begun: AtomicU64,
    answered: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
    // Ended well, with the last bytes perhaps still on their way to the kernel: by the task of the
    // connection, and by the tasks of its streams.
    sent_here: AtomicU64,
    sent_there: AtomicU64,
    flushed_here: AtomicU64,
    flushed_there: AtomicU64,
    /// HTTP/2: how many answers ended with a frame that is with the kernel, and are not counted so yet.
    written: AtomicU64,
    /// HTTP/2: how many of those that were handed over ended with none, since their clients had left.
    dropped: AtomicU64,
    cut: AtomicU64,
    aborted: AtomicU64,
    /// By the application's own fault.
    failed: AtomicU64,
    /// What the last request of all was, for the report of answers stuck on their way.
    last_verb: AtomicU8,
    last_begun_at: AtomicU64,
    /// How many of those in flight are infrastructure's, on HTTP/2.
    infrastructure: AtomicU64,
    /// How many of its answers are made and not flushed, as far as nothing was flushed since.
    infrastructure_made: AtomicU64,
    tokens: AtomicUsize,
    waiting: Mutex<BTreeMap<u64, Waiting>>,
    /// HTTP/2.
    recent: Recent,
    pub(super) routes: Routes,
    pub(super) stalled: Stalled,
    /// By the task of the connection alone.
    pub(super) seen: Seen,
    /// HTTP/1: of the request that began last.
    pub(super) upload: Upload,
    /// HTTP/2: of all requests.
    pub(super) partings: Partings,
    pub(super) broken: Broken,
    /// HTTP/2. By the task of the connection alone.
    wanted: Mutex<Wanted>,
    /// HTTP/2: how many of those that have begun no task attends to any more, or infrastructure's does.
    unattended: AtomicU64,
    /// HTTP/2, by force: how many of those that end without an answer their clients had given up.
    given_up: AtomicU64,
    ending: Mutex<Ending>,
    waker: Mutex<Option<Waker>>,
    socket: Mutex<Place>,
}

/// A request that could not be answered within its first poll.
struct Waiting {
    verb: Verb,
    begun_at: Instant,
    waker: Waker,
}

impl Account {
    pub(super) fn open(
        id: ConnectionId,
        inner: Arc<Inner>,
        flags: u16,
        opened_at: Instant,
    ) -> (Arc<Self>, Token) {
        let last_request = inner.limits.last_request();
        let account = Arc::new(Self {
            id,
            inner,
            flags: AtomicU16::new(flags),
            protocol: AtomicU8::new(0),
            last_request,
            begun: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            late: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sent_here: AtomicU64::new(0),
            sent_there: AtomicU64::new(0),
            flushed_here: AtomicU64::new(0),
            flushed_there: AtomicU64::new(0),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            aborted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_verb: AtomicU8::new(Verb::Other as u8),
            // No request is older than its connection, whatever else is known of it.
            last_begun_at: AtomicU64::new(opened_at.as_nanos()),
            infrastructure: AtomicU64::new(0),
            infrastructure_made: AtomicU64::new(0),
            tokens: AtomicUsize::new(1),
            waiting: Mutex::default(),
            recent: Recent::default(),
            routes: Routes::default(),
            stalled: Stalled::default(),
            seen: Seen::default(),
            upload: Upload::default(),
            partings: Partings::default(),
            broken: Broken::default(),
            wanted: Mutex::default(),
            unattended: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            ending: Mutex::default(),
            waker: Mutex::new(None),
            socket: Mutex::new(Place::Elsewhere),
        });
        let token = Token(Arc::clone(&account));
        (account, token)
    }

    // ---- flags ----

    #[inline]
    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    pub(super) fn raise(&self, flag: u16) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self.protocol.load(Ordering::Relaxed) {
            1 => Protocol::Http1,
            2 => Protocol::Http2,
            3 => Protocol::Upgraded,
            _ => Protocol::Unknown,
        }
    }

    pub(super) fn speaks(&self, protocol: Protocol) {
        let code = match protocol {
            Protocol::Http1 => 1,
            Protocol::Http2 => 2,
            Protocol::Upgraded => 3,
            Protocol::Unknown | _ => 0,
        };
        self.protocol.store(code, Ordering::Relaxed);
    }

    // ---- wake-ups ----

    /// Remembers how to wake the connection's task.
    pub(super) fn remember(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    /// Wakes the connection's task.
    pub(super) fn wake(&self) {
        let waker = lock(&self.waker).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Lets every waiting request see that it is being cut.
    pub(super) fn wake_requests(&self) {
        for waiting in lock(&self.waiting).values() {
            waiting.waker.wake_by_ref();
        }
        self.stalled.wake();
    }

    /// Takes note of one of the two things that end infrastructure's streams and those that stay, and lets
    /// them see it.
    pub(super) fn comes_to_its_end(&self, flag: u16) {
        self.raise(flag);
        if self.has_agreed_to_end()
            && (self.infrastructure.load(Ordering::Acquire) > 0 || self.partings.is_present())
        {
            self.stalled.wake();
        }
    }

    /// HTTP/2: takes note of which requests are to come in part.
    #[inline]
    pub(super) fn expects(&self, uploads: &Uploads) {
        if self.partings.came(uploads) {
            self.stalled.wake();
        }
    }

    /// HTTP/2: nothing comes or goes any more.
    pub(super) fn falls_silent(&self) {
        self.raise(flag::OVER);
        if self.partings.is_present() {
            self.stalled.wake();
        }
    }

    /// Whether the server drains, and the peer has said that it knows.
    pub(super) fn has_agreed_to_end(&self) -> bool {
        self.has(flag::DRAINING) && self.has(flag::AGREED)
    }

    // ---- the socket, while neither hyper nor a handler has it ----

    pub(super) fn socket(&self) -> MutexGuard<'_, Place> {
        lock(&self.socket)
    }

    // ---- counts ----

    /// Counts a request whose head is complete; gives its number. Called by the connection's task
    /// alone.
    pub(super) fn begin(&self, verb: Verb) -> u64 {
        // Known before it has answered or waited: it may do neither.
        self.last_verb.store(verb as u8, Ordering::Relaxed);
        let number = self.begun.load(Ordering::Relaxed) + 1;
        self.begun.store(number, Ordering::Relaxed);
        if self.protocol() == Protocol::Http2 {
            self.recent.begin(number, verb);
        }
        if number >= self.last_request {
            self.spend();
        }
        number
    }

    /// The last request has begun: on HTTP/1 its own answer says so.
    #[cold]
    fn spend(&self) {
        self.raise(flag::SPENT);
        if self.protocol() == Protocol::Http1 {
            self.raise(flag::CLOSING);
        }
    }

    /// Makes a request visible that cannot go on for now; gives the time of its beginning, which
    /// is now unless that is known.
    pub(super) fn waits(
        &self,
        number: u64,
        verb: Verb,
        begun_at: Option<Instant>,
        waker: &Waker,
    ) -> Instant {
        let begun_at = begun_at.unwrap_or_else(|| self.inner.sink.now());
        let waiting = Waiting {
            verb,
            begun_at,
            waker: waker.clone(),
        };
        lock(&self.waiting).insert(number, waiting);
        begun_at
    }

    /// A request is over; `begun_at` is known of those that had to wait.
    pub(super) fn over(&self, number: u64, verb: Verb, begun_at: Option<Instant>) {
        if let Some(begun_at) = begun_at {
            lock(&self.waiting).remove(&number);
            self.seen_at(begun_at);
        }
        self.last_verb.store(verb as u8, Ordering::Relaxed);
        if self.protocol() == Protocol::Http2 {
            self.recent.over(number, self.begun());
        }
    }

    /// One more of infrastructure's is in flight.
    pub(super) fn infrastructure_begins(&self) {
        self.infrastructure.fetch_add(1, Ordering::AcqRel);
    }

    /// One of infrastructure's is over; its answer may be `made`, and is then to be counted as sent after
    /// this.
    pub(super) fn infrastructure_ends(&self, made: bool) {
        if made {
            self.infrastructure_made.fetch_add(1, Ordering::AcqRel);
        }
        self.infrastructure.fetch_sub(1, Ordering::AcqRel);
    }

    /// Its answer is made; it counts once it is flushed.
    pub(super) fn sent(&self, by: By) {
        let sent = match by {
            By::Connection => &self.sent_here,
            By::Stream => &self.sent_there,
        };
        sent.fetch_add(1, Ordering::Release);
    }

    /// It will not be answered: by force, or because the peer or its protocol gave up. Whether a task
    /// `attended` to it until now.
    pub(super) fn unanswered(
        &self,
        verb: Verb,
        route: Option<Arc<str>>,
        begun_at: Option<Instant>,
        attended: bool,
    ) {
        if !self.has(flag::FORCED) || self.takes_given_up(1, attended) > 0 {
            self.aborted.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let begun_at = begun_at.unwrap_or_else(|| self.last_begun_at());
        let work = Work::new(self.protocol(), verb.name(), route, begun_at);
        lock(&self.ending).cut.push(work);
        self.cut.fetch_add(1, Ordering::AcqRel);
    }

    /// The application has panicked over a request, or gave an error in place of an answer or of its rest.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.tally().in_flight()
    }

    /// The same without infrastructure's, which no drain waits for.
    pub(super) fn work_in_flight(&self) -> u64 {
        let made = self.infrastructure_made.load(Ordering::Acquire);
        self.work_but(made)
    }

    /// What is in flight without infrastructure's that are not made, and so many others.
    fn work_but(&self, others: u64) -> u64 {
        let infrastructure = self.infrastructure.load(Ordering::Acquire);
        self.in_flight().saturating_sub(infrastructure + others)
    }

    pub(super) fn tally(&self) -> Tally {
        // Ends before the beginning: what ends between the two reads is still in flight here.
        let mut tally = Tally::default();
        let dropped = self.dropped.load(Ordering::Acquire);
        let flushed =
            self.flushed_here.load(Ordering::Acquire) + self.flushed_there.load(Ordering::Acquire);
        tally.answered = flushed.saturating_sub(dropped) + self.answered.load(Ordering::Acquire);
        tally.cut = self.cut.load(Ordering::Acquire);
        tally.aborted = self.aborted.load(Ordering::Acquire) + dropped.min(flushed);
        tally.failed = self.failed.load(Ordering::Relaxed);
        tally.late_unprocessed = self.late.load(Ordering::Relaxed);
        tally.refused_retryable = self.refused.load(Ordering::Relaxed);
        tally.begun = self.begun.load(Ordering::Relaxed);
        tally
    }

    /// A request reached us that nobody will answer.
    pub(super) fn late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    /// So many HTTP/2 streams came that their peer knows were not begun.
    pub(super) fn refused(&self, streams: u64) {
        self.refused.fetch_add(streams, Ordering::Relaxed);
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.id).finish()
    }
}

/// Keeps a connection open in the books.
pub(super) struct Token(Arc<Account>);

impl Token {
    /// One more. Whoever calls this knows of one that lives.
    pub(super) fn another(account: &Arc<Account>) -> Self {
        account.tokens.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(account))
    }

    pub(super) const fn account(&self) -> &Arc<Account> {
        &self.0
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if self.0.tokens.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.close();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
