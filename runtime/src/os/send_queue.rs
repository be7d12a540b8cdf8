//! What the kernel still holds of what a TCP socket has sent (floor 1).
//!
//! No event tells that everything is acknowledged; one call asks for it (`SIOCOUTQ`, tcp(7)), and one of
//! its like how much is to be sent. They have no safe wrapper in any library at hand, so this file says
//! `unsafe`, in one place for both. The other way, the kernel's socket diagnostics over netlink, costs six calls and a descriptor, and is
//! forbidden in many a container.
//!
//! That everything is sent is told by an event, if it is asked for: with a mark of one byte
//! (`TCP_NOTSENT_LOWAT`) a socket has room to write as soon as nothing waits to be sent.
//!
//! **Invariant:** nothing here waits.

use std::io;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

/// How many bytes of this connection are sent or to be sent, and not acknowledged; the end of its side
/// counts as one.
///
/// # Errors
///
/// Where the kernel has no answer: on systems other than Linux, and where its number is not known here.
pub(crate) fn unacknowledged(socket: &TcpStream) -> io::Result<u32> {
    // `SIOCOUTQ`, as `asm-generic/ioctls.h` has it.
    queued::<0x5411>(socket)
}

/// How many bytes of this connection are to be sent; the end of its side counts as one.
///
/// # Errors
///
/// As above.
pub(crate) fn unsent(socket: &TcpStream) -> io::Result<u32> {
    // `SIOCOUTQNSD`, as `linux/sockios.h` has it.
    queued::<0x894b>(socket)
}

#[cfg(target_os = "linux")]
use rustix::ioctl::Opcode;

/// How long one of the two queues is that these numbers stand for.
#[cfg(target_os = "linux")]
fn queued<const QUEUE: Opcode>(socket: &TcpStream) -> io::Result<u32> {
    use std::ffi::c_int;

    use rustix::ioctl::{Getter, ioctl};

    /// The machines that take the numbers from there.
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
    // SAFETY: of a socket of TCP each of the two calls writes one `int`, which is what the getter has room
    // for, and does nothing else (`tcp_ioctl` of the kernel); a `TcpStream` is such a socket, and open.
    let left: c_int = unsafe { ioctl(socket, Getter::<QUEUE, c_int>::new()) }?;
    u32::try_from(left).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// As above, where nobody answers.
#[cfg(not(target_os = "linux"))]
fn queued<const QUEUE: u32>(_: &TcpStream) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How much the kernel takes of a connection before it has sent what it took before
/// (`TCP_NOTSENT_LOWAT`, tcp(7)): as much as a frame of HTTP/2 carries by default (RFC 9113, 4.2).
///
/// Without a limit it takes megabytes for a slow reader. An answer would then be finished, and a stop
/// over, seconds before its client has it; what nobody has fetched by then is lost as soon as an HTTP/2
/// client speaks to the closed socket, or the network of a container ends. With it such an answer
/// stays in flight, its frames do not queue behind what was said before, and a reader that takes nothing
/// costs the kernel less. 2 GiB over the loopback took as long as without (3.3 GB/s over HTTP/1, 1.7 over
/// HTTP/2), with a quarter more of processor time over HTTP/1 and no more over HTTP/2, 50 MB over a line
/// with a round trip of 10 ms as well (110 MB/s); what is sent at once, as short answers are, never meets it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_UNSENT: u32 = 16 * 1024;

/// From here on the kernel takes so little of what it has not sent; without effect elsewhere than on Linux.
pub(crate) fn limit_unsent(socket: &TcpStream) {
    // Fails only on a connection that is gone, which will show by itself.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    drop(socket2::SockRef::from(socket).set_tcp_notsent_lowat(MOST_UNSENT));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = socket;
}

/// From here on the kernel takes what it has room for, and tells whoever waits to write.
pub(crate) fn unlimit_unsent(socket: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    drop(socket2::SockRef::from(socket).set_tcp_notsent_lowat(u32::MAX));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = socket;
}

/// Ready when the kernel has sent all that it was given, or nobody can tell. While it is not, the socket
/// takes nothing, until one of the two above says otherwise.
#[cfg(target_os = "linux")]
pub(crate) fn poll_sent(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    use std::task::ready;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use socket2::SockRef;
    use tokio::io::Interest;

    // Asking makes the kernel tell of the change, too.
    let is_sent = || {
        let mut asked = [PollFd::new(socket, PollFlags::OUT)];
        poll(&mut asked, Some(&Timespec::default())) != Ok(0)
    };
    if SockRef::from(socket).set_tcp_notsent_lowat(1).is_err() {
        return Poll::Ready(());
    }
    while !is_sent() {
        if ready!(socket.poll_write_ready(cx)).is_err() {
            break;
        }
        let room = || match is_sent() {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        };
        // What the runtime takes for room is from before.
        drop(socket.try_io(Interest::WRITABLE, room));
    }
    limit_unsent(socket);
    Poll::Ready(())
}

/// As above, where nobody can tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn poll_sent(_: &TcpStream, _: &mut Context<'_>) -> Poll<()> {
    Poll::Ready(())
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
    async fn all_is_sent_when_the_peer_has_room_for_it_and_whoever_waits_hears_of_it() {
        let (server, mut client) = pair("127.0.0.1:0").await.unwrap();
        let mut sent = tokio_test::task::spawn(std::future::poll_fn(|cx| poll_sent(&server, cx)));
        assert!(sent.poll().is_ready());
        let mut bytes = 0;
        server.writable().await.unwrap();
        while let Ok(more) = server.try_write(&[b'x'; 65536]) {
            bytes += more;
        }
        assert!(sent.poll().is_pending());
        // Nor is there room for more, unless somebody says so.
        let room = server.try_write(b"x").unwrap_err();
        assert_eq!(room.kind(), io::ErrorKind::WouldBlock);
        client.read_exact(&mut vec![0; bytes]).await.unwrap();
        while !sent.is_woken() {
            tokio::task::yield_now().await;
        }
        assert!(sent.poll().is_ready());
        assert!(server.try_write(b"x").is_ok());
        // Of one that is gone nobody waits for anything.
        while server.try_write(&[b'x'; 65536]).is_ok() {}
        drop(client);
        std::future::poll_fn(|cx| poll_sent(&server, cx)).await;
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
            let unsent = unsent(&server).unwrap() as usize;
            assert!(
                0 < unsent && unsent <= left,
                "{loopback}: {unsent} of {left}"
            );
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
