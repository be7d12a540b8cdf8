//! The end of a connection: how its socket is left, and whether it stays a while (floor 2).
//!
//! A reset throws away what the peer has not got yet, also the rest of finished answers. So where a request
//! is cut whose own answer has not begun, while those before it are still on their way (the client has
//! pipelined, or reads slowly), the connection ends as others do: an answer that is missing looks no more
//! complete for that.
//!
//! **Invariant:** only an answer that breaks off is reset; a finished one never is.

use std::task::Poll;

use lamplighter_lifecycle::connection::{Awaited, Input};
use lamplighter_lifecycle::{ConnectionEnd, Protocol};

use super::{Connected, Stage};
use crate::os::listener::Io;
use crate::os::log;
use crate::os::tasks::let_go;
use crate::transport::flag;
use crate::transport::linger::{Lingerer, While};
use crate::transport::peer::Peer;

/// How a socket is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// What was sent still arrives.
    Close,
    /// The peer sees that something is missing.
    Reset,
}

impl Connected {
    /// Ends the connection: everything of it that this task has is gone afterwards.
    pub(super) fn over(&mut self, end: ConnectionEnd, leave: Leave) -> Poll<()> {
        let (end, leave) = self.unless_all_is_with_the_kernel(end, leave);
        if end == ConnectionEnd::Cut {
            self.account.forces();
        }
        if self.obeyed.stops() && self.account.protocol() == Protocol::Http2 {
            self.tell_unread();
        }
        self.machine
            .handle(self.inner.sink.now(), Input::Ended(end));
        self.account.ends(end);
        if end == ConnectionEnd::TimedOut {
            self.tell_untaken();
        }
        if self.account.protocol() == Protocol::Http2 {
            self.account.falls_silent();
        }
        // hyper drops the wrapper, which returns the socket.
        let socket = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Sniffing(sniff) => Some((sniff.into_socket(), None)),
            Stage::Speaking(conversation) => {
                // What the application left in it may panic, and the socket is still to be ended.
                let_go(conversation);
                self.account.socket().take()
            }
            Stage::Upgraded | Stage::Over => self.account.socket().take(),
        };
        if let Some((socket, token)) = socket {
            if leave == Leave::Reset && !self.would_lose_answers(&socket) {
                // If that fails the peer gets an ordinary end, later than it should.
                if let Err(error) = socket.abort() {
                    log::debug!(target: "lamplighter::transport", connection = %self.account.id, %error, "cannot reset");
                }
            } else if let Some(awaited) = self.awaited(end, &socket) {
                let (inner, account) = (&self.inner, &self.account);
                let lingerer = Lingerer::new(inner, account, socket, awaited, self.during());
                self.lingerer = Some(lingerer);
                return Poll::Ready(());
            }
            drop(socket);
            drop(token);
        }
        Poll::Ready(())
    }

    /// An answer that waited for the kernel to send it is made all the same: no part of it is missing.
    fn unless_all_is_with_the_kernel(
        &self,
        end: ConnectionEnd,
        leave: Leave,
    ) -> (ConnectionEnd, Leave) {
        let account = &self.account;
        if !account.seen.is_sending() {
            return (end, leave);
        }
        if account.protocol() == Protocol::Http1 {
            account.flushed(0);
        } else {
            account.flushed_in_part();
        }
        if end == ConnectionEnd::Cut && account.in_flight() == 0 {
            (ConnectionEnd::Graceful, Leave::Close)
        } else {
            (end, leave)
        }
    }

    /// Says of infrastructure's answers that they end with their connection: no work, and cut by nobody,
    /// but their client hears of no end.
    fn tell_untaken(&self) {
        let account = &self.account;
        let answers = account.in_flight().saturating_sub(account.work_in_flight());
        if answers > 0 {
            let peer = Peer::current();
            log::info!(
                target: "lamplighter::transport",
                connection = %account.id,
                peer = peer.as_ref().map(|peer| tracing::field::display(peer.addr())),
                answers,
                "closed: its peer takes no answers of health and reflection"
            );
        }
    }

    /// Counts the requests that nobody could look at, and says that their client will hear nothing of them.
    fn tell_unread(&self) {
        let requests = self.account.ends_unread();
        if requests > 0 {
            let peer = Peer::current();
            log::warn!(
                target: "lamplighter::transport",
                connection = %self.account.id,
                peer = peer.as_ref().map(|peer| tracing::field::display(peer.addr())),
                requests,
                "closed before anybody could look at its last requests: its client took no bytes"
            );
        }
    }

    /// Whether a reset would take away answers that are finished, and not with the peer yet. Over HTTP/1 one that
    /// breaks off behind them would look complete without it, where its head has begun; over HTTP/2 none does.
    fn would_lose_answers(&self, socket: &Io) -> bool {
        let account = &self.account;
        if account.protocol() == Protocol::Http2 {
            let words = account.seen.last_words();
            return socket.unacknowledged().is_some_and(|left| left > words);
        }
        account.protocol() == Protocol::Http1
            && account.seen.answers() > 0
            && !account.has_answer_under_way()
            && socket.is_acknowledged() == Some(false)
    }

    /// What the socket has to stay for once the connection is over; `None` if for nothing.
    fn awaited(&self, end: ConnectionEnd, socket: &Io) -> Option<Awaited> {
        let account = &self.account;
        let is_http1 = account.protocol() == Protocol::Http1;
        let idle = end == ConnectionEnd::Idle;
        let stops = self.during() == While::Stopping;
        if account.protocol() == Protocol::Unknown {
            return None;
        }
        let ended = account.has(flag::PEER_ENDED);
        if ended && end == ConnectionEnd::Failed {
            return None;
        }
        let unread = self.unread || (is_http1 && !idle && self.account.seen.is_unclear());
        if !ended && (unread || end == ConnectionEnd::Failed) {
            return Some(if stops && end != ConnectionEnd::Failed {
                Awaited::PeersEndAndAcknowledgement
            } else {
                Awaited::PeersEnd
            });
        }
        // GOAWAY says which streams were not begun: who sends one across it has to get that word, also
        // where it is the first. Else nothing was said to a peer that has not asked for anything.
        let is_owed = account.begun() > 0 || (!is_http1 && account.has(flag::ANNOUNCED));
        if !is_owed {
            return None;
        }
        // What was sent long ago has arrived with everybody but slow readers. While nobody stops the server
        // the kernel does the rest; but a stop may begin and end before this peer's next acknowledgement.
        let fetches = |least| socket.unacknowledged().is_some_and(|left| left > least);
        if self.machine.is_long_quiet() {
            // What was said last to a peer that is gone is not worth a second: GOAWAY, PING, our end.
            if !fetches(self.account.seen.last_words().saturating_add(1)) {
                return None;
            }
        } else if !stops && !fetches(1) {
            return None;
        }
        // Who has ended its side may read on, and has to get all that it was sent.
        Some(if idle || ended || !stops {
            Awaited::KnownAcknowledgement
        } else {
            Awaited::Acknowledgement
        })
    }

    fn during(&self) -> While {
        if self.obeyed.stops() {
            While::Stopping
        } else {
            While::Serving
        }
    }
}
