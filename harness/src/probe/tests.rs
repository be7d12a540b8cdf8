//! The probe against a peer that is written out by hand.
//!
//! **Invariant:** the peer is the kernel's socket and nothing else, so what is seen is what came.

use std::io::{self, ErrorKind, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Manners, Probe, Seen, StreamSeen};
use crate::own_loopback;

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
        HTTP/1.1 500 Oh\r\nConnection: te\r\nConnection: TE, Close\r\n\r\nthe rest";
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
    let listener = TcpListener::bind(own_loopback()).await.unwrap();
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
    assert_eq!(probe.bytes(), "some bytes");
}

#[tokio::test]
async fn a_probe_that_resets_is_gone_at_once() {
    let (probe, mut server) = pair().await.unwrap();
    probe.reset().unwrap();
    let gone = server.read_u8().await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_goes_on_after_it_has_blocked() {
    let (probe, mut server) = pair().await.unwrap();
    let mut stream = probe.into_blocking().unwrap();
    stream.write_all(b"blocking").unwrap();
    let mut came = [0; 8];
    server.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"blocking");
    let mut probe = Probe::of(stream).unwrap();
    server.write_all(b"back").await.unwrap();
    probe.text("back").await;
}

#[tokio::test]
async fn the_rest_is_what_no_answer_has_taken() {
    let (mut probe, mut server) = pair().await.unwrap();
    let sent = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nonetwo";
    server.write_all(sent).await.unwrap();
    drop(server);
    assert_eq!(probe.answer().await.text(), "one");
    assert_eq!(probe.rest().await, ("two".into(), Seen::Fin));
}

/// GOAWAY up to stream 7 because of a protocol error; on stream 3 a status, two pieces of a body and
/// the end; on stream 5 RST_STREAM.
const FRAMES: &[u8] = b"\0\0\x0d\x07\0\0\0\0\0\0\0\0\x07\0\0\0\x01sorry\
    \0\0\x01\x01\x04\0\0\0\x03\x88\
    \0\0\x02\0\0\0\0\0\x03he\
    \0\0\x04\x03\0\0\0\0\x05\0\0\0\x08\
    \0\0\x03\0\x01\0\0\0\x03llo";

#[tokio::test]
async fn what_came_of_each_stream_is_told_apart() {
    let (mut probe, mut server) = pair().await.unwrap();
    probe.http2(Manners::Mute).await.unwrap();
    server.write_all(FRAMES).await.unwrap();
    let ended = StreamSeen {
        status: Some(200),
        body: "hello".into(),
        ended: true,
        reset: None,
    };
    assert_eq!(probe.streamed(3).await, ended);
    let reset = StreamSeen {
        reset: Some(8),
        ..StreamSeen::default()
    };
    assert_eq!(probe.stream(5), reset);
    assert_eq!(probe.stream(7), StreamSeen::default());
    assert_eq!(probe.goaways(), [(7, 1)]);
    let sorry = |seen: &Seen| matches!(seen, Seen::GoAway { debug, .. } if debug == "sorry");
    assert!(probe.seen().iter().any(sorry), "{:?}", probe.seen());
    assert_eq!(probe.bytes(), FRAMES);
}

#[tokio::test]
async fn manners_decide_what_is_answered() {
    // SETTINGS, then PING.
    const ASKED: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x06\0\0\0\0\x0012345678";
    const SETTLED: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";
    const PONG: &[u8] = b"\0\0\x08\x06\x01\0\0\0\x0012345678";
    for (manners, answered) in [
        (Manners::Polite, [SETTLED, PONG].concat()),
        (Manners::NoSettingsAck, PONG.to_vec()),
        (Manners::NoPong, SETTLED.to_vec()),
        (Manners::Mute, Vec::new()),
    ] {
        let (mut probe, mut server) = pair().await.unwrap();
        probe.http2(manners).await.unwrap();
        let mut preface = [0; 24 + 9 + 6];
        server.read_exact(&mut preface).await.unwrap();
        server.write_all(ASKED).await.unwrap();
        probe.next().await;
        probe.next().await;
        probe.finish().await.unwrap();
        let mut came = Vec::new();
        server.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, answered, "{manners:?}");
    }
}

#[tokio::test]
async fn an_upload_is_sent_piece_by_piece_its_window_widened_twice_and_its_stream_reset() {
    let (mut probe, mut server) = pair().await.unwrap();
    probe.http2(Manners::Mute).await.unwrap();
    let stream = probe.open_upload("/").await.unwrap();
    probe.send_data(stream, b"a", false).await.unwrap();
    probe.send_data(stream, b"b", true).await.unwrap();
    probe.widen(stream, 9).await.unwrap();
    probe.reset_stream(stream, 8).await.unwrap();
    probe.finish().await.unwrap();
    let mut came = Vec::new();
    server.read_to_end(&mut came).await.unwrap();
    let tail = b"\0\0\x01\0\0\0\0\0\x01a\0\0\x01\0\x01\0\0\0\x01b\
        \0\0\x04\x08\0\0\0\0\0\0\0\0\x09\0\0\x04\x08\0\0\0\0\x01\0\0\0\x09\
        \0\0\x04\x03\0\0\0\0\x01\0\0\0\x08";
    assert!(came.ends_with(tail), "{came:?}");
}
