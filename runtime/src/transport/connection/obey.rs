//! From what is asked of a connection to what is done about it (floor 2).
//!
//! **Invariant:** nothing is decided here: orders go to the machine, and its effects are carried out.

use std::task::{Context, Poll, ready};

use lamplighter_lifecycle::connection::{Effect, Input, Order};
use lamplighter_lifecycle::{Protocol, WhileDraining};

use super::{Connected, Goaway, Leave, Look, Stage};
use crate::transport::{accept, flag};

/// What becomes of requests that begin from Draining on.
pub(super) const fn late(while_draining: WhileDraining) -> u16 {
    match while_draining {
        WhileDraining::Serve => flag::DRAINING,
        WhileDraining::Reject => flag::DRAINING | flag::REJECTING,
    }
}

impl Connected {
    /// Before a connection is told to drain, gives the runtime one turn to ask the kernel what has
    /// come: tokio knows of bytes only after that.
    pub(super) fn look_again(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.machine.is_draining() || !self.inner.orders.read().1.drains() {
            return Poll::Ready(());
        }
        if matches!(self.look, Look::NotYet) {
            self.look = Look::Waiting(Box::pin(tokio::task::yield_now()));
        }
        if let Look::Waiting(turn) = &mut self.look {
            ready!(turn.as_mut().poll(cx));
            self.look = Look::Done;
        }
        Poll::Ready(())
    }

    /// Hands the machine the next order, if one is left; returns whether it did.
    pub(super) fn obey(&mut self) -> bool {
        let (heard, asked) = self.inner.orders.read();
        if asked.serves() && !self.account.has(flag::SERVING) {
            self.account.raise(flag::SERVING);
        }
        let Some(order) = asked.next_after(self.obeyed) else {
            self.heard = heard;
            self.look = Look::NotYet;
            return false;
        };
        self.obeyed.take(order);
        // The machine knows what is done only as far as it made a difference until now.
        self.observe();
        if matches!(order, Order::Drain { .. }) {
            self.account
                .comes_to_its_end(late(self.inner.while_draining));
            self.hear_first_byte();
        }
        self.machine
            .handle(self.inner.sink.now(), Input::Ordered(order));
        true
    }

    /// Tells the machine of first bytes that the kernel has and the runtime does not know of yet, since the
    /// thread that asks for it has not run: whoever has sent them is not silent.
    fn hear_first_byte(&mut self) {
        if let Stage::Sniffing(sniff) = &self.stage
            && !sniff.has_begun()
            && sniff.has_unread()
        {
            self.machine.handle(self.inner.sink.now(), Input::FirstByte);
        }
    }

    /// Does all that the machine asks; ready when the connection is over.
    pub(super) fn carry_out_all(&mut self) -> Poll<()> {
        while let Some(effect) = self.machine.poll_effect() {
            if self.carry_out(effect).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn carry_out(&mut self, effect: Effect) -> Poll<()> {
        match effect {
            Effect::AskToFinish => {
                if let Some(turn) = &self.turn {
                    turn.come();
                }
            }
            Effect::GracefulClose => {
                self.account.raise(flag::CLOSING);
                if self.machine.protocol() == Protocol::Http2 {
                    let draining = self.machine.is_draining();
                    if draining && !accept::is_shut_or_tells(&self.inner, &self.account) {
                        self.goaway = Goaway::Waits;
                    } else {
                        self.announce();
                    }
                }
            }
            Effect::RefuseStreams => self.account.raise(flag::REFUSING),
            Effect::EndReading => {
                self.account.raise(flag::READING_ENDS);
            }
            Effect::CutStreams => {
                if self.goaway == Goaway::Waits {
                    self.announce();
                }
                self.account.forces();
                self.account.wake_requests();
            }
            Effect::Close(end) => return self.over(end, Leave::Close),
            Effect::Reset(end) => return self.over(end, Leave::Reset),
        }
        Poll::Pending
    }

    /// Says GOAWAY where it is due and the last listener has closed: a client that is told before
    /// comes back to the same address at once, and would find this server there again.
    pub(super) fn say_goaway(&mut self) {
        if self.goaway == Goaway::Waits && accept::is_shut(&self.inner) {
            self.announce();
        }
    }

    fn announce(&mut self) {
        self.goaway = Goaway::Nothing;
        if let Stage::Speaking(conversation) = &mut self.stage {
            conversation.as_mut().graceful_close();
            self.account.raise(flag::ANNOUNCED);
        }
    }
}
