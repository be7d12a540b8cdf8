//! What a probe's bytes travel over: a TCP connection, or one of a Unix socket.
//!
//! **Invariant:** nothing is added to what the kernel does, and nothing is kept back.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use lamplighter::Addr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

#[derive(Debug)]
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    /// Connects; a TCP connection with room for about so many bytes that nobody has read.
    pub(super) async fn connect(addr: &Addr, receive_buffer: Option<u32>) -> io::Result<Self> {
        if let Addr::Tcp(addr) = addr {
            let socket = if addr.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            // Before the connection is there: its window is decided with the first segment.
            if let Some(bytes) = receive_buffer {
                socket.set_recv_buffer_size(bytes)?;
            }
            return Self::tcp(socket.connect(*addr).await?);
        }
        if let Addr::Unix(Some(path)) = addr {
            return UnixStream::connect(path).await.map(Self::Unix);
        }
        let told = format!("{addr} is neither an IP address and a port nor the path of a socket");
        Err(io::Error::new(io::ErrorKind::InvalidInput, told))
    }

    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        // Exactly what is sent is sent, at once.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// The TCP connection; an error for others.
    pub(super) fn into_tcp(self) -> io::Result<TcpStream> {
        match self {
            Self::Tcp(stream) => Ok(stream),
            Self::Unix(_) => Err(no_tcp()),
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr(),
            Self::Unix(_) => Err(no_tcp()),
        }
    }

    /// Makes the next drop a reset, where there is such a thing.
    pub(super) fn abort(&self) -> io::Result<()> {
        if let Self::Tcp(stream) = self {
            // Closed with no time to linger, a socket is reset.
            rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Reads what is there now; an error of kind `WouldBlock` if nothing is.
    pub(super) fn try_read_buf(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(buf),
            Self::Unix(stream) => stream.try_read_buf(buf),
        }
    }

    /// Writes what there is room for now; an error of kind `WouldBlock` if there is none.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }
}

fn no_tcp() -> io::Error {
    let told = "a connection of a Unix socket, not of TCP";
    io::Error::new(io::ErrorKind::Unsupported, told)
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
