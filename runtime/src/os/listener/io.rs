//! A connection of any type as one type, so that one connection code serves them all (floor 1).
//!
//! **Invariant:** TCP and Unix sockets cost no box and no virtual call.

use std::fmt;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::tcp::reset_if_abandoned;
use super::{Listener, TcpListener};
use crate::os::send_queue::{limit_unsent, poll_sent, unacknowledged, unlimit_unsent, unsent};

/// A connection of any type.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Other(OtherIo),
}

/// A connection that is no socket of ours.
pub(crate) struct OtherIo(Box<dyn ErasedIo>);

trait ErasedIo: AsyncRead + AsyncWrite + Unpin + Send {
    fn abort(&self) -> io::Result<()>;
}

/// A connection that knows which listener's way to abort is its own.
struct Of<L: Listener> {
    io: L::Io,
    listener: PhantomData<fn() -> L>,
}

impl Io {
    pub(super) fn other<L: Listener>(io: L::Io) -> Self {
        Self::Other(OtherIo(Box::new(Of::<L> {
            io,
            listener: PhantomData,
        })))
    }

    /// As [`Listener::abort`].
    pub(crate) fn abort(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => <TcpListener as Listener>::abort(stream),
            #[cfg(unix)]
            Self::Unix(stream) => <tokio::net::UnixListener as Listener>::abort(stream),
            Self::Other(other) => other.0.abort(),
        }
    }

    /// Whether something has come that nobody has read, as far as a socket can tell.
    pub(crate) fn has_unread(&self) -> bool {
        #[cfg(unix)]
        {
            use rustix::io::ioctl_fionread;

            let unread = match self {
                Self::Tcp(stream) => ioctl_fionread(stream),
                Self::Unix(stream) => ioctl_fionread(stream),
                Self::Other(_) => Ok(0),
            };
            unread.is_ok_and(|bytes| bytes > 0)
        }
        #[cfg(not(unix))]
        false
    }

    /// What has come that nobody has read, up to so many bytes; it stays where it is. Nothing where a socket
    /// cannot tell.
    pub(crate) fn peek(&self, most: usize) -> Vec<u8> {
        #[cfg(unix)]
        {
            match self {
                Self::Tcp(stream) => peek(stream, most),
                Self::Unix(stream) => peek(stream, most),
                Self::Other(_) => Vec::new(),
            }
        }
        #[cfg(not(unix))]
        {
            let _ = most;
            Vec::new()
        }
    }

    /// Whether the peer has everything that was sent; `None` if nobody knows. To be asked once our
    /// side has ended, which needs no acknowledgement. Sockets alone can tell.
    pub(crate) fn is_acknowledged(&self) -> Option<bool> {
        self.unacknowledged().map(|left| left <= 1)
    }

    /// How many bytes of what was sent the peer does not have yet, the end of our side among them; `None`
    /// if nobody knows.
    pub(crate) fn unacknowledged(&self) -> Option<u32> {
        match self {
            // Without another end any more, it holds what nobody will ever acknowledge.
            Self::Tcp(stream) => match unacknowledged(stream).ok()? {
                2.. if stream.peer_addr().is_err() => Some(0),
                left => Some(left),
            },
            // What is sent is with the peer's end, in the same kernel.
            #[cfg(unix)]
            Self::Unix(_) => Some(0),
            Self::Other(_) => None,
        }
    }

    /// Lets the kernel take more than [`poll_sent`](Self::poll_sent) does while it waits: `all` that it has
    /// room for, or as much as from the beginning.
    pub(crate) fn takes_more(&self, all: bool) {
        match self {
            Self::Tcp(stream) if all => unlimit_unsent(stream),
            Self::Tcp(stream) => limit_unsent(stream),
            #[cfg(unix)]
            Self::Unix(_) => {}
            Self::Other(_) => {}
        }
    }

    /// Whether the peer gets a reset, and not an ordinary end, should the process end before this is closed.
    /// TCP alone can do that.
    pub(crate) fn resets_if_abandoned(&self, resets: bool) {
        match self {
            // Fails only on a connection that is gone.
            Self::Tcp(stream) => drop(reset_if_abandoned(stream, resets)),
            #[cfg(unix)]
            Self::Unix(_) => {}
            Self::Other(_) => {}
        }
    }

    /// Whether the kernel has sent all that it was given, but for so many bytes at most; where nobody can tell
    /// it has not.
    pub(crate) fn has_sent_all_but(&self, most: u32) -> bool {
        match self {
            Self::Tcp(stream) => unsent(stream).is_ok_and(|unsent| unsent <= most),
            #[cfg(unix)]
            Self::Unix(_) => false,
            Self::Other(_) => false,
        }
    }

    /// Ready when the kernel has sent all that it was given, or nobody can tell: TCP alone can. While it is
    /// not, nothing more can be written.
    pub(crate) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => poll_sent(stream, cx),
            // What is sent is with the peer's end, in the same kernel.
            #[cfg(unix)]
            Self::Unix(_) => Poll::Ready(()),
            Self::Other(_) => Poll::Ready(()),
        }
    }

    /// Whether the connection is known to be broken; an end of the peer's side does not break it.
    /// Leaves every byte where it is. TCP alone can tell.
    pub(crate) fn poll_broken(&self, cx: &mut Context<'_>) -> Broken {
        let Self::Tcp(stream) = self else {
            return Broken::Told;
        };
        match stream.poll_peek(cx, &mut ReadBuf::new(&mut [0])) {
            Poll::Ready(Err(error)) => Broken::By(error),
            Poll::Pending => Broken::Told,
            // What has come first hides it from whoever waits for more. A connection that was reset has no
            // other end any more.
            Poll::Ready(Ok(_)) => stream.peer_addr().err().map_or(Broken::Untold, Broken::By),
        }
    }
}

#[cfg(unix)]
fn peek(socket: impl AsFd, most: usize) -> Vec<u8> {
    use rustix::io::ioctl_fionread;
    use rustix::net::{RecvFlags, recv};

    let unread = ioctl_fionread(&socket).unwrap_or(0);
    let mut bytes = vec![0; usize::try_from(unread).unwrap_or(most).min(most)];
    if bytes.is_empty() {
        return bytes;
    }
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let peeked = recv(&socket, bytes.as_mut_slice(), flags);
    bytes.truncate(peeked.map_or(0, |(peeked, _)| peeked));
    bytes
}

/// What is known of a connection that nobody reads.
#[derive(Debug)]
pub(crate) enum Broken {
    /// It is broken.
    By(io::Error),
    /// It is not, and whoever asked is woken when it is; or nobody can tell.
    Told,
    /// It is not, and nobody is woken when it is: to be asked again.
    Untold,
}

impl fmt::Debug for OtherIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OtherIo").finish_non_exhaustive()
    }
}

impl<L: Listener> ErasedIo for Of<L> {
    fn abort(&self) -> io::Result<()> {
        L::abort(&self.io)
    }
}

impl<L: Listener> AsyncRead for Of<L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<L: Listener> AsyncWrite for Of<L> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Other(other) => Pin::new(&mut other.0).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Other(other) => Pin::new(&mut other.0).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Other(other) => Pin::new(&mut other.0).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Other(other) => Pin::new(&mut other.0).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Other(other) => Pin::new(&mut other.0).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Other(other) => other.0.is_write_vectored(),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn what_the_kernel_has_is_seen_before_the_runtime_knows_of_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = std::net::TcpStream::connect(addr).unwrap();
        let mut socket = Io::Tcp(listener.accept().await.unwrap().0);
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = [0; 8];
        let mut bytes = ReadBuf::new(&mut room);
        // From here on this thread does not let the runtime ask the kernel.
        assert!(
            Pin::new(&mut socket)
                .poll_read(&mut cx, &mut bytes)
                .is_pending()
        );
        assert!(!socket.has_unread());
        client.write_all(b"light").unwrap();
        assert!(
            Pin::new(&mut socket)
                .poll_read(&mut cx, &mut bytes)
                .is_pending()
        );
        assert!(socket.has_unread());
        for (most, bytes) in [(3, &b"lig"[..]), (8, b"light"), (8, b"light"), (0, b"")] {
            assert_eq!(socket.peek(most), bytes);
        }
        let read = std::future::poll_fn(|cx| Pin::new(&mut socket).poll_read(cx, &mut bytes));
        read.await.unwrap();
        assert_eq!(bytes.filled(), b"light");
        assert!(!socket.has_unread());
        assert_eq!(socket.peek(8), b"");
        // The end of the other side is nothing to read.
        drop(client);
        tokio::task::yield_now().await;
        assert!(!socket.has_unread());
    }
}
