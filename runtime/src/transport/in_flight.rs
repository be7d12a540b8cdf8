//! One request in flight, and how it is settled (floor 2).
//!
//! **Invariant:** every request that has begun is settled exactly once: answered, cut or aborted; or
//! it took its connection over and ends with that.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Context;

use http::Method;
use lamplighter_lifecycle::{Instant, Protocol};

use super::account::{Account, Token};
use super::flag;
use super::peer::Peer;
use super::verb::Verb;
use crate::os::log;

/// One request, from its complete head to its settled end.
pub(super) struct Exchange {
    token: Token,
    number: u64,
    verb: Verb,
    begun_at: AtomicU64,
    end: AtomicU8,
    lost: AtomicBool,
    /// Why no drain waits for a task of it, if one does not.
    part: AtomicU8,
    /// HTTP/2: it has a body, which is no tunnel's.
    upload: bool,
}

const UNKNOWN: u64 = u64::MAX;

/// Infrastructure's task attends to it.
const INFRASTRUCTURE: u8 = 1;
/// No task attends to it: its answer is with h2, as far as there is one.
const LEFT: u8 = 2;

const UNFINISHED: u8 = 0;
const FINISHED: u8 = 1;
const UPGRADED: u8 = 2;
const TUNNEL: u8 = 3;

/// Who holds the last piece of an answer, and so who settles it.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// The task that flushes the connection.
    Connection,
    /// The task of a stream.
    Stream,
}

impl Exchange {
    /// A request whose head is complete. Called by the connection's task alone.
    pub(super) fn begin(account: &Arc<Account>, method: &Method) -> Self {
        let verb = Verb::of(method);
        Self {
            number: account.begin(verb),
            token: Token::another(account),
            verb,
            begun_at: AtomicU64::new(UNKNOWN),
            end: AtomicU8::new(UNFINISHED),
            lost: AtomicBool::new(false),
            part: AtomicU8::new(0),
            upload: false,
        }
    }

    /// As it is, with a body that is to come.
    pub(super) const fn with_upload(mut self, upload: bool) -> Self {
        self.upload = upload;
        self
    }

    /// HTTP/2: whether it came with a body.
    pub(super) const fn has_upload(&self) -> bool {
        self.upload
    }

    /// It is no work of the application's: a drain does not wait for its end.
    pub(super) fn serves_infrastructure(&self) {
        if self.takes_part(INFRASTRUCTURE) & INFRASTRUCTURE == 0 {
            self.account().infrastructure_begins();
            if self.account().has(flag::DRAINING) {
                // The drain may have waited for it until now.
                self.account().wake();
            }
        }
    }

    pub(super) fn account(&self) -> &Arc<Account> {
        self.token.account()
    }

    /// Its method, in words of HTTP's own.
    pub(super) const fn method(&self) -> &'static str {
        self.verb.name()
    }

    /// Which request of its connection it is, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The name of the route that it took, if that is known.
    pub(super) fn route(&self) -> Option<Arc<str>> {
        self.account().routes.of(self.number)
    }

    /// Whether it is a HEAD request.
    pub(super) fn is_head(&self) -> bool {
        matches!(self.verb, Verb::Head)
    }

    /// Whether it is a POST request.
    pub(super) fn is_post(&self) -> bool {
        matches!(self.verb, Verb::Post)
    }

    /// Whether it is a CONNECT request.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self.verb, Verb::Connect)
    }

    /// The application has panicked over it, or gave an error in place of its answer or of the rest: counts
    /// it, and logs what its client is not told. Not which path it asked for: that is the peer's text, and
    /// may hold secrets.
    #[cold]
    pub(super) fn fails(&self, error: &(dyn Error + Send + Sync)) {
        self.account().failed();
        let peer = Peer::current();
        log::error!(
            target: "lamplighter::transport",
            connection = %self.account().id,
            peer = peer.as_ref().map(|peer| tracing::field::display(peer.addr())),
            method = %self.method(),
            route = self.route().as_deref(),
            %error,
            "request failed"
        );
    }

    /// The whole answer is made.
    pub(super) fn finish(&self) {
        self.end.store(FINISHED, Ordering::Release);
    }

    /// The answer turns the connection over to the application: in flight until the socket closes.
    pub(super) fn upgrade(&self) {
        self.end.store(UPGRADED, Ordering::Release);
    }

    /// The answer turns the stream over to the application: in flight until that ends.
    pub(super) fn tunnel(&self) {
        self.end.store(TUNNEL, Ordering::Release);
    }

    /// Whether the stream was turned over, and has not ended.
    pub(super) fn is_tunnel(&self) -> bool {
        self.end.load(Ordering::Acquire) == TUNNEL
    }

    /// A part of the answer was thrown away unsent.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// HTTP/2: the task that answered it lets go. What is left of it then is with h2, but for a tunnel, which
    /// another task carries.
    pub(super) fn leave(exchange: Arc<Self>) {
        let is_left = Arc::strong_count(&exchange) > 1 && !exchange.is_tunnel();
        if is_left && exchange.takes_part(LEFT) & LEFT == 0 {
            let account = exchange.account();
            if account.has(flag::DRAINING) {
                // The drain may have waited for nothing else.
                account.wake();
            }
        }
        Self::settle_last(exchange, By::Stream);
    }

    /// Gives what was said of it before.
    #[inline]
    fn takes_part(&self, part: u8) -> u8 {
        let before = self.part.fetch_or(part, Ordering::AcqRel);
        if before == 0 {
            self.account().leaves();
        }
        before
    }

    /// It cannot go on for now: makes it visible, and known how to wake.
    ///
    /// Whoever is cut afterwards is woken; who was cut before learns it from `FORCED`, which is
    /// to be read after this.
    pub(super) fn waits(&self, cx: &Context<'_>) {
        if self.begun_at().is_none() {
            self.waits_here(cx);
        }
    }

    /// As [`waits`](Self::waits), also if another task has waited for it before.
    pub(super) fn waits_here(&self, cx: &Context<'_>) {
        let begun_at = self.begun_at();
        let begun_at = self
            .account()
            .waits(self.number, self.verb, begun_at, cx.waker());
        self.begun_at.store(begun_at.as_nanos(), Ordering::Relaxed);
    }

    /// One of those who hold it lets go; it is over with the last of them.
    pub(super) fn settle_last(exchange: Arc<Self>, by: By) {
        if let Some(exchange) = Arc::into_inner(exchange) {
            exchange.settle(by);
        }
    }

    /// It is over.
    pub(super) fn settle(mut self, by: By) {
        let part = *self.part.get_mut();
        let account = self.account();
        let begun_at = self.begun_at();
        if part == 0 && account.protocol() == Protocol::Http2 {
            account.leaves();
        }
        account.over(self.number, self.verb, begun_at);
        let end = self.end.load(Ordering::Acquire);
        let made = end == FINISHED && !self.lost.load(Ordering::Acquire);
        if part & INFRASTRUCTURE != 0 {
            account.infrastructure_ends(made);
        }
        match end {
            UPGRADED => {}
            FINISHED if made => account.sent(by),
            _ => {
                let attended = part & LEFT == 0;
                account.unanswered(self.verb, self.route(), begun_at, attended);
            }
        }
        account.forgets(self.number);
        if matches!(by, By::Stream) {
            // It flushes what was handed over, or sees that nothing is in flight any more.
            account.wake();
        }
    }

    /// When it began, if it had to wait.
    fn begun_at(&self) -> Option<Instant> {
        let nanos = self.begun_at.load(Ordering::Relaxed);
        (nanos != UNKNOWN).then(|| Instant::from_nanos(nanos))
    }
}
