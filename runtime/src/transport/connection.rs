//! One connection's task: carries out what the connection's machine decides (floor 2).
//!
//! Each time it is woken it lets the peer and the application go on as far as they can, tells the
//! machine what has changed, hands it the next order of a stop, and does what it asks. Between two
//! orders the connection is polled, so that each is heard before the next.
//!
//! **Invariant:** before a drain is heard the kernel is asked once more for bytes: a request that is
//! there has come in time.
//! **Invariant:** while nobody stops the server, a request that is answered within one poll costs
//! this task neither a look at the clock nor a call of the machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use lamplighter_lifecycle::connection::{Activity, Connection, Input, Order};
use lamplighter_lifecycle::{ConnectionEnd, Instant, Protocol};

use super::Inner;
use super::account::{Account, Token};
use super::conversation::{Conversation, ends_in_order};
use super::flag;
use super::linger::Lingerer;
use super::orders::Asked;
use super::peer::Peer;
use super::scope::{Entered, ServerScope};
use super::sniff::{Known, Sniff};
use super::turn::{Turn, TurnHolder};
use crate::os::clock::Timer;
use crate::os::listener::{Addr, Io};
use crate::os::log;

mod due;
mod leave;
mod obey;
mod observe;
mod speak;

use leave::Leave;

/// The future of one connection, from accept to its closed socket.
pub(super) struct Connected {
    inner: Arc<Inner>,
    account: Arc<Account>,
    machine: Connection,
    stage: Stage,
    scope: Option<ServerScope>,
    /// Lets its requests hear of a drain that is spread; nothing of the kind if it is not.
    turn: Option<TurnHolder>,
    timer: Timer,
    waker: Option<Waker>,
    /// What the machine knows of what is done.
    told: Activity,
    /// The orders that the machine has got, and the number of those that it will have got.
    obeyed: Asked,
    heard: u64,
    look: Look,
    /// When to look next what the peer does.
    look_at: Option<Instant>,
    goaway: Goaway,
    /// More was sent than was read.
    unread: bool,
    /// Set while it is polled, and for ever if that panics.
    in_poll: bool,
    /// What is left when it is over.
    lingerer: Option<Lingerer>,
    // Dropped last: the end is reported when all of the above is gone, or lingers.
    token: Option<Token>,
}

enum Stage {
    Sniffing(Sniff),
    Speaking(Pin<Box<dyn Conversation>>),
    Upgraded,
    Over,
}

/// Whether the kernel has been asked for what came before an order.
enum Look {
    NotYet,
    Waiting(Pin<Box<dyn Future<Output = ()> + Send>>),
    Done,
}

/// What of GOAWAY is left to say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goaway {
    /// Nothing, for now or for good.
    Nothing,
    /// It is due when the last listener has closed, which wakes the connection.
    Waits,
}

impl Connected {
    pub(super) fn new(
        inner: &Arc<Inner>,
        socket: Io,
        peer: Addr,
        token: Token,
        heard: u64,
        asked: Asked,
        now: Instant,
    ) -> Self {
        let account = Arc::clone(token.account());
        if asked.drains() {
            account.raise(obey::late(inner.while_draining));
        }
        let orders: Vec<Order> = asked.orders().collect();
        let times = inner.limits.times(inner.drain_spread);
        let machine = Connection::new(account.id, times, now, &orders);
        let (holder, turn) = if inner.drain_spread.is_zero() {
            (None, None)
        } else {
            let (holder, turn) = Turn::new();
            (Some(holder), Some(turn))
        };
        let scope = inner.scope.of_connection(Peer::new(peer), &account, turn);
        Self {
            inner: Arc::clone(inner),
            account,
            machine,
            stage: Stage::Sniffing(Sniff::new(socket)),
            scope: Some(scope),
            turn: holder,
            timer: inner.clock.timer(),
            waker: None,
            told: Activity::default(),
            obeyed: asked,
            heard,
            look: Look::NotYet,
            look_at: None,
            goaway: Goaway::Nothing,
            unread: false,
            in_poll: false,
            lingerer: None,
            token: Some(token),
        }
    }

    fn run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !matches!(self.stage, Stage::Over) {
            ready!(self.live(cx));
        }
        let lingers = self.lingerer.as_mut().map(|lingerer| lingerer.poll(cx));
        if lingers.is_some_and(|lingers| lingers.is_pending()) {
            // It is over, for all but its socket.
            drop(self.token.take());
            return Poll::Pending;
        }
        drop(self.lingerer.take());
        Poll::Ready(())
    }

    fn live(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.remember(cx.waker());
        loop {
            let news = self.inner.orders.changes() != self.heard;
            if news {
                ready!(self.look_again(cx));
                // What it has cut by itself may have ended since, and said so: that is written before
                // the machine hears of either.
                if self.machine.is_forced() && self.advance(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            // First the order, so that an answer made in this very turn announces the close; then
            // the bytes that have come; and only then what the order makes due.
            let obeyed = news && self.obey();
            if self.carry_out_all().is_ready() {
                return Poll::Ready(());
            }
            self.say_goaway();
            let cutting = self.machine.is_forced() && self.account.in_flight() > 0;
            if self.advance(cx).is_ready() {
                return Poll::Ready(());
            }
            if cutting && self.account.in_flight() == 0 {
                // The last stream was cut while the others were flushed: flush once more.
                continue;
            }
            self.observe();
            let due = self.due();
            self.timer.set(due);
            let rung = self.rings(cx);
            if let Some(now) = rung {
                if self.looks_once_more(cx).is_ready() {
                    return Poll::Ready(());
                }
                self.machine.handle_timeout(now);
            }
            if !obeyed && rung.is_none() && !self.machine.has_effects() {
                return Poll::Pending;
            }
        }
    }

    fn remember(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|own| own.will_wake(waker)) {
            self.waker = Some(waker.clone());
            self.account.remember(waker);
        }
    }

    /// Lets the peer and the application go on; ready when the connection is over.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.stage {
                Stage::Sniffing(sniff) => {
                    let begun = sniff.has_begun();
                    match sniff.poll_read(cx) {
                        Poll::Pending => {
                            if !begun && sniff.has_begun() {
                                self.machine.handle(self.inner.sink.now(), Input::FirstByte);
                            }
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(Known::Speaks(protocol))) => {
                            self.speak(protocol);
                            // What was asked before the protocol was known is due now, before the
                            // first answer.
                            if self.carry_out_all().is_ready() {
                                return Poll::Ready(());
                            }
                        }
                        Poll::Ready(Ok(Known::Ended)) => {
                            return self.over(ConnectionEnd::PeerClosed, Leave::Close);
                        }
                        Poll::Ready(Err(_)) => {
                            return self.over(ConnectionEnd::Failed, Leave::Close);
                        }
                    }
                }
                Stage::Speaking(conversation) => {
                    let handed_over = self.account.handed_over();
                    let polled = conversation.as_mut().poll(cx);
                    if self.machine.protocol() == Protocol::Http2 {
                        let broke =
                            matches!(&polled, Poll::Ready(result) if !ends_in_order(result));
                        // In a drain what the kernel has is not made before it is sent.
                        let counts = !self.obeyed.drains()
                            || self.obeyed.forces()
                            || self.account.seen.has_sent_answers();
                        if broke || (self.account.seen.is_write_blocked() && counts) {
                            self.account.flushed_in_part();
                        } else if !self.account.seen.is_blocked() {
                            // All that was there when this poll began is with the kernel.
                            self.account.flushed_or_dropped(handed_over);
                        }
                    }
                    let ended = ready!(polled);
                    if self.account.protocol() == Protocol::Upgraded {
                        self.stage = Stage::Upgraded;
                        self.machine.handle(self.inner.sink.now(), Input::Upgraded);
                        continue;
                    }
                    // Bytes behind the answer that announced the close: a request that came too
                    // late, unless they are the rest of a body that nobody wanted.
                    let late = ended.is_ok()
                        && self.account.has(flag::ANNOUNCED)
                        && !self.account.seen.is_unclear()
                        && !conversation.as_mut().left_over().is_empty();
                    if late {
                        self.account.late();
                        self.unread = true;
                    }
                    if ended.is_err() && self.goes_on() {
                        continue;
                    }
                    return self.ended(&ended);
                }
                Stage::Upgraded => {
                    if self.account.socket().is_parked() {
                        return Poll::Pending;
                    }
                    let end = if self.account.has(flag::PEER_ENDED) {
                        ConnectionEnd::PeerClosed
                    } else {
                        ConnectionEnd::Graceful
                    };
                    return self.over(end, Leave::Close);
                }
                Stage::Over => return Poll::Ready(()),
            }
        }
    }

    /// hyper is done with the connection.
    fn ended(&mut self, result: &hyper::Result<()>) -> Poll<()> {
        // The last request of all may have been answered in this very poll.
        self.observe();
        let account = &self.account;
        let unanswered = account.in_flight() > 0;
        if let Err(error) = result {
            log::debug!(target: "lamplighter::transport", connection = %account.id, %error, "connection failed");
        }
        let end = if account.has(flag::ANNOUNCED) {
            // Whether the peer waited for the last formality or left at the announcement.
            ConnectionEnd::Graceful
        } else if account.has(flag::PEER_ENDED) {
            ConnectionEnd::PeerClosed
        } else if result.is_err() {
            ConnectionEnd::Failed
        } else if account.has(flag::READING_ENDS) {
            ConnectionEnd::Idle
        } else {
            ConnectionEnd::Graceful
        };
        let ordinary = matches!(end, ConnectionEnd::Graceful | ConnectionEnd::Idle);
        let end = if ordinary && self.machine.is_retired() {
            ConnectionEnd::Retired
        } else {
            end
        };
        if unanswered && ends_in_order(result) && self.machine.protocol() == Protocol::Http2 {
            // The task of a stream may still hold an answer that the peer has got.
            account.has_written_all(end);
        }
        let end = if account.has(flag::FORCED) {
            ConnectionEnd::Cut
        } else if unanswered {
            ConnectionEnd::Failed
        } else {
            end
        };
        let leave = if unanswered && self.machine.protocol() == Protocol::Http1 {
            // An answer broke off: it must not look complete.
            Leave::Reset
        } else {
            Leave::Close
        };
        self.over(end, leave)
    }
}

impl Future for Connected {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut scope = this.scope.take();
        this.in_poll = true;
        let polled = {
            let _entered = Entered::new(&mut scope);
            this.run(cx)
        };
        this.in_poll = false;
        this.scope = scope;
        polled
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Over) {
            return;
        }
        let upgraded = matches!(self.stage, Stage::Upgraded);
        let (end, leave) = if self.in_poll {
            // Something of the application's panicked where no answer could be made of it any more:
            // it broke the connection by itself, nobody cut it.
            (ConnectionEnd::Failed, Leave::Reset)
        } else if upgraded || self.account.in_flight() > 0 {
            // The task was aborted, or its runtime is going away.
            (ConnectionEnd::Cut, Leave::Reset)
        } else {
            (ConnectionEnd::Idle, Leave::Close)
        };
        if self.over(end, leave).is_ready() {
            self.stage = Stage::Over;
        }
    }
}
