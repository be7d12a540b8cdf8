//! Where a client goes in: a socket of the server, or its listener in memory.
//!
//! **Invariant:** a door is opened anew for each connection, and holds none.

use std::fmt;
use std::io;

use lamplighter::Addr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::memory::Dialler;

/// A connection of a client, whatever it is made of.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) type BoxStream = Box<dyn Stream>;

#[derive(Clone, Debug)]
pub(crate) enum Door {
    Socket(Addr),
    Memory(Dialler),
}

impl Door {
    /// Connects.
    pub(crate) async fn open(&self) -> io::Result<BoxStream> {
        match self {
            Self::Socket(Addr::Tcp(addr)) => {
                let stream = TcpStream::connect(*addr).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Socket(Addr::Unix(Some(path))) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Socket(addr) => {
                let told =
                    format!("{addr} is neither an IP address and a port nor the path of a socket");
                Err(io::Error::new(io::ErrorKind::InvalidInput, told))
            }
            Self::Memory(dialler) => Ok(Box::new(dialler.dial()?)),
        }
    }

    /// What a request says of whom it is for (RFC 9110, 7.2).
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Socket(Addr::Tcp(addr)) => addr.to_string(),
            Self::Socket(_) | Self::Memory(_) => String::from("localhost"),
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(addr) => addr.fmt(f),
            Self::Memory(_) => f.write_str("the server in its process"),
        }
    }
}
