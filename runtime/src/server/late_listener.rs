//! A listener that comes when the server is alive already (floor 3).
//!
//! **Invariant:** it is closed with all the others, and nothing is accepted from it after that.

use lamplighter_lifecycle::{ListenerId, Phase};

use super::handle::ServerHandle;
use crate::os::listener::{Addr, AnyListener, Label, Listener};
use crate::transport::{Accepting, Newcomers};

/// A listener was refused: the server does not accept connections.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server accepts no connections from {addr}: it is {phase}, and listeners are taken from the \
     start until they are closed"
)]
#[non_exhaustive]
pub struct NotAccepting {
    /// Where the listener listens, as far as it says.
    pub addr: Addr,
    /// What the server was doing.
    pub phase: Phase,
}

impl ServerHandle {
    /// Accepts from this listener too, from now on until the server closes its listeners.
    ///
    /// It is owned, as one of [`Bind::listener`](crate::Bind::listener) is: whoever comes before the
    /// server is ready gets 503, its queue is emptied at the stop, its connections count, drain and
    /// are reported like all others, and if it breaks, that is the failure of a listener. Neither
    /// [`Running::addr_of`](crate::Running::addr_of) nor [`Ready`](crate::Ready) knows of it. Callable
    /// from any thread.
    ///
    /// # Errors
    ///
    /// If the server was not started yet, or has begun to close its listeners. The listener is
    /// dropped then.
    pub fn accept_from(&self, listener: impl Listener) -> Result<(), NotAccepting> {
        let listener = AnyListener::new(listener);
        let unknown = |_| Addr::Named("a listener that does not say where".to_owned());
        let addr = listener.local_addr().unwrap_or_else(unknown);
        let accepting = Accepting {
            // Its number is seen in the name of its task alone, and is none of those bound at the
            // start.
            id: ListenerId::new(u32::MAX - 1),
            label: Label::new(None, addr.clone()),
            listener,
            newcomers: Newcomers::Queue,
        };
        if self.life.accept_late(accepting) {
            Ok(())
        } else {
            let phase = self.phase();
            Err(NotAccepting { addr, phase })
        }
    }
}
