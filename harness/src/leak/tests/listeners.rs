//! Listeners that stay open, and files of theirs that stay.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use lamplighter::{Addr, Bind, Hook, Listener, Network, Server};

use super::{Life, app};
use crate::ephemeral::Ephemeral;
use crate::leak::Leak;
use crate::leak::ports::Ports;

#[tokio::test]
async fn a_listener_that_somebody_keeps_open_is_a_leak_of_its_port() {
    let ports = Ports::default();
    let network = Ephemeral::entering(ports.clone());
    let addr = Addr::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = network.bind(&addr).await.unwrap();
    let addr = listener.local_addr().unwrap().tcp().unwrap();
    let kept = listener.as_fd().try_clone_to_owned().unwrap();
    drop(listener);
    assert_eq!(ports.left(), [Leak::Port(addr)]);
    drop(kept);
    assert_eq!(ports.left(), []);
}

#[tokio::test]
async fn a_port_that_another_server_has_taken_since_is_none() {
    let ports = Ports::default();
    let network = Ephemeral::entering(ports.clone());
    for ip in ["127.0.0.1:0", "[::1]:0"] {
        let addr = Addr::Tcp(ip.parse().unwrap());
        let listener = network.bind(&addr).await.unwrap();
        let addr = listener.local_addr().unwrap().tcp().unwrap();
        assert_eq!(ports.left(), [Leak::Port(addr)]);
        drop(listener);
        let _other = std::net::TcpListener::bind(addr).unwrap();
        assert_eq!(ports.left(), []);
    }
}

#[test]
fn a_unix_socket_that_is_still_there_is_a_leak() {
    let directory = std::env::temp_dir().join(format!("lamp-leak-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (ours, theirs) = (directory.join("ours"), directory.join("theirs"));
    let mut life = Life::leaky();
    life.ledger.unix(ours.clone());
    life.ledger.unix(theirs.clone());
    let server = Server::new(app())
        .listen(Bind::from(0))
        .listen(Bind::unix(&ours))
        .listen(Bind::unix(&theirs));
    // Somebody puts another one in its place, which is not the server's to remove.
    let taken = theirs.clone();
    let replaces = async move || {
        let _gone = std::fs::remove_file(&taken);
        std::os::unix::net::UnixListener::bind(&taken).map(drop)
    };
    server.hook(Hook::new(replaces)).unwrap();
    let (report, said) = life.judge(server, async |_| ());
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(report.is_clean(), "{report}");
    let theirs = theirs.display();
    assert_eq!(
        said,
        format!("it leaked: the Unix socket {theirs} is still there")
    );
}
