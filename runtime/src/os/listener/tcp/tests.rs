//! TCP listeners on the loopback.

use super::*;
use std::io::{Read, Write};
use std::net::TcpStream as Client;
use tokio::io::AsyncWriteExt;

async fn bind(addr: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpNetwork.bind(&addr.parse().unwrap()).await.unwrap();
    let addr = Listener::local_addr(&listener).unwrap().tcp().unwrap();
    (listener, addr)
}

#[tokio::test]
async fn accepted_connections_send_without_delay_and_are_not_inherited() {
    let (mut listener, addr) = bind("127.0.0.1:0").await;
    let client = Client::connect(addr).unwrap();
    let (stream, peer) = Listener::accept(&mut listener).await.unwrap();
    assert_eq!(peer, Addr::Tcp(client.local_addr().unwrap()));
    let second = Client::connect(addr).unwrap();
    let (queued, _) = next_queued(&mut listener);
    for stream in [&stream, &queued] {
        assert!(stream.nodelay().unwrap());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert_eq!(
            SockRef::from(stream).tcp_notsent_lowat().unwrap(),
            16 * 1024
        );
        let flags = rustix::io::fcntl_getfd(stream).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
    let flags = rustix::io::fcntl_getfd(&listener.inner).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    drop(second);
}

/// The kernel may be late to queue what a client takes for made.
fn next_queued(listener: &mut TcpListener) -> (TcpStream, Addr) {
    loop {
        if let Some(queued) = listener.accept_queued().unwrap() {
            return queued;
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn the_queue_is_emptied_without_waiting_for_the_runtime() {
    let (mut listener, addr) = bind("127.0.0.1:0").await;
    assert!(listener.accept_queued().unwrap().is_none());
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(addr).unwrap()).collect();
    for client in &mut clients {
        // The runtime has not been asked since they came.
        let (mut stream, peer) = next_queued(&mut listener);
        assert_eq!(peer, Addr::Tcp(client.local_addr().unwrap()));
        client.write_all(b"hello").unwrap();
        stream.readable().await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut bytes = [0; 5];
        client.read_exact(&mut bytes).unwrap();
    }
    assert!(listener.accept_queued().unwrap().is_none());
}

#[tokio::test]
async fn the_port_of_a_listener_that_is_gone_can_be_taken_at_once() {
    let (mut listener, addr) = bind("127.0.0.1:0").await;
    let mut client = Client::connect(addr).unwrap();
    let (stream, _) = Listener::accept(&mut listener).await.unwrap();
    // Our side closes first, so the address stays in TIME_WAIT.
    drop((stream, listener));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    let (_listener, again) = bind(&addr.to_string()).await;
    assert_eq!(again, addr);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[tokio::test]
async fn the_kernel_takes_little_more_than_a_client_fetches() {
    let (mut listener, addr) = bind("127.0.0.1:0").await;
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
    // What it may be sent before it reads.
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.connect(&addr.into()).unwrap();
    let mut client = Client::from(socket);
    let (stream, _) = Listener::accept(&mut listener).await.unwrap();
    let mut taken = 0;
    stream.writable().await.unwrap();
    while let Ok(more) = stream.try_write(&[b'l'; 64 * 1024]) {
        taken += more;
    }
    // Otherwise it is more than 2 MB.
    assert!(taken <= 512 * 1024, "{taken} bytes");
    let mut fetched = client.read(&mut [0; 64 * 1024]).unwrap();
    while fetched < taken {
        fetched += client.read(&mut vec![0; taken - fetched]).unwrap();
    }
    // Whoever waits for room hears that there is some.
    stream.writable().await.unwrap();
    assert!(stream.try_write(b"l").is_ok());
}

#[tokio::test]
async fn an_aborted_connection_ends_by_a_reset() {
    let (mut listener, addr) = bind("127.0.0.1:0").await;
    let mut client = Client::connect(addr).unwrap();
    let (stream, _) = Listener::accept(&mut listener).await.unwrap();
    <TcpListener as Listener>::abort(&stream).unwrap();
    drop(stream);
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[cfg(target_os = "linux")]
mod refusing {
    use super::*;

    /// Begins to connect and does not wait.
    fn begin(addr: SocketAddr) -> Socket {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let began = socket.connect(&addr.into()).unwrap_err();
        assert_eq!(
            began.raw_os_error(),
            Some(rustix::io::Errno::INPROGRESS.raw_os_error())
        );
        socket
    }

    /// The loopback has carried everything that was sent before.
    fn settled(addr: SocketAddr) {
        let other = std::net::TcpListener::bind((addr.ip(), 0)).unwrap();
        let client = Client::connect(other.local_addr().unwrap()).unwrap();
        drop((other.accept().unwrap(), client));
    }

    async fn refuses(loopback: &str) {
        let (mut listener, addr) = bind(loopback).await;
        let shared =
            std::net::TcpListener::from(SockRef::from(&listener.inner).try_clone().unwrap());
        // Connected before, not yet accepted.
        let early = Client::connect(addr).unwrap();
        assert!(listener.refuse_new().unwrap() > Duration::ZERO);
        let late = begin(addr);
        settled(addr);
        assert_eq!(
            late.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        let (_, peer) = next_queued(&mut listener);
        assert_eq!(peer, Addr::Tcp(early.local_addr().unwrap()));
        assert!(listener.accept_queued().unwrap().is_none());
        drop((listener, late));
        // Whoever shares the socket can still be reached.
        let after = Client::connect(addr).unwrap();
        shared.set_nonblocking(false).unwrap();
        let peers = std::iter::repeat_with(|| shared.accept().unwrap().1);
        let mut peers = peers.take(2);
        assert!(peers.any(|peer| peer == after.local_addr().unwrap()));
    }

    #[tokio::test]
    async fn new_connections_are_refused_and_made_ones_kept_until_the_listener_is_gone() {
        refuses("127.0.0.1:0").await;
        // A machine may have no IPv6.
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            refuses("[::1]:0").await;
        }
    }
}

#[tokio::test]
async fn all_ipv6_addresses_are_all_ipv4_addresses_too_and_clients_have_their_own() {
    // A machine may have no IPv6.
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let (mut listener, addr) = bind("[::]:0").await;
    let only_v6 = SockRef::from(&listener.inner).only_v6().unwrap();
    assert!(!only_v6);
    for loopback in ["127.0.0.1", "[::1]"] {
        let client = Client::connect(format!("{loopback}:{}", addr.port())).unwrap();
        let (_, peer) = Listener::accept(&mut listener).await.unwrap();
        assert_eq!(peer, Addr::Tcp(client.local_addr().unwrap()));
        let client = Client::connect(format!("{loopback}:{}", addr.port())).unwrap();
        let (_, peer) = next_queued(&mut listener);
        assert_eq!(peer, Addr::Tcp(client.local_addr().unwrap()));
    }
}
