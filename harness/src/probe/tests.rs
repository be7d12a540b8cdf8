//! The probe against a peer that is written out by hand.
//!
//! **Invariant:** the peer is the kernel's socket and nothing else, so what is seen is what came.

use std::io::{self, ErrorKind};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::{Probe, Seen};

/// A probe, and the other end of its connection.
async fn pair() -> io::Result<(Probe, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let probe = Probe::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    Ok((probe, server))
}

#[tokio::test]
async fn responses_are_taken_one_by_one_however_they_are_framed() {
    let (mut probe, mut server) = pair().await.unwrap();
    let sent = b"HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none\
        HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n1;x=y\r\n!\r\n0\r\n\r\n\
        HTTP/1.1 204 No Content\r\n\r\n\
        HTTP/1.1 500 Oh\r\nConnection: Close\r\n\r\nthe rest";
    // In the smallest pieces there are.
    let writing = tokio::spawn(async move {
        for byte in sent {
            server.write_all(&[*byte]).await.unwrap();
        }
    });
    let mut came = Vec::new();
    for _ in 0..4 {
        let answer = probe.answer().await;
        came.push((answer.status(), answer.text(), answer.head.closes()));
    }
    writing.await.unwrap();
    let expected = [
        (200, "one".into(), false),
        (201, "two!".into(), false),
        (204, String::new(), false),
        (500, "the rest".into(), true),
    ];
    assert_eq!(came, expected);
    assert_eq!(probe.seen().last(), Some(&Seen::Fin));
}

#[tokio::test]
async fn an_orderly_end_and_a_reset_are_told_apart() {
    let (mut probe, server) = pair().await.unwrap();
    drop(server);
    assert_eq!(probe.end().await, Seen::Fin);
    let (mut probe, server) = pair().await.unwrap();
    probe.send("unread").await.unwrap();
    server.readable().await.unwrap();
    // The kernel resets a connection that is closed with bytes unread.
    drop(server);
    assert_eq!(probe.end().await, Seen::Rst);
}

#[tokio::test]
async fn nobody_listening_is_an_error_of_the_system() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let refused = Probe::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn every_byte_that_came_is_kept() {
    let (mut probe, mut server) = pair().await.unwrap();
    server.write_all(b"some bytes").await.unwrap();
    drop(server);
    assert_eq!(probe.end().await, Seen::Fin);
    let mut bytes = Vec::new();
    for seen in probe.seen() {
        if let Seen::Bytes(came) = seen {
            bytes.extend_from_slice(came);
        }
    }
    assert_eq!(bytes, b"some bytes");
}
