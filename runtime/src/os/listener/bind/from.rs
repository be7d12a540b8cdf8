//! Everything that a [`Bind`] can be made of (floor 1).
//!
//! **Invariant:** nothing is bound or looked up here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Bind, Target};
use crate::os::listener::Addr;

/// A text, read as [`Addr`] reads it. One that is no address comes out as an error at the start.
impl From<&str> for Bind {
    fn from(text: &str) -> Self {
        text.parse()
            .map_or_else(Self::invalid, |addr| Self::new(Target::Addr(addr)))
    }
}

/// A text, read as [`Addr`] reads it. One that is no address comes out as an error at the start.
impl From<String> for Bind {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// A port, on all IPv4 addresses of the machine; 0 takes a free one.
impl From<u16> for Bind {
    fn from(port: u16) -> Self {
        Self::from((Ipv4Addr::UNSPECIFIED, port))
    }
}

impl From<Addr> for Bind {
    fn from(addr: Addr) -> Self {
        Self::new(Target::Addr(addr))
    }
}

impl From<SocketAddr> for Bind {
    fn from(addr: SocketAddr) -> Self {
        Self::new(Target::Addr(Addr::Tcp(addr)))
    }
}

impl From<([u8; 4], u16)> for Bind {
    fn from(addr: ([u8; 4], u16)) -> Self {
        Self::from(SocketAddr::from(addr))
    }
}

impl From<(IpAddr, u16)> for Bind {
    fn from(addr: (IpAddr, u16)) -> Self {
        Self::from(SocketAddr::from(addr))
    }
}

impl From<(Ipv4Addr, u16)> for Bind {
    fn from(addr: (Ipv4Addr, u16)) -> Self {
        Self::from(SocketAddr::from(addr))
    }
}

impl From<(Ipv6Addr, u16)> for Bind {
    fn from(addr: (Ipv6Addr, u16)) -> Self {
        Self::from(SocketAddr::from(addr))
    }
}

/// A listener that is bound already, as by a test that wanted to know the port first.
impl From<std::net::TcpListener> for Bind {
    fn from(listener: std::net::TcpListener) -> Self {
        Self::new(Target::Std(listener))
    }
}

/// A Unix listener that is bound already. Its path is left as it is at the end.
#[cfg(unix)]
impl From<std::os::unix::net::UnixListener> for Bind {
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        Self::new(Target::Unix(listener))
    }
}
