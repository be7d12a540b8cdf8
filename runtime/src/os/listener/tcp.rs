//! TCP listeners (floor 1).
//!
//! **Invariant:** no descriptor made here reaches a child process.
//! **Invariant:** no filter outlives its listener, even if another process shares the socket.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

use super::queue::is_dry;
use super::{Addr, Listener, Network};
use crate::os::send_queue::limit_unsent;

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TcpNetwork;

impl Network for TcpNetwork {
    type Listener = TcpListener;

    /// Listens on a TCP address.
    ///
    /// The port of a server that has just ended can be taken at once (`SO_REUSEADDR`), that of one
    /// which runs cannot. `[::]` listens on all IPv6 and all IPv4 addresses, whatever the machine is
    /// set up for (`IPV6_V6ONLY` off, RFC 3493), where its OS can; clients that come by IPv4 have
    /// IPv4 addresses. For IPv6 alone, hand in a listener that was bound so. Must be called within
    /// the runtime that will accept.
    ///
    /// # Errors
    ///
    /// When the OS refuses, and for addresses that are not TCP.
    async fn bind(&self, addr: &Addr) -> io::Result<TcpListener> {
        match addr.tcp() {
            Some(addr) => TcpListener::bind(addr),
            None => Err(io::Error::new(
                ErrorKind::Unsupported,
                "the TCP network has no such addresses",
            )),
        }
    }
}

/// A TCP listener.
///
/// What tokio's listener does, and: takes what is queued without waiting, and can refuse new
/// connections (Linux). Sends on its connections are not delayed (`TCP_NODELAY`), and the kernel takes
/// no more of an answer than its client fetches, but for 16 KiB (`TCP_NOTSENT_LOWAT`, Linux): an answer
/// is in flight until its client has nearly all of it.
#[derive(Debug)]
pub struct TcpListener {
    inner: tokio::net::TcpListener,
    /// Asked for once; `None` where nobody knew.
    addr: Option<SocketAddr>,
    filtered: bool,
}

impl TcpListener {
    fn bind(addr: SocketAddr) -> io::Result<Self> {
        // Close-on-exec from its birth on, so that no child which a user starts holds the port.
        let kind = Type::STREAM;
        #[cfg(target_os = "linux")]
        let kind = kind.nonblocking();
        let socket = Socket::new(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
        #[cfg(not(target_os = "linux"))]
        socket.set_nonblocking(true)?;
        // On Windows it would let two servers share the port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if addr.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            // Where that cannot be, IPv6 is all there is.
            drop(socket.set_only_v6(false));
        }
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        tokio::net::TcpListener::from_std(socket.into()).map(Self::from)
    }

    /// Takes over a bound listener. Must be called within the runtime that will accept.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking or be registered with the runtime.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener).map(Self::from)
    }
}

impl From<tokio::net::TcpListener> for TcpListener {
    fn from(inner: tokio::net::TcpListener) -> Self {
        Self {
            addr: inner.local_addr().ok(),
            inner,
            filtered: false,
        }
    }
}

#[cfg(unix)]
impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Addr)> {
        Listener::accept(&mut self.inner).await
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.addr
            .map_or_else(|| Listener::local_addr(&self.inner), |addr| Ok(addr.into()))
    }

    fn accept_queued(&mut self) -> io::Result<Option<(TcpStream, Addr)>> {
        Listener::accept_queued(&mut self.inner)
    }

    /// Drops the first packet (SYN) of every new connection, which its client sends again after a
    /// second and then learns that nobody listens. Connections whose handshake has begun get
    /// through. Without effect elsewhere than on Linux.
    #[cfg(target_os = "linux")]
    fn refuse_new(&mut self) -> io::Result<Duration> {
        SockRef::from(&self.inner).attach_filter(&drop_syn())?;
        self.filtered = true;
        Ok(SETTLE)
    }

    fn abort(io: &TcpStream) -> io::Result<()> {
        <tokio::net::TcpListener as Listener>::abort(io)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        // The filter is the socket's: if a descriptor of it is left anywhere, its holder would stay
        // deaf. There is nobody to tell if it fails.
        #[cfg(target_os = "linux")]
        if self.filtered {
            drop(SockRef::from(&self.inner).detach_filter());
        }
    }
}

impl Listener for tokio::net::TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Addr)> {
        let (stream, peer) = Self::accept(self).await?;
        Ok((tuned(stream), Addr::Tcp(canonical(peer))))
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Self::local_addr(self).map(Addr::Tcp)
    }

    fn accept_queued(&mut self) -> io::Result<Option<(TcpStream, Addr)>> {
        // Asks the kernel. The runtime may not have heard yet of what has just come.
        if is_dry(self) {
            return Ok(None);
        }
        let (socket, peer) = match SockRef::from(&*self).accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        socket.set_nonblocking(true)?;
        let stream = TcpStream::from_std(socket.into())?;
        let peer = peer.as_socket().ok_or_else(|| {
            io::Error::new(ErrorKind::ConnectionAborted, "a peer without an IP address")
        })?;
        Ok(Some((tuned(stream), Addr::Tcp(canonical(peer)))))
    }

    /// No lingering: what is unsent is thrown away, the peer gets a reset.
    fn abort(io: &TcpStream) -> io::Result<()> {
        reset_if_abandoned(io, true)
    }
}

/// Whether a reset is what the peer gets when nobody has this connection any more, and no ordinary end
/// behind what was sent (`SO_LINGER` of no time, socket(7)).
pub(super) fn reset_if_abandoned(io: &TcpStream, resets: bool) -> io::Result<()> {
    SockRef::from(io).set_linger(resets.then_some(Duration::ZERO))
}

/// One client has one address, whichever listener it came by.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, peer.port())),
        // As it was: its scope belongs to it.
        IpAddr::V6(_) => peer,
    }
}

fn tuned(stream: TcpStream) -> TcpStream {
    // Fails only on a connection that is gone, which will show by itself.
    drop(stream.set_nodelay(true));
    limit_unsent(&stream);
    stream
}

/// How many connections may wait to be accepted, as tokio has it; the kernel's `somaxconn` (4096,
/// before Linux 5.4 128) caps it.
///
/// Enough for the bursts that come while accepting pauses, for lack of descriptors or during a
/// restart; a full queue costs clients a second each. More would make them wait in vain.
pub(super) const BACKLOG: i32 = 1024;

/// How long handshakes that have begun may take to get through once new ones are dropped: some round
/// trips in a data centre.
#[cfg(target_os = "linux")]
const SETTLE: Duration = Duration::from_millis(10);

/// Drops packets whose flags are SYN without ACK. The filter of a TCP socket sees its packets from
/// the TCP header on, for IPv4 and IPv6 alike; the flags are its byte 13.
#[cfg(target_os = "linux")]
const fn drop_syn() -> [socket2::SockFilter; 5] {
    use socket2::SockFilter;
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

#[cfg(test)]
mod tests;
