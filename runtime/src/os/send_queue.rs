//! What the kernel still holds of what was sent, of a connection whose addresses are known (floor 1).
//!
//! No event tells that everything is acknowledged, and the call that asks (`SIOCOUTQ`, tcp(7)) has no
//! safe wrapper. So the question is put as `ss` puts it: one message to the kernel's socket
//! diagnostics about one connection (sock_diag(7)), which answers before the send returns. It takes
//! no privilege. Where the platform, a container's filter or a unit's settings do not allow it,
//! nobody knows.
//!
//! **Invariant:** nothing here waits.

use std::io;
use std::net::SocketAddr;

#[cfg(target_os = "linux")]
mod diagnostics;

/// Asks the kernel about send queues. Holds one descriptor.
#[derive(Debug)]
pub(crate) struct SendQueues {
    #[cfg(target_os = "linux")]
    diagnostics: diagnostics::Diagnostics,
}

impl SendQueues {
    /// A way to ask.
    ///
    /// # Errors
    ///
    /// Where there is none: on systems other than Linux, and where it is forbidden.
    pub(crate) fn open() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        return Ok(Self {
            diagnostics: diagnostics::Diagnostics::open()?,
        });
        #[cfg(not(target_os = "linux"))]
        return Err(io::ErrorKind::Unsupported.into());
    }

    /// How many bytes of a TCP connection of this process are sent or to be sent, and not
    /// acknowledged; the end of its side counts as one. 0 for a connection that is gone.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer that.
    pub(crate) fn unacknowledged(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<u32> {
        #[cfg(target_os = "linux")]
        return self.diagnostics.unacknowledged(local, peer);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (local, peer);
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
