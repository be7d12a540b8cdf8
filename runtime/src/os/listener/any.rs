//! Listeners, networks and connections of any type as one type each, so that one accept loop and one
//! connection code serve them all (floor 1).
//!
//! **Invariant:** TCP costs no box and no virtual call, whoever made the listener.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Addr, Listener, Network, TcpListener};

/// A listener of any type.
#[derive(Debug)]
pub(crate) enum AnyListener {
    Tcp(TcpListener),
    Other(OtherListener),
}

/// A listener that is not TCP.
pub(crate) struct OtherListener(Box<dyn ErasedListener>);

impl AnyListener {
    pub(crate) fn new<L: Listener>(listener: L) -> Self {
        let mut listener = Some(listener);
        let any: &mut dyn Any = &mut listener;
        if let Some(tcp) = any
            .downcast_mut::<Option<TcpListener>>()
            .and_then(Option::take)
        {
            return Self::Tcp(tcp);
        }
        if let Some(tcp) = any
            .downcast_mut::<Option<tokio::net::TcpListener>>()
            .and_then(Option::take)
        {
            return Self::Tcp(tcp.into());
        }
        Self::Other(OtherListener(Box::new(listener)))
    }

    /// As [`Listener::accept`].
    pub(crate) async fn accept(&mut self) -> io::Result<(Io, Addr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Io::Tcp(stream), peer))
            }
            Self::Other(listener) => listener.0.accept().await,
        }
    }

    /// As [`Listener::accept_queued`].
    pub(crate) fn accept_queued(&mut self) -> io::Result<Option<(Io, Addr)>> {
        match self {
            Self::Tcp(listener) => {
                let queued = listener.accept_queued()?;
                Ok(queued.map(|(stream, peer)| (Io::Tcp(stream), peer)))
            }
            Self::Other(listener) => listener.0.accept_queued(),
        }
    }

    /// As [`Listener::refuse_new`].
    pub(crate) fn refuse_new(&mut self) -> io::Result<Duration> {
        match self {
            Self::Tcp(listener) => listener.refuse_new(),
            Self::Other(listener) => listener.0.refuse_new(),
        }
    }

    /// As [`Listener::local_addr`].
    pub(crate) fn local_addr(&self) -> io::Result<Addr> {
        match self {
            Self::Tcp(listener) => Listener::local_addr(listener),
            Self::Other(listener) => listener.0.local_addr(),
        }
    }
}

impl fmt::Debug for OtherListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OtherListener")
            .field(&self.0.local_addr())
            .finish()
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

trait ErasedListener: Send {
    fn accept(&mut self) -> Boxed<'_, io::Result<(Io, Addr)>>;
    fn accept_queued(&mut self) -> io::Result<Option<(Io, Addr)>>;
    fn refuse_new(&mut self) -> io::Result<Duration>;
    fn local_addr(&self) -> io::Result<Addr>;
}

/// An option only because [`AnyListener::new`] had to be able to take it out; always there.
impl<L: Listener> ErasedListener for Option<L> {
    fn accept(&mut self) -> Boxed<'_, io::Result<(Io, Addr)>> {
        Box::pin(async move {
            let (io, peer) = there(self.as_mut())?.accept().await?;
            Ok((Io::other::<L>(io), peer))
        })
    }

    fn accept_queued(&mut self) -> io::Result<Option<(Io, Addr)>> {
        let queued = there(self.as_mut())?.accept_queued()?;
        Ok(queued.map(|(io, peer)| (Io::other::<L>(io), peer)))
    }

    fn refuse_new(&mut self) -> io::Result<Duration> {
        there(self.as_mut())?.refuse_new()
    }

    fn local_addr(&self) -> io::Result<Addr> {
        there(self.as_ref())?.local_addr()
    }
}

fn there<T>(listener: Option<T>) -> io::Result<T> {
    listener.ok_or_else(|| io::ErrorKind::NotConnected.into())
}

/// A network of any type. Clones are the same one.
#[derive(Clone)]
pub(crate) struct BoxNetwork(Arc<dyn ErasedNetwork>);

impl BoxNetwork {
    pub(crate) fn new(network: impl Network) -> Self {
        Self(Arc::new(network))
    }

    /// As [`Network::bind`].
    pub(crate) async fn bind(&self, addr: &Addr) -> io::Result<AnyListener> {
        self.0.bind(addr).await
    }
}

impl fmt::Debug for BoxNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxNetwork").finish_non_exhaustive()
    }
}

trait ErasedNetwork: Send + Sync {
    fn bind<'a>(&'a self, addr: &'a Addr) -> Boxed<'a, io::Result<AnyListener>>;
}

impl<N: Network> ErasedNetwork for N {
    fn bind<'a>(&'a self, addr: &'a Addr) -> Boxed<'a, io::Result<AnyListener>> {
        Box::pin(async move { Network::bind(self, addr).await.map(AnyListener::new) })
    }
}

/// A connection of any type.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    Other(OtherIo),
}

/// A connection that is not TCP.
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
    fn other<L: Listener>(io: L::Io) -> Self {
        Self::Other(OtherIo(Box::new(Of::<L> {
            io,
            listener: PhantomData,
        })))
    }

    /// As [`Listener::abort`].
    pub(crate) fn abort(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => <TcpListener as Listener>::abort(stream),
            Self::Other(other) => other.0.abort(),
        }
    }

    /// Ready once the connection is known to be broken; an end of the peer's side does not break
    /// it. Leaves every byte where it is, and does not look past bytes that nobody reads. TCP alone
    /// can tell.
    pub(crate) fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Self::Tcp(stream) = self else {
            return Poll::Pending;
        };
        match stream.poll_peek(cx, &mut ReadBuf::new(&mut [0])) {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }
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
            Self::Other(other) => Pin::new(&mut other.0).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Other(other) => Pin::new(&mut other.0).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
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
            Self::Other(other) => Pin::new(&mut other.0).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Other(other) => other.0.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// In memory; everything it has is queued.
    struct Memory {
        queue: VecDeque<DuplexStream>,
    }

    static ABORTED: AtomicBool = AtomicBool::new(false);

    impl Listener for Memory {
        type Io = DuplexStream;

        async fn accept(&mut self) -> io::Result<(DuplexStream, Addr)> {
            self.accept_queued()?
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }

        fn local_addr(&self) -> io::Result<Addr> {
            Ok(Addr::Named("memory".into()))
        }

        fn accept_queued(&mut self) -> io::Result<Option<(DuplexStream, Addr)>> {
            let io = self.queue.pop_front();
            Ok(io.map(|io| (io, Addr::Named("client".into()))))
        }

        fn abort(_: &DuplexStream) -> io::Result<()> {
            ABORTED.store(true, Ordering::SeqCst);
            Ok(())
        }
    }

    struct MemoryNetwork;

    impl Network for MemoryNetwork {
        type Listener = Memory;

        async fn bind(&self, addr: &Addr) -> io::Result<Memory> {
            if !matches!(addr, Addr::Named(_)) {
                return Err(io::ErrorKind::AddrNotAvailable.into());
            }
            Ok(Memory {
                queue: VecDeque::new(),
            })
        }
    }

    #[tokio::test]
    async fn a_listener_of_any_type_hands_out_working_connections() {
        let (mut client, io) = tokio::io::duplex(64);
        let (mut second, second_io) = tokio::io::duplex(64);
        let mut listener = AnyListener::new(Memory {
            queue: [io, second_io].into(),
        });
        assert_eq!(listener.local_addr().unwrap().to_string(), "memory");
        let (mut io, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.to_string(), "client");
        client.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        io.read_exact(&mut bytes).await.unwrap();
        io.write_all(&bytes).await.unwrap();
        io.flush().await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
        io.abort().unwrap();
        assert!(ABORTED.load(Ordering::SeqCst));

        let (mut io, _) = listener.accept_queued().unwrap().unwrap();
        io.shutdown().await.unwrap();
        assert_eq!(second.read(&mut bytes).await.unwrap(), 0);
        assert!(listener.accept_queued().unwrap().is_none());
        assert_eq!(listener.refuse_new().unwrap(), Duration::ZERO);
        let end = listener.accept().await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_network_of_any_type_binds_what_it_knows() {
        let network = BoxNetwork::new(MemoryNetwork);
        let bound = network.bind(&Addr::Named("memory".into())).await.unwrap();
        assert!(matches!(bound, AnyListener::Other(_)));
        let refused = network.bind(&Addr::Tcp(([127, 0, 0, 1], 0).into())).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test]
    async fn tcp_listeners_are_recognised_whoever_made_them() {
        let tokio = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let addr = Listener::local_addr(&tokio).unwrap();
        let listener = AnyListener::new(tokio);
        assert!(matches!(listener, AnyListener::Tcp(_)));
        assert_eq!(listener.local_addr().unwrap(), addr);
        let network = BoxNetwork::new(super::super::TcpNetwork);
        let bound = network.bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert!(matches!(bound, AnyListener::Tcp(_)));
    }
}
