//! Listeners and networks of any type as one type each, so that one accept loop serves them all
//! (floor 1).
//!
//! **Invariant:** TCP and Unix sockets cost no box and no virtual call, whoever made the listener.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::io::Io;
#[cfg(unix)]
use super::unix::UnixListener;
use super::{Addr, Listener, Network, TcpListener};

/// A listener of any type.
#[derive(Debug)]
pub(crate) enum AnyListener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
    Other(OtherListener),
}

/// A listener that is no socket of ours.
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
        #[cfg(unix)]
        if let Some(unix) = any
            .downcast_mut::<Option<tokio::net::UnixListener>>()
            .and_then(Option::take)
        {
            return Self::Unix(unix.into());
        }
        Self::Other(OtherListener(Box::new(listener)))
    }

    /// Whether it is a socket of the kernel's.
    pub(crate) const fn is_socket(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) => true,
            Self::Other(_) => false,
        }
    }

    /// As [`Listener::accept`].
    pub(crate) async fn accept(&mut self) -> io::Result<(Io, Addr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Io::Tcp(stream), peer))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Io::Unix(stream), peer))
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
            #[cfg(unix)]
            Self::Unix(listener) => {
                let queued = listener.accept_queued()?;
                Ok(queued.map(|(stream, peer)| (Io::Unix(stream), peer)))
            }
            Self::Other(listener) => listener.0.accept_queued(),
        }
    }

    /// As [`Listener::refuse_new`].
    pub(crate) fn refuse_new(&mut self) -> io::Result<Duration> {
        match self {
            Self::Tcp(listener) => listener.refuse_new(),
            #[cfg(unix)]
            Self::Unix(listener) => listener.refuse_new(),
            Self::Other(listener) => listener.0.refuse_new(),
        }
    }

    /// As [`Listener::local_addr`].
    pub(crate) fn local_addr(&self) -> io::Result<Addr> {
        match self {
            Self::Tcp(listener) => Listener::local_addr(listener),
            #[cfg(unix)]
            Self::Unix(listener) => Listener::local_addr(listener),
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

    /// As [`Network::has_clock`].
    pub(crate) fn has_clock(&self) -> bool {
        self.0.has_clock()
    }
}

impl fmt::Debug for BoxNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxNetwork").finish_non_exhaustive()
    }
}

trait ErasedNetwork: Send + Sync {
    fn bind<'a>(&'a self, addr: &'a Addr) -> Boxed<'a, io::Result<AnyListener>>;
    fn has_clock(&self) -> bool;
}

impl<N: Network> ErasedNetwork for N {
    fn bind<'a>(&'a self, addr: &'a Addr) -> Boxed<'a, io::Result<AnyListener>> {
        Box::pin(async move { Network::bind(self, addr).await.map(AnyListener::new) })
    }

    fn has_clock(&self) -> bool {
        Network::has_clock(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::listener::memory::{Memory, MemoryNetwork};
    use std::sync::atomic::Ordering;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_listener_of_any_type_hands_out_working_connections() {
        let (dialler, memory) = Memory::new();
        let (mut client, reset) = dialler.dial(64);
        let (mut second, _) = dialler.dial(64);
        drop(dialler);
        let mut listener = AnyListener::new(memory);
        assert_eq!(listener.local_addr().unwrap().to_string(), "memory");
        let (mut io, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.to_string(), "memory");
        client.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        io.read_exact(&mut bytes).await.unwrap();
        io.write_all(&bytes).await.unwrap();
        io.flush().await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
        io.abort().unwrap();
        assert!(reset.load(Ordering::SeqCst));

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
