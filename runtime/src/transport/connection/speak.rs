//! The beginning of a conversation, and of a second one with what the first one left (floor 2).
//!
//! **Invariant:** not a byte that came is lost between two conversations.

use std::sync::Arc;

use bytes::Bytes;
use lamplighter_lifecycle::Protocol;
use lamplighter_lifecycle::connection::Input;

use super::{Connected, Stage};
use crate::os::listener::Io;
use crate::transport::conversation::Streams;
use crate::transport::flag;
use crate::transport::io::ConnectionIo;
use crate::transport::scope::ServerScope;
use crate::transport::service::Parts;

impl Connected {
    /// Its first bytes have shown what it speaks.
    pub(super) fn speak(&mut self, protocol: Protocol) {
        let Stage::Sniffing(sniff) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        self.account.speaks(protocol);
        let now = self.inner.sink.now();
        self.machine.handle(now, Input::FirstByte);
        self.machine.handle(now, Input::Speaks(protocol));
        self.told.head = protocol == Protocol::Http1;
        let (socket, prefix) = sniff.into_parts();
        self.converse(protocol, socket, prefix);
    }

    /// Begins again with half a head that hyper was found to have when reading ended; `false` if it
    /// had none.
    ///
    /// Where a request had a body, nobody sees where that ends and the next head begins, if both come
    /// at once. So such a connection is taken for idle, and only the end of its reading shows that it
    /// is not.
    pub(super) fn goes_on(&mut self) -> bool {
        let account = &self.account;
        let taken_for_idle = account.has(flag::READING_ENDS)
            && !account.has(flag::PEER_ENDED)
            && !account.has(flag::FORCED)
            && account.in_flight() == 0
            && account.seen.is_unclear()
            && !account.seen.head();
        let Stage::Speaking(conversation) = &mut self.stage else {
            return false;
        };
        if !taken_for_idle {
            return false;
        }
        let head = conversation.as_mut().left_over();
        if head.is_empty() {
            return false;
        }
        // hyper has dropped the wrapper, which has returned the socket.
        let Some((socket, _)) = self.account.socket().take() else {
            return false;
        };
        self.converse(Protocol::Http1, socket, head);
        true
    }

    fn converse(&mut self, protocol: Protocol, socket: Io, prefix: Bytes) {
        let io = ConnectionIo::new(socket, prefix, Arc::clone(&self.account));
        let parts = Parts {
            account: &self.account,
            limits: &self.inner.limits,
            infrastructure: self.inner.infrastructure.as_ref(),
        };
        let app = &self.inner.app.0;
        self.stage = Stage::Speaking(if protocol == Protocol::Http2 {
            let (tasks, account) = (&self.inner.tasks, Arc::clone(&self.account));
            app.http2(
                io,
                &parts,
                Streams::new(tasks, self.scope_of_streams(), account),
            )
        } else {
            app.http1(io, &parts)
        });
    }

    fn scope_of_streams(&self) -> ServerScope {
        // Taken out of `self` while it is being polled, which is when protocols are found out.
        self.scope
            .clone()
            .or_else(ServerScope::current)
            .unwrap_or_else(|| self.inner.scope.clone())
    }
}
