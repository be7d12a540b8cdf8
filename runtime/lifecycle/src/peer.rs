//! Who is at the other end of a connection (floor 0).
//!
//! **Invariant:** what the operating system said, as a value: it is put into words where it is shown.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;

/// Where a connection comes from. Printed, it is the address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PeerAddr {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// Anything else, by its name.
    Named(Arc<str>),
}

impl From<SocketAddr> for PeerAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr)
    }
}

impl From<String> for PeerAddr {
    fn from(name: String) -> Self {
        Self::Named(name.into())
    }
}

impl From<&str> for PeerAddr {
    fn from(name: &str) -> Self {
        Self::Named(name.into())
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Named(name) => f.pad(name),
        }
    }
}
