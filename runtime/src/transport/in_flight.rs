//! One connection's account: its counts, its flags, and what is in flight on it (floor 2).
//!
//! A request is in flight from the moment its head goes to the application until the last byte of
//! its answer is with the kernel. A connection is over when its socket is closed and nothing of it
//! is in flight: every part of it holds a [`Token`], and the last one dropped reports the end.
//!
//! **Invariant:** begun = answered + cut + aborted + in flight, at every instant.
//! **Invariant:** the end is reported once, after everything that it counts.
//! **Invariant:** a request that is answered within one poll takes no lock and reads no clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use http::Method;
use lamplighter_lifecycle::{ConnectionEnd, ConnectionId, Input, Instant, Protocol, Tally, Work};

use super::io::Place;
use super::{Inner, Sink};

/// What answers have to know about their connection; single bits of one atomic.
pub(super) mod flag {
    /// Application requests are served; without it they get 503.
    pub(in crate::transport) const SERVING: u8 = 1;
    /// HTTP/1 answers carry `Connection: close`.
    pub(in crate::transport) const CLOSING: u8 = 1 << 1;
    /// No new upgrades.
    pub(in crate::transport) const DRAINING: u8 = 1 << 2;
    /// Where nothing is begun and nothing left to read, reading ends.
    pub(in crate::transport) const READING_ENDS: u8 = 1 << 3;
    /// What is in flight is being cut.
    pub(in crate::transport) const FORCED: u8 = 1 << 4;
    /// An answer with `Connection: close` went out.
    pub(in crate::transport) const ANNOUNCED: u8 = 1 << 5;
    /// The answer being sent turns the connection over to the application.
    pub(in crate::transport) const UPGRADING: u8 = 1 << 6;
    /// The peer has ended its side.
    pub(in crate::transport) const PEER_ENDED: u8 = 1 << 7;
}

/// The account of one connection. Lives until everything of the connection is gone.
pub(super) struct Account {
    pub(super) id: ConnectionId,
    inner: Arc<Inner>,
    flags: AtomicU8,
    protocol: AtomicU8,
    // Written by the connection's own task alone, read by others.
    begun: AtomicU64,
    answered: AtomicU64,
    late: AtomicU64,
    // Ended well, with the last bytes perhaps still on their way to the kernel: by the task of the
    // connection, and by the tasks of its streams.
    sent_here: AtomicU64,
    sent_there: AtomicU64,
    flushed_here: AtomicU64,
    flushed_there: AtomicU64,
    cut: AtomicU64,
    aborted: AtomicU64,
    /// What the last request of all was, for the report of answers stuck on their way.
    last_verb: AtomicU8,
    last_begun_at: AtomicU64,
    tokens: AtomicUsize,
    waiting: Mutex<BTreeMap<u64, Waiting>>,
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

#[derive(Default)]
struct Ending {
    end: Option<ConnectionEnd>,
    cut: Vec<Work>,
}

impl Account {
    pub(super) fn open(id: ConnectionId, inner: Arc<Inner>, flags: u8) -> (Arc<Self>, Token) {
        let account = Arc::new(Self {
            id,
            inner,
            flags: AtomicU8::new(flags),
            protocol: AtomicU8::new(0),
            begun: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            late: AtomicU64::new(0),
            sent_here: AtomicU64::new(0),
            sent_there: AtomicU64::new(0),
            flushed_here: AtomicU64::new(0),
            flushed_there: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            aborted: AtomicU64::new(0),
            last_verb: AtomicU8::new(Verb::Other as u8),
            last_begun_at: AtomicU64::new(0),
            tokens: AtomicUsize::new(1),
            waiting: Mutex::default(),
            ending: Mutex::default(),
            waker: Mutex::new(None),
            socket: Mutex::new(Place::Elsewhere),
        });
        let token = Token(Arc::clone(&account));
        (account, token)
    }

    // ---- flags ----

    #[inline]
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    pub(super) fn raise(&self, flag: u8) {
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
            _ => 0,
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
    }

    // ---- the socket, while neither hyper nor a handler has it ----

    pub(super) fn socket(&self) -> MutexGuard<'_, Place> {
        lock(&self.socket)
    }

    // ---- counts ----

    /// Counts a request whose head is complete. Called by the connection's task alone.
    pub(super) fn begin(self: &Arc<Self>, method: &Method) -> Exchange {
        let number = self.begun.load(Ordering::Relaxed) + 1;
        self.begun.store(number, Ordering::Relaxed);
        Exchange {
            token: Token::another(self),
            number,
            verb: Verb::of(method),
            begun_at: AtomicU64::new(UNKNOWN),
            end: AtomicU8::new(UNFINISHED),
            lost: AtomicBool::new(false),
        }
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.tally().in_flight()
    }

    pub(super) fn tally(&self) -> Tally {
        // Ends before the beginning: what ends between the two reads is still in flight here.
        let mut tally = Tally::default();
        tally.answered = self.flushed_here.load(Ordering::Acquire)
            + self.flushed_there.load(Ordering::Acquire)
            + self.answered.load(Ordering::Acquire);
        tally.cut = self.cut.load(Ordering::Acquire);
        tally.aborted = self.aborted.load(Ordering::Acquire);
        tally.late_unprocessed = self.late.load(Ordering::Relaxed);
        tally.begun = self.begun.load(Ordering::Relaxed);
        tally
    }

    /// Whether answers wait for a flush to be counted.
    pub(super) fn has_unflushed(&self) -> bool {
        self.sent_here.load(Ordering::Relaxed) != self.flushed_here.load(Ordering::Relaxed)
            || self.sent_there.load(Ordering::Acquire) != self.flushed_there.load(Ordering::Relaxed)
    }

    /// How many answers other tasks have handed over: what a flush that begins now includes.
    pub(super) fn handed_over(&self) -> u64 {
        self.sent_there.load(Ordering::Acquire)
    }

    /// Everything written so far is with the kernel, `handed_over` answers of other tasks included.
    #[inline]
    pub(super) fn flushed(&self, handed_over: u64) {
        let here = self.sent_here.load(Ordering::Relaxed);
        if here != self.flushed_here.load(Ordering::Relaxed) {
            self.flushed_here.store(here, Ordering::Release);
        }
        if handed_over != self.flushed_there.load(Ordering::Relaxed) {
            self.flushed_there.store(handed_over, Ordering::Release);
        }
    }

    /// A request reached us that nobody will answer.
    pub(super) fn late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    /// What is in flight, for the report.
    pub(super) fn work(&self) -> Vec<Work> {
        let protocol = self.protocol();
        let mut work: Vec<Work> = lock(&self.waiting)
            .values()
            .map(|waiting| Work::new(protocol, waiting.verb.name(), None, waiting.begun_at))
            .collect();
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        while work.len() < in_flight {
            work.push(self.last_work());
        }
        work
    }

    fn last_work(&self) -> Work {
        let verb = Verb::from_code(self.last_verb.load(Ordering::Relaxed));
        let begun_at = Instant::from_nanos(self.last_begun_at.load(Ordering::Relaxed));
        Work::new(self.protocol(), verb.name(), None, begun_at)
    }

    /// Requests that began since the last call began at `now`, as far as nobody knows better.
    pub(super) fn seen_at(&self, now: Instant) {
        self.last_begun_at.store(now.as_nanos(), Ordering::Relaxed);
    }

    // ---- the end ----

    /// Settles how the connection ends; the first one counts.
    pub(super) fn ends(&self, end: ConnectionEnd) {
        lock(&self.ending).end.get_or_insert(end);
    }

    fn close(&self) {
        let mut ending = std::mem::take(&mut *lock(&self.ending));
        let left = self.in_flight();
        if left > 0 {
            // No request is left, so these are answers that never reached the kernel, or a socket
            // that the application had taken over.
            let forced = self.has(flag::FORCED);
            let work = self.last_work();
            let count = if forced {
                &self.cut
            } else if self.protocol() == Protocol::Upgraded {
                &self.answered
            } else {
                &self.aborted
            };
            count.fetch_add(left, Ordering::AcqRel);
            if forced {
                ending.cut.extend((0..left).map(|_| work.clone()));
            }
        }
        let tally = self.tally();
        let end = ending.end.unwrap_or(if tally.cut > 0 {
            ConnectionEnd::Cut
        } else {
            ConnectionEnd::Failed
        });
        self.inner.forget(self.id);
        self.inner.sink.input(Input::ConnectionClosed {
            connection: self.id,
            protocol: self.protocol(),
            end,
            tally,
            cut: ending.cut,
        });
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

/// One request, from its complete head to its settled end.
pub(super) struct Exchange {
    token: Token,
    number: u64,
    verb: Verb,
    begun_at: AtomicU64,
    end: AtomicU8,
    lost: AtomicBool,
}

const UNKNOWN: u64 = u64::MAX;

const UNFINISHED: u8 = 0;
const FINISHED: u8 = 1;
const UPGRADED: u8 = 2;

/// Who holds the last piece of an answer, and so who settles it.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// The task that flushes the connection.
    Connection,
    /// The task of a stream.
    Stream,
}

impl Exchange {
    pub(super) fn account(&self) -> &Arc<Account> {
        self.token.account()
    }

    /// Whether it is a HEAD request.
    pub(super) fn is_head(&self) -> bool {
        matches!(self.verb, Verb::Head)
    }

    /// Whether it is a CONNECT request.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self.verb, Verb::Connect)
    }

    /// The whole answer is made.
    pub(super) fn finish(&self) {
        self.end.store(FINISHED, Ordering::Release);
    }

    /// The answer turns the connection over to the application: in flight until the socket closes.
    pub(super) fn upgrade(&self) {
        self.end.store(UPGRADED, Ordering::Release);
    }

    /// A part of the answer was thrown away unsent.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// It cannot go on for now: makes it visible, and known how to wake.
    ///
    /// Whoever is cut afterwards is woken; who was cut before learns it from `FORCED`, which is
    /// to be read after this.
    pub(super) fn waits(&self, cx: &Context<'_>) {
        if self.begun_at.load(Ordering::Relaxed) != UNKNOWN {
            return;
        }
        let account = self.account();
        let begun_at = account.inner.sink.now();
        self.begun_at.store(begun_at.as_nanos(), Ordering::Relaxed);
        let waiting = Waiting {
            verb: self.verb,
            begun_at,
            waker: cx.waker().clone(),
        };
        lock(&account.waiting).insert(self.number, waiting);
    }

    /// It is over.
    pub(super) fn settle(self, by: By) {
        let account = self.token.account();
        let begun_at = self.begun_at.load(Ordering::Relaxed);
        if begun_at != UNKNOWN {
            lock(&account.waiting).remove(&self.number);
            account.last_begun_at.store(begun_at, Ordering::Relaxed);
        }
        account.last_verb.store(self.verb as u8, Ordering::Relaxed);
        let forced = account.has(flag::FORCED);
        match self.end.load(Ordering::Acquire) {
            UPGRADED => {}
            FINISHED if !self.lost.load(Ordering::Acquire) => {
                match by {
                    By::Connection => account.sent_here.fetch_add(1, Ordering::Release),
                    By::Stream => account.sent_there.fetch_add(1, Ordering::Release),
                };
            }
            _ if forced => {
                let begun_at = Instant::from_nanos(if begun_at == UNKNOWN {
                    account.last_begun_at.load(Ordering::Relaxed)
                } else {
                    begun_at
                });
                let work = Work::new(account.protocol(), self.verb.name(), None, begun_at);
                lock(&account.ending).cut.push(work);
                account.cut.fetch_add(1, Ordering::AcqRel);
            }
            _ => {
                account.aborted.fetch_add(1, Ordering::AcqRel);
            }
        }
        if matches!(by, By::Stream) && account.has(flag::CLOSING | flag::DRAINING | flag::FORCED) {
            account.wake();
        }
    }
}

/// A method, in one byte. Those that HTTP does not define have no name here: a report shows no
/// text that a peer chose.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Verb {
    Other,
    Connect,
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
    Trace,
}

impl Verb {
    const ALL: [Self; 10] = [
        Self::Other,
        Self::Connect,
        Self::Delete,
        Self::Get,
        Self::Head,
        Self::Options,
        Self::Patch,
        Self::Post,
        Self::Put,
        Self::Trace,
    ];

    fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::POST => Self::Post,
            Method::CONNECT => Self::Connect,
            Method::DELETE => Self::Delete,
            Method::HEAD => Self::Head,
            Method::OPTIONS => Self::Options,
            Method::PATCH => Self::Patch,
            Method::PUT => Self::Put,
            Method::TRACE => Self::Trace,
            _ => Self::Other,
        }
    }

    fn from_code(code: u8) -> Self {
        Self::ALL
            .get(usize::from(code))
            .copied()
            .unwrap_or(Self::Other)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Other => "(other)",
            Self::Connect => "CONNECT",
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Trace => "TRACE",
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
