//! What a client is given of its world: a way to the server.
//!
//! **Invariant:** a client knows nothing else of the world that it is in.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

/// A way to the server. Clones lead to the same one.
pub trait Dial: Clone + Send + Sync + 'static {
    /// A connection. Shutting it down ends this side; dropping it closes it: with a FIN, or with a
    /// reset if bytes had arrived that nobody read.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects: resolves when the connection is made, accepted or still in the listener's queue.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the network does not let it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Ends the connection by a reset, whatever is on its way.
    fn reset(io: Self::Io);

    /// The way to the server of the host with this number; 0 is the one that this leads to already.
    #[must_use]
    fn to_host(&self, number: u16) -> Option<Self> {
        (number == 0).then(|| self.clone())
    }
}
