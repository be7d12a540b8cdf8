//! Where connections come from: real sockets, or whatever a simulation or a user puts in their
//! place (floor 1).
//!
//! **Invariant:** nothing here accepts, waits or retries by itself; that is the accept loop's.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

mod accept_error;
mod addr;
mod any;
mod bind;
mod bind_error;
#[cfg(unix)]
mod inherited;
mod io;
mod label;
#[cfg(test)]
pub(crate) mod memory;
mod queue;
mod spare;
mod tcp;
#[cfg(unix)]
mod unix;

pub(crate) use accept_error::{AcceptError, Backoff};
pub(crate) use any::{AnyListener, BoxNetwork};
pub(crate) use bind::{BoundListener, Holding};
pub(crate) use io::{Broken, Io};
pub(crate) use label::Label;
pub(crate) use spare::{Spare, TurnedAway};

pub use addr::{Addr, AddrError};
pub use bind::Bind;
pub use bind_error::BindError;
#[cfg(unix)]
pub use inherited::InheritedError;
pub use tcp::{TcpListener, TcpNetwork};

/// A bound socket that hands out connections.
///
/// Implemented by [`TcpListener`] and tokio's own; implement it to serve connections from elsewhere
/// and give it to [`Bind::listener`]. This one has them in memory, and everything else is as on a
/// socket: answers, draining, the report.
///
/// ```
/// use std::io;
///
/// use axum::{Router, routing::get};
/// use lamplighter::{Addr, Bind, Listener, Server};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
/// use tokio::sync::mpsc;
///
/// struct Memory(mpsc::Receiver<DuplexStream>);
///
/// impl Listener for Memory {
///     type Io = DuplexStream;
///
///     async fn accept(&mut self) -> io::Result<(DuplexStream, Addr)> {
///         match self.0.recv().await {
///             Some(io) => Ok((io, Addr::Named("client".into()))),
///             None => std::future::pending().await, // nobody left to connect
///         }
///     }
///
///     fn accept_queued(&mut self) -> io::Result<Option<(DuplexStream, Addr)>> {
///         Ok(self.0.try_recv().ok().map(|io| (io, Addr::Named("client".into()))))
///     }
///
///     fn local_addr(&self) -> io::Result<Addr> {
///         Ok(Addr::Named("memory".into()))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (connect, listener) = mpsc::channel(16);
/// let app = Router::new().route("/", get(|| async { "Hello, World!" }));
/// let running = Server::new(app).listen(Bind::listener(Memory(listener))).start().await?;
/// assert_eq!(running.addr().to_string(), "memory");
///
/// let (mut client, server) = duplex(64 * 1024);
/// connect.send(server).await?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: memory\r\n\r\n").await?;
/// let stopping = running.stop(); // the request counts: it is there
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
/// assert!(answer.ends_with("Hello, World!"), "{answer}");
/// assert_eq!(stopping.await.connections().tally.answered, 1);
/// # Ok(())
/// # }
/// ```
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection; gives it with the address of its other end.
    ///
    /// # Errors
    ///
    /// Errors are told apart by their code or kind: those of one connection (aborted, reset) are
    /// passed over, those that say that the listener itself is broken (not connected, broken pipe,
    /// end of file, invalid, unsupported) stop the server unless it may
    /// [go on](crate::Plan::on_listener_error) without, all others are waited out, 1 ms at first and
    /// 1 s at most.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe: dropping the future must not lose a connection.
    fn accept(&mut self) -> impl Future<Output = std::io::Result<(Self::Io, Addr)>> + Send;

    /// Where it listens, with the real port if it was bound to port 0.
    ///
    /// # Errors
    ///
    /// When the socket does not say.
    fn local_addr(&self) -> std::io::Result<Addr>;

    /// The next connection that has been made already; `None` when there is none. Never waits.
    ///
    /// Called until it says `None` before the listener is closed, so that nobody is turned away who
    /// got a connection. Without it, nothing is taken from the queue then.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    fn accept_queued(&mut self) -> std::io::Result<Option<(Self::Io, Addr)>> {
        Ok(None)
    }

    /// Lets no new connection begin, while those that are being made get done; says how long that
    /// takes. Called at most once, at the end of a listener that nobody else holds.
    ///
    /// Without it, new ones come until the listener is closed.
    ///
    /// # Errors
    ///
    /// When the OS refuses. The stop then goes on without it.
    fn refuse_new(&mut self) -> std::io::Result<Duration> {
        Ok(Duration::ZERO)
    }

    /// Makes the next drop of `io` a reset, so that its peer cannot take what it got for the whole.
    ///
    /// Without it, the peer sees an ordinary end.
    ///
    /// # Errors
    ///
    /// When the OS refuses, as for a connection that is gone. The drop follows all the same.
    fn abort(io: &Self::Io) -> std::io::Result<()> {
        let _ = io;
        Ok(())
    }
}

/// Binds the addresses that a server is told to listen on, but for Unix sockets: those are always this
/// machine's own.
///
/// [`TcpNetwork`] is the real one. Simulations put theirs in its place, since a simulated socket is
/// bound inside its host, and test fixtures one that takes free ports.
pub trait Network: Send + Sync + 'static {
    /// What it binds.
    type Listener: Listener;

    /// Listens on `addr`: when it resolves, clients can connect.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on. The error needs not name the address.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must leave nothing bound.
    fn bind(&self, addr: &Addr) -> impl Future<Output = std::io::Result<Self::Listener>> + Send;

    /// Whether its clients live in the time of this machine's clock: true unless said.
    ///
    /// Where they do not, as in a simulation, answers carry no `Date` header, whatever
    /// [`Limits::date_header`](crate::Limits::date_header) says: a server without a clock must not
    /// send one (RFC 9110, 6.6.1), and two runs of one simulation would differ by it.
    fn has_clock(&self) -> bool {
        true
    }
}
