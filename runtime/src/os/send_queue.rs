//! What the kernel still holds of what a TCP socket has sent (floor 1).
//!
//! No event tells that everything is acknowledged; one call asks for it (`SIOCOUTQ`, tcp(7)). It has
//! no safe wrapper in any library at hand, so this file says `unsafe`, for that one call. The other
//! way, the kernel's socket diagnostics over netlink, costs six calls and a descriptor, and is
//! forbidden in many a container.
//!
//! **Invariant:** nothing here waits.

use std::io;

use tokio::net::TcpStream;

/// How many bytes of this connection are sent or to be sent, and not acknowledged; the end of its side
/// counts as one.
///
/// # Errors
///
/// Where the kernel has no answer: on systems other than Linux, and where its number is not known here.
#[cfg(target_os = "linux")]
pub(crate) fn unacknowledged(socket: &TcpStream) -> io::Result<u32> {
    use std::ffi::c_int;

    use rustix::ioctl::{Getter, Opcode, ioctl};

    /// `SIOCOUTQ`, as `asm-generic/ioctls.h` has it.
    const OUTQ: Opcode = 0x5411;

    /// The machines that take their numbers from there.
    const KNOWN: bool = cfg!(any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "loongarch64",
        target_arch = "riscv64",
        target_arch = "s390x",
    ));

    if !KNOWN {
        return Err(io::ErrorKind::Unsupported.into());
    }
    #[expect(
        unsafe_code,
        reason = "the type system cannot know what a call of this number writes"
    )]
    // SAFETY: of a socket of TCP it writes one `int`, which is what the getter has room for, and does
    // nothing else (`tcp_ioctl` of the kernel); a `TcpStream` is such a socket, and open.
    let left: c_int = unsafe { ioctl(socket, Getter::<OUTQ, c_int>::new()) }?;
    u32::try_from(left).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// As above, where nobody answers.
#[cfg(not(target_os = "linux"))]
pub(crate) fn unacknowledged(_: &TcpStream) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair(loopback: &str) -> Option<(TcpStream, TcpStream)> {
        // A machine may have no IPv6.
        let listener = TcpListener::bind(loopback).await.ok()?;
        let mut at = listener.local_addr().unwrap();
        if at.ip().is_unspecified() {
            at = ([127, 0, 0, 1], at.port()).into();
        }
        let client = TcpStream::connect(at).await.unwrap();
        Some((listener.accept().await.unwrap().0, client))
    }

    #[tokio::test]
    async fn what_a_peer_has_not_taken_is_counted_and_what_it_has_is_not() {
        // The last one listens for IPv4 on an IPv6 socket, so its addresses are mapped ones.
        for loopback in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Some((mut server, mut client)) = pair(loopback).await else {
                continue;
            };
            assert_eq!(unacknowledged(&server).unwrap(), 0, "{loopback}");
            let mut sent = 0;
            server.writable().await.unwrap();
            while let Ok(more) = server.try_write(&[b'x'; 65536]) {
                sent += more;
            }
            let left = unacknowledged(&server).unwrap() as usize;
            assert!(0 < left && left <= sent, "{loopback}: {left} of {sent}");
            server.shutdown().await.unwrap();
            // The end is one more.
            let with_end = unacknowledged(&server).unwrap() as usize;
            assert!(0 < with_end && with_end <= sent + 1, "{loopback}");
            assert_eq!(client.read_to_end(&mut Vec::new()).await.unwrap(), sent);
            // The last acknowledgement is on its way.
            while unacknowledged(&server).unwrap() > 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}
