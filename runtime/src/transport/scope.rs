//! Which server, and which connection, the code being polled works for (floor 2).
//!
//! A thread-local holds it while a future is polled and never across an await, so it costs two
//! moves per poll and nothing per request.
//!
//! **Invariant:** when a poll returns or unwinds, what the thread-local held before is back.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::account::Account;
use super::peer::Peer;
use super::shutdown_signal::ShutdownSignal;
use super::turn::Turn;

thread_local! {
    static CURRENT: Cell<Option<ServerScope>> = const { Cell::new(None) };
}

/// Tells one server of the process from every other.
#[derive(Clone)]
pub(crate) struct ServerKey(Arc<Unique>);

// Not of size zero, or the allocator could give two keys one address.
struct Unique(#[expect(dead_code, reason = "holds an address of its own")] u8);

impl ServerKey {
    /// A key that equals only its clones.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Unique(0)))
    }
}

impl PartialEq for ServerKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ServerKey {}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerKey")
            .field(&Arc::as_ptr(&self.0))
            .finish()
    }
}

/// What code can know about the server that polls it. Clones are one atomic increment.
#[derive(Clone, Debug)]
pub(crate) struct ServerScope(Arc<Content>);

#[derive(Debug)]
struct Content {
    server: ServerKey,
    signal: ShutdownSignal,
    peer: Option<Peer>,
    account: Option<Arc<Account>>,
}

impl ServerScope {
    /// The scope of hooks, workers and callbacks of one server.
    pub(crate) fn new(server: ServerKey, signal: ShutdownSignal) -> Self {
        Self(Arc::new(Content {
            server,
            signal,
            peer: None,
            account: None,
        }))
    }

    /// The scope of whoever polls the caller.
    pub(super) fn current() -> Option<Self> {
        CURRENT
            .try_with(|current| {
                let scope = current.take();
                current.set(scope.clone());
                scope
            })
            .ok()
            .flatten()
    }

    /// The scope of one connection's requests, which hear of a drain in its `turn`, if it has one.
    pub(super) fn of_connection(
        &self,
        peer: Peer,
        account: &Arc<Account>,
        turn: Option<Turn>,
    ) -> Self {
        let signal = &self.0.signal;
        Self(Arc::new(Content {
            server: self.0.server.clone(),
            signal: turn.map_or_else(|| signal.clone(), |turn| signal.in_turn(turn)),
            peer: Some(peer),
            account: Some(Arc::clone(account)),
        }))
    }
}

/// The server that polls the caller, if one does.
pub(crate) fn current_server() -> Option<ServerKey> {
    current(|content| Some(content.server.clone()))
}

/// The shutdown signal of the server that polls the caller.
pub(super) fn current_signal() -> Option<ShutdownSignal> {
    current(|content| Some(content.signal.clone()))
}

/// The peer whose request is being polled.
pub(super) fn current_peer() -> Option<Peer> {
    current(|content| content.peer.clone())
}

/// Shows the account of the connection that polls the caller, if one does.
pub(super) fn current_account(look: impl FnOnce(&Account)) {
    current(|content| content.account.as_deref().map(look));
}

/// Runs `work` inside `scope`.
pub(crate) fn scope_sync<T>(scope: &ServerScope, work: impl FnOnce() -> T) -> T {
    let mut scope = Some(scope.clone());
    let _entered = Entered::new(&mut scope);
    work()
}

/// Polls `future` inside `scope`, each time.
pub(crate) fn scope<F: Future>(scope: ServerScope, future: F) -> Scoped<F> {
    Scoped {
        scope: Some(scope),
        future: Some(future),
    }
}

/// While it lives, its scope is the current one.
pub(super) struct Entered<'a> {
    own: &'a mut Option<ServerScope>,
    outer: Option<ServerScope>,
}

impl<'a> Entered<'a> {
    /// Takes the scope out of `own` and puts it back when dropped.
    pub(super) fn new(own: &'a mut Option<ServerScope>) -> Self {
        // A thread whose locals are being destroyed polls nothing any more.
        let outer = CURRENT.try_with(|current| current.replace(own.take()));
        Self {
            own,
            outer: outer.unwrap_or_default(),
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let outer = self.outer.take();
        *self.own = CURRENT
            .try_with(|current| current.replace(outer))
            .unwrap_or_default();
    }
}

pin_project! {
    /// A future that is polled, and dropped, inside a scope.
    pub(crate) struct Scoped<F> {
        scope: Option<ServerScope>,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = Entered::new(this.scope);
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = Entered::new(this.scope);
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}

fn current<T>(read: impl FnOnce(&Content) -> Option<T>) -> Option<T> {
    CURRENT
        .try_with(|current| {
            let scope = current.take();
            let value = scope.as_ref().and_then(|scope| read(&scope.0));
            current.set(scope);
            value
        })
        .ok()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    fn a_scope() -> (ServerKey, ServerScope) {
        let key = ServerKey::new();
        let (_, signal) = ShutdownSignal::manual();
        (key.clone(), ServerScope::new(key, signal))
    }

    #[test]
    fn scopes_nest_and_are_left_in_order() {
        let ((a, outer), (b, inner)) = (a_scope(), a_scope());
        assert_eq!(current_server(), None);
        scope_sync(&outer, || {
            assert_eq!(current_server(), Some(a.clone()));
            scope_sync(&inner, || assert_eq!(current_server(), Some(b.clone())));
            assert_eq!(current_server(), Some(a.clone()));
        });
        assert_eq!(current_server(), None);
        assert_ne!(a, b);
    }

    #[test]
    fn a_panic_leaves_the_scope() {
        let (_, inside) = a_scope();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            scope_sync(&inside, || resume_unwind(Box::new("on purpose")));
        }));
        assert!(panicked.is_err());
        assert_eq!(current_server(), None);
    }

    #[tokio::test]
    async fn a_scoped_future_is_inside_while_polled_and_others_are_not() {
        let (key, inside) = a_scope();
        let scoped = scope(inside, async {
            assert_eq!(current_server(), Some(key.clone()));
            tokio::task::yield_now().await;
            assert_eq!(current_server(), Some(key.clone()));
        });
        let other = async {
            assert_eq!(current_server(), None);
            tokio::task::yield_now().await;
            assert_eq!(current_server(), None);
        };
        tokio::join!(scoped, other);
    }
}
