//! The kernel's socket diagnostics, as far as one number of them is wanted (floor 1, Linux).
//!
//! Layout: `nlmsghdr` of netlink(7), `inet_diag_req_v2` and `inet_diag_msg` of sock_diag(7). Numbers
//! are in the machine's order, ports and addresses in the network's.
//!
//! **Invariant:** an answer is taken only for the question that was asked last.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// `SOCK_DIAG_BY_FAMILY`: the question's kind, and that of its answer.
const BY_FAMILY: u16 = 20;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `INET_DIAG_NOCOOKIE`: whichever socket has these addresses.
const ANY: [u8; 8] = [0xff; 8];

const HEADER: usize = 16;
const QUESTION: usize = HEADER + 56;
/// Where an answer has `idiag_wqueue`, and where an error has its number.
const QUEUED: usize = HEADER + 60;
const ERRNO: usize = HEADER;

#[derive(Debug)]
pub(super) struct Diagnostics {
    socket: OwnedFd,
    asked: u32,
}

impl Diagnostics {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let diagnostics = Some(netlink::SOCK_DIAG);
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            diagnostics,
        )?;
        Ok(Self { socket, asked: 0 })
    }

    pub(super) fn unacknowledged(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<u32> {
        self.asked = self.asked.wrapping_add(1);
        let question = question(self.asked, local, peer)?;
        // Not connected to anybody, so it goes to the kernel.
        send(&self.socket, &question, SendFlags::empty())?;
        let mut answer = [0; 512];
        loop {
            let (read, _) = recv(&self.socket, &mut answer, RecvFlags::empty())?;
            let answer = answer.get(..read).unwrap_or_default();
            let (kind, to) = (number(answer, 4)? & 0xffff, number(answer, 8)?);
            if to != self.asked {
                continue;
            }
            if kind == u32::from(BY_FAMILY) {
                return number(answer, QUEUED);
            }
            if kind != u32::from(ERROR) {
                return Err(ErrorKind::InvalidData.into());
            }
            let errno = number(answer, ERRNO)?.cast_signed().saturating_neg();
            return match Errno::from_raw_os_error(errno) {
                // Both sides have ended, or it was reset: nothing waits for anybody.
                Errno::NOENT => Ok(0),
                error => Err(error.into()),
            };
        }
    }
}

fn question(number: u32, local: SocketAddr, peer: SocketAddr) -> io::Result<Vec<u8>> {
    let family = match (local, peer) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => AddressFamily::INET,
        (SocketAddr::V6(_), SocketAddr::V6(_)) => AddressFamily::INET6,
        (SocketAddr::V4(_), SocketAddr::V6(_)) | (SocketAddr::V6(_), SocketAddr::V4(_)) => {
            return Err(ErrorKind::InvalidInput.into());
        }
    };
    let family = u8::try_from(family.as_raw()).map_err(|_| ErrorKind::InvalidInput)?;
    let scope = match peer {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(peer) => peer.scope_id(),
    };
    let length = u32::try_from(QUESTION).map_err(|_| ErrorKind::InvalidInput)?;
    let mut question = Vec::with_capacity(QUESTION);
    question.extend(length.to_ne_bytes());
    question.extend(BY_FAMILY.to_ne_bytes());
    question.extend(REQUEST.to_ne_bytes());
    question.extend(number.to_ne_bytes());
    // From whomever.
    question.extend([0; 4]);
    // No extensions; sockets in any state.
    question.extend([family, TCP, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    question.extend(local.port().to_be_bytes());
    question.extend(peer.port().to_be_bytes());
    question.extend(sixteen(local.ip()));
    question.extend(sixteen(peer.ip()));
    question.extend(scope.to_ne_bytes());
    question.extend(ANY);
    Ok(question)
}

/// An address in the room of an IPv6 one.
fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

fn number(bytes: &[u8], at: usize) -> io::Result<u32> {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk);
    four.map(|four| u32::from_ne_bytes(*four))
        .ok_or_else(|| ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    fn pair(loopback: &str) -> Option<(TcpStream, TcpStream)> {
        // A machine may have no IPv6.
        let listener = TcpListener::bind(loopback).ok()?;
        let mut at = listener.local_addr().unwrap();
        if at.ip().is_unspecified() {
            at = ([127, 0, 0, 1], at.port()).into();
        }
        let client = TcpStream::connect(at).unwrap();
        Some((listener.accept().unwrap().0, client))
    }

    fn ask(diagnostics: &mut Diagnostics, socket: &TcpStream) -> u32 {
        let (local, peer) = (socket.local_addr().unwrap(), socket.peer_addr().unwrap());
        diagnostics.unacknowledged(local, peer).unwrap()
    }

    #[test]
    fn what_a_peer_has_not_taken_is_counted_and_what_it_has_is_not() {
        // The last one listens for IPv4 on an IPv6 socket, so its addresses are mapped ones.
        for loopback in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Some((mut server, mut client)) = pair(loopback) else {
                continue;
            };
            let mut diagnostics = Diagnostics::open().unwrap();
            assert_eq!(ask(&mut diagnostics, &server), 0, "{loopback}");
            server.set_nonblocking(true).unwrap();
            let mut sent = 0;
            while let Ok(more) = server.write(&[b'x'; 65536]) {
                sent += more;
            }
            let left = ask(&mut diagnostics, &server) as usize;
            assert!(0 < left && left <= sent, "{loopback}: {left} of {sent}");
            server.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), sent);
            // The last acknowledgement is on its way.
            while ask(&mut diagnostics, &server) > 0 {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_connection_that_is_gone_waits_for_nobody() {
        let (server, client) = pair("127.0.0.1:0").unwrap();
        let (local, peer) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        drop((client, server));
        let mut diagnostics = Diagnostics::open().unwrap();
        assert!(diagnostics.unacknowledged(local, peer).unwrap() <= 1);
        let nobody = ([127, 0, 0, 1], 1).into();
        assert_eq!(diagnostics.unacknowledged(nobody, nobody).unwrap(), 0);
    }

    #[test]
    fn an_answer_to_an_earlier_question_is_passed_over() {
        let (mut server, _client) = pair("127.0.0.1:0").unwrap();
        let (local, peer) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        let mut diagnostics = Diagnostics::open().unwrap();
        // Asked, and never listened to.
        let stale = question(77, local, peer).unwrap();
        send(&diagnostics.socket, &stale, SendFlags::empty()).unwrap();
        server.set_nonblocking(true).unwrap();
        while server.write(&[b'x'; 65536]).is_ok() {}
        assert!(ask(&mut diagnostics, &server) > 0);
    }

    #[test]
    fn addresses_of_two_families_are_refused() {
        let mut diagnostics = Diagnostics::open().unwrap();
        let v4 = ([127, 0, 0, 1], 1).into();
        let v6 = "[::1]:1".parse().unwrap();
        let refused = diagnostics.unacknowledged(v4, v6).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }
}
