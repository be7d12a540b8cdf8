//! Ports that a server has bound, and that must be free when it has stopped.
//!
//! A port that is taken may be somebody else's by then: tests take free ones all the time. So a port is
//! known by its socket as well, which the kernel numbers.
//!
//! **Invariant:** looking whether a port is free lets nobody connect to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use lamplighter::{Listener, TcpListener};

use super::Leak;

/// The listeners of one server. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    bound: Arc<Mutex<Vec<Bound>>>,
}

#[derive(Clone, Copy, Debug)]
struct Bound {
    addr: SocketAddr,
    /// The number of its socket's inode.
    socket: u64,
}

impl Ports {
    /// Enters a listener that has just been bound. One that does not say where, or has no number, is
    /// not watched.
    pub(crate) fn enter(&self, listener: &TcpListener) {
        let addr = listener.local_addr().ok().and_then(|addr| addr.tcp());
        if let (Some(addr), Some(socket)) = (addr, number(listener)) {
            let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
            bound.push(Bound { addr, socket });
        }
    }

    /// Those that are still open.
    pub(crate) fn left(&self) -> Vec<Leak> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let open = bound.iter().filter(|bound| bound.is_open());
        open.map(|bound| Leak::Port(bound.addr)).collect()
    }
}

impl Bound {
    fn is_open(&self) -> bool {
        !can_be_bound(self.addr) && listens(self.addr, self.socket)
    }
}

#[cfg(unix)]
fn number(listener: &TcpListener) -> Option<u64> {
    rustix::fs::fstat(listener).ok().map(|stat| stat.st_ino)
}

#[cfg(not(unix))]
fn number(_: &TcpListener) -> Option<u64> {
    None
}

/// Whether a server could take this port now. One that has connections left may (`SO_REUSEADDR`).
#[cfg(unix)]
fn can_be_bound(addr: SocketAddr) -> bool {
    use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};

    let family = if addr.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    // Bound, it does not listen.
    let taken = || {
        let socket = socket(family, SocketType::STREAM, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &addr)
    };
    !matches!(taken(), Err(rustix::io::Errno::ADDRINUSE))
}

#[cfg(not(unix))]
fn can_be_bound(_: SocketAddr) -> bool {
    true
}

/// Whether this very socket listens on this port, as `proc_net_tcp` (Linux) has it; elsewhere, whether
/// anybody may.
fn listens(addr: SocketAddr, socket: u64) -> bool {
    let table = if addr.is_ipv4() { "tcp" } else { "tcp6" };
    let Ok(table) = std::fs::read_to_string(format!("/proc/self/net/{table}")) else {
        return true;
    };
    table.lines().any(|row| is_listener(row, addr, socket))
}

/// `sl local_address rem_address st queues timer retransmits uid timeout inode …`
fn is_listener(row: &str, addr: SocketAddr, socket: u64) -> bool {
    /// `TCP_LISTEN` of the kernel's `tcp_states.h`.
    const LISTEN: &str = "0A";

    let mut fields = row.split_whitespace();
    let local = fields.nth(1).unwrap_or_default();
    let state = fields.nth(1).unwrap_or_default();
    let inode = fields.nth(5).unwrap_or_default();
    local.ends_with(&format!(":{:04X}", addr.port()))
        && state == LISTEN
        && inode.parse() == Ok(socket)
}
