//! Listeners on Unix sockets (floor 1).
//!
//! **Invariant:** what somebody else made is never removed: neither what lies in the way and is no
//! dead socket, nor what has come in our place.
//! **Invariant:** no descriptor made here reaches a child process.

mod claim;

use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::UnixStream;

use self::claim::Claim;
use super::queue::is_dry;
use super::tcp::BACKLOG;
use super::{Addr, Listener};

/// A listener on a Unix socket, and its claim on the path if it has bound that itself.
#[derive(Debug)]
pub(crate) struct UnixListener {
    // Dropped first: nobody finds a path behind which nobody is.
    claim: Option<Claim>,
    inner: tokio::net::UnixListener,
}

impl UnixListener {
    /// Listens on `path`; a dead server's socket there is replaced. With `mode`, the file has these
    /// permissions before anybody can connect; without, those that the umask leaves.
    ///
    /// Must be called within the runtime that will accept.
    ///
    /// # Errors
    ///
    /// When the OS refuses, when something answers at the path, when what is there is no socket.
    pub(super) fn bind(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let addr = SockAddr::unix(path)?;
        // Close-on-exec from its birth on.
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let is_file = !path.as_os_str().as_encoded_bytes().starts_with(&[0]);
        match socket.bind(&addr) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_file => {
                claim::remove_dead(path, &addr)?;
                socket.bind(&addr)?;
            }
            bound => bound?,
        }
        // From here on an error must not leave the file behind.
        let claim = if is_file {
            Some(Claim::stake(path)?)
        } else {
            None
        };
        if let (Some(mode), true) = (mode, is_file) {
            std::fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        socket.listen(BACKLOG)?;
        Ok(Self {
            claim,
            ..Self::from_std(socket.into())?
        })
    }

    /// Takes over a bound listener. Its path is left to whoever bound it. Must be called within the
    /// runtime that will accept.
    pub(super) fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(listener).map(Self::from)
    }

    /// Leaves the path as it is at the end.
    pub(super) fn leave_path(&mut self) {
        if let Some(claim) = self.claim.take() {
            claim.leave();
        }
    }
}

impl From<tokio::net::UnixListener> for UnixListener {
    fn from(inner: tokio::net::UnixListener) -> Self {
        Self { inner, claim: None }
    }
}

impl Listener for UnixListener {
    type Io = UnixStream;

    async fn accept(&mut self) -> io::Result<(UnixStream, Addr)> {
        Listener::accept(&mut self.inner).await
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Listener::local_addr(&self.inner)
    }

    fn accept_queued(&mut self) -> io::Result<Option<(UnixStream, Addr)>> {
        Listener::accept_queued(&mut self.inner)
    }

    /// Removes the path: whoever comes now finds nobody, at once, and whoever has connected is in
    /// the queue.
    fn refuse_new(&mut self) -> io::Result<Duration> {
        drop(self.claim.take());
        Ok(Duration::ZERO)
    }
}

impl Listener for tokio::net::UnixListener {
    type Io = UnixStream;

    async fn accept(&mut self) -> io::Result<(UnixStream, Addr)> {
        let (stream, _) = Self::accept(self).await?;
        let peer = SockRef::from(&stream)
            .peer_addr()
            .map_or(Addr::Unix(None), |peer| addr_of(&peer));
        Ok((stream, peer))
    }

    fn local_addr(&self) -> io::Result<Addr> {
        let addr = SockRef::from(self).local_addr()?;
        Ok(addr_of(&addr))
    }

    fn accept_queued(&mut self) -> io::Result<Option<(UnixStream, Addr)>> {
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
        Ok(Some((UnixStream::from_std(socket.into())?, addr_of(&peer))))
    }

    // No `abort`: Unix sockets know no reset. What the framing of the protocol says is missing is
    // all that a peer can see of a cut.
}

fn addr_of(addr: &SockAddr) -> Addr {
    if let Some(path) = addr.as_pathname() {
        return Addr::Unix(Some(path.to_owned()));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = addr.as_abstract_namespace() {
        let name = String::from_utf8_lossy(name);
        return Addr::Unix(Some(PathBuf::from(format!("\0{name}"))));
    }
    Addr::Unix(None)
}

#[cfg(test)]
mod tests;
