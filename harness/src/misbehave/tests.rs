//! Each client that misbehaves, as the other end of its connection sees it.
//!
//! **Invariant:** the other end is the kernel's socket and nothing else.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::Instant;

use super::slow::check_pace;
use super::*;
use crate::within;

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Clients of a socket that somebody listens on.
async fn listening() -> io::Result<(Misbehave, TcpListener)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok((Misbehave::towards(listener.local_addr()?), listener))
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    within("a client", listener.accept()).await.unwrap().0
}

/// Everything up to the end of the client's side.
async fn all(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    within("the client's end", stream.read_to_end(&mut bytes)).await?;
    Ok(bytes)
}

async fn exactly<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    let read = stream.read_exact(&mut bytes);
    within("bytes of the client", read).await.unwrap();
    bytes
}

#[test]
fn half_a_head_is_none_and_with_its_rest_it_is_one() {
    let mut fields = [httparse::EMPTY_HEADER; 4];
    let mut request = httparse::Request::new(&mut fields);
    assert!(request.parse(HALF_A_HEAD.as_bytes()).unwrap().is_partial());
    let whole = [HALF_A_HEAD, REST_OF_HEAD].concat();
    let mut request = httparse::Request::new(&mut fields);
    let length = request.parse(whole.as_bytes()).unwrap();
    assert_eq!(length, httparse::Status::Complete(whole.len()));
}

#[tokio::test]
async fn each_says_what_it_is_named_after_and_ends_when_it_is_dropped() {
    let (misbehave, listener) = listening().await.unwrap();
    let head = "POST /up HTTP/1.1\r\nhost: probe\r\ncontent-length: 1024\r\n\r\n";
    let half_a_body = [head, &"x".repeat(512)].concat();
    for (probe, said) in [
        (misbehave.silent().await, ""),
        (misbehave.half_a_head().await, HALF_A_HEAD),
        (misbehave.half_a_preface().await, HALF_A_PREFACE),
        (misbehave.half_a_body("/up").await, &half_a_body),
        (
            misbehave.never_reading("/down").await,
            "GET /down HTTP/1.1\r\nhost: probe\r\n\r\n",
        ),
    ] {
        drop(probe);
        let came = all(&mut accepted(&listener).await).await.unwrap();
        assert_eq!(String::from_utf8(came).unwrap(), said);
    }
}

#[tokio::test]
async fn one_that_half_closes_reads_on() {
    let (misbehave, listener) = listening().await.unwrap();
    let mut probe = misbehave.half_closing("/").await;
    let mut server = accepted(&listener).await;
    let came = all(&mut server).await.unwrap();
    assert!(came.ends_with(b"host: probe\r\n\r\n"), "{came:?}");
    server.write_all(b"still here").await.unwrap();
    probe.text("still here").await;
}

#[tokio::test]
async fn one_that_resets_is_no_orderly_end() {
    let (misbehave, listener) = listening().await.unwrap();
    misbehave.reset_mid_request("/up").await;
    let mut server = accepted(&listener).await;
    let error = all(&mut server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_that_sending_ran_into_is_seen_as_one() {
    let (misbehave, listener) = listening().await.unwrap();
    let mut probe = misbehave.half_a_head().await;
    let server = accepted(&listener).await;
    server.readable().await.unwrap();
    // With bytes unread, which makes it a reset.
    drop(server);
    let error = loop {
        if let Err(error) = probe.send("more").await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(probe.end().await, Seen::Rst);
}

/// The SETTINGS of a client, behind the preface.
async fn settings(server: &mut TcpStream) -> Vec<u8> {
    assert!(exactly::<24>(server).await.starts_with(b"PRI "));
    let [0, 0, length, 4, 0, 0, 0, 0, 0] = exactly::<9>(server).await else {
        panic!("no SETTINGS")
    };
    let mut settings = vec![0; usize::from(length)];
    server.read_exact(&mut settings).await.unwrap();
    settings
}

/// SETTINGS, and the acknowledgement of the client's.
const SETTLED: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";

#[tokio::test]
async fn one_that_never_grants_has_no_window_at_all() {
    let (misbehave, listener) = listening().await.unwrap();
    let client = tokio::spawn(misbehave.never_granting("/"));
    let mut server = accepted(&listener).await;
    let settings = settings(&mut server).await;
    assert_eq!(settings, [0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    server.write_all(SETTLED).await.unwrap();
    drop(within("the client", client).await.unwrap());
    let came = all(&mut server).await.unwrap();
    // HEADERS on stream 1, behind the acknowledgement of SETTINGS; no WINDOW_UPDATE.
    let kinds = [came[3], came[9 + 3]];
    assert_eq!((kinds, &came[9 + 5..9 + 9]), ([4, 1], &[0, 0, 0, 1][..]));
    assert_eq!(came.len(), 9 + 9 + usize::from(came[9 + 2]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_writer_sends_its_chunks_at_its_pace() {
    let (misbehave, listener) = listening().await.unwrap();
    let plan = SlowWriter::new("0123456789").chunk(4).every(millis(250));
    let slow = misbehave.slow_writer(plan).await;
    let begun = Instant::now();
    for (sent, passed) in [(4, 0), (8, 250), (10, 500)] {
        slow.has_sent(sent).await;
        assert_eq!((slow.sent(), begun.elapsed()), (sent, millis(passed)));
    }
    let mut server = accepted(&listener).await;
    assert_eq!(&exactly::<10>(&mut server).await, b"0123456789");
    // It reads at once what comes meanwhile, and goes when it is dropped.
    server.write_all(b"enough").await.unwrap();
    drop(server);
    assert_eq!(slow.end().await, Seen::Fin);
    let came = slow.hurry().bytes();
    assert_eq!(came, "enough");
}

#[tokio::test]
async fn a_slow_client_ends_when_it_is_dropped() {
    let (misbehave, listener) = listening().await.unwrap();
    let slow = misbehave.slow_writer(SlowWriter::get("/")).await;
    let mut server = accepted(&listener).await;
    slow.has_sent(1).await;
    drop(slow);
    assert_eq!(all(&mut server).await.unwrap(), b"G");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_takes_no_more_than_it_says_and_no_sooner() {
    let (misbehave, listener) = listening().await.unwrap();
    let plan = SlowReader::get("/").take(100).every(millis(50));
    let slow = misbehave.slow_reader(plan).await;
    let begun = Instant::now();
    let mut server = accepted(&listener).await;
    server.write_all(&[b'x'; 1000]).await.unwrap();
    drop(server);
    slow.has_taken(1000).await;
    assert!(begun.elapsed() >= millis(450), "{:?}", begun.elapsed());
    // The request that nobody has read makes it a reset.
    assert!(slow.end().await.is_end());
    for seen in slow.seen() {
        let length = if let Seen::Bytes(bytes) = &seen {
            bytes.len()
        } else {
            0
        };
        assert!(length <= 100, "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_http2_grants_no_more_than_it_says() {
    let (misbehave, listener) = listening().await.unwrap();
    let plan = SlowReader::get("/")
        .http2(3000)
        .take(1000)
        .every(millis(50));
    let client = tokio::spawn(misbehave.slow_reader(plan));
    let mut server = accepted(&listener).await;
    let settings = settings(&mut server).await;
    assert_eq!(settings, [0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0x0b, 0xb8]);
    let slow = within("the client", client).await.unwrap();
    // 2500 bytes on stream 1.
    let mut data = b"\0\x09\xc4\0\0\0\0\0\x01".to_vec();
    data.resize(data.len() + 2500, b'x');
    server.write_all(SETTLED).await.unwrap();
    server.write_all(&data).await.unwrap();
    slow.has_taken(2500).await;
    let probe = slow.hurry();
    assert_eq!(probe.stream(1).body.len(), 2500);
    assert_eq!(probe.bytes().len(), SETTLED.len() + data.len());
    drop(probe);
    let came = all(&mut server).await.unwrap();
    // WINDOW_UPDATE, of the connection and of the stream, for what was taken each time.
    let mut granted = Vec::new();
    let mut rest = &came[..];
    while let [0, 0, length, kind, _, _, _, _, stream, tail @ ..] = rest {
        let (payload, next) = tail.split_at(usize::from(*length));
        if *kind == 8 {
            granted.push((*stream, u32::from_be_bytes(payload.try_into().unwrap())));
        }
        rest = next;
    }
    let expected = [
        (0, 1000),
        (1, 1000),
        (0, 1000),
        (1, 1000),
        (0, 500),
        (1, 500),
    ];
    assert_eq!(granted, expected);
}

#[test]
fn no_pace_is_refused_with_what_is_allowed() {
    assert_eq!(check_pace(1, millis(1)), Ok(()));
    let error = check_pace(0, millis(1)).unwrap_err();
    assert!(error.contains("allowed is 1 or more"), "{error}");
    let error = check_pace(1, Duration::ZERO).unwrap_err();
    assert!(error.contains("allowed is more than none"), "{error}");
}

#[tokio::test]
async fn a_storm_keeps_its_connections_or_ends_them() {
    let (misbehave, listener) = listening().await.unwrap();
    for afterwards in [Afterwards::Keep, Afterwards::Close, Afterwards::Reset] {
        let mut storm = misbehave.storm(50, afterwards).await;
        assert_eq!((storm.connected, storm.refused), (50, 0));
        let kept = if afterwards == Afterwards::Keep {
            50
        } else {
            0
        };
        assert_eq!(storm.kept.len(), kept);
        for probe in &mut storm.kept {
            probe.send("!").await.unwrap();
        }
        drop(storm);
        let ended = match afterwards {
            Afterwards::Keep => Ok(b"!".to_vec()),
            Afterwards::Close => Ok(Vec::new()),
            Afterwards::Reset => Err(ErrorKind::ConnectionReset),
        };
        for _ in 0..50 {
            let end = all(&mut accepted(&listener).await).await;
            assert_eq!(end.map_err(|error| error.kind()), ended, "{afterwards:?}");
        }
    }
}

#[tokio::test]
async fn a_storm_on_a_door_that_is_shut_is_refused_to_the_last() {
    let (misbehave, listener) = listening().await.unwrap();
    drop(listener);
    let storm = misbehave.storm(20, Afterwards::Keep).await;
    assert_eq!((storm.connected, storm.refused), (0, 20));
}

/// The path of a socket that is gone at the end.
struct Path(PathBuf);

impl Path {
    fn new(name: &str) -> Self {
        let process = std::process::id();
        Self(std::env::temp_dir().join(format!("lamplighter-{name}-{process}.sock")))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[tokio::test]
async fn all_of_it_works_over_a_unix_socket() {
    let path = Path::new("misbehave");
    let listener = UnixListener::bind(&path.0).unwrap();
    let misbehave = Misbehave::towards(Addr::Unix(Some(path.0.clone())));
    let probe = misbehave.half_a_head().await;
    let error = probe.local_addr().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let slow = misbehave
        .slow_writer(SlowWriter::new("slow").chunk(4))
        .await;
    slow.has_sent(4).await;
    drop((probe, slow));
    misbehave.reset_mid_request("/").await;
    let storm = misbehave.storm(2, Afterwards::Close).await;
    assert_eq!(storm.connected, 2);
    let half = "POST / HTTP/1.1\r\nhost: probe\r\ncontent-length: 1024\r\n\r\n";
    for said in [HALF_A_HEAD, "slow", half, "", ""] {
        let (mut server, _) = within("a client", listener.accept()).await.unwrap();
        let mut text = String::new();
        within("its end", server.read_to_string(&mut text))
            .await
            .unwrap();
        assert_eq!(text.trim_end_matches('x'), said);
    }
}

/// How many bytes the kernels take for a client that does not read.
async fn fills(server: TcpStream) -> usize {
    rustix::net::sockopt::set_socket_send_buffer_size(&server, 16 * 1024).unwrap();
    let mut taken = 0;
    server.writable().await.unwrap();
    while let Ok(more) = server.try_write(&[b'x'; 4096]) {
        taken += more;
    }
    taken
}

#[tokio::test]
async fn one_that_never_reads_has_less_room_than_others() {
    let (misbehave, listener) = listening().await.unwrap();
    let _other = misbehave.silent().await;
    let room = fills(accepted(&listener).await).await;
    let _narrow = misbehave.never_reading("/").await;
    let narrow = fills(accepted(&listener).await).await;
    let plan = SlowReader::get("/").every(Duration::from_secs(3600));
    let _slow = misbehave.slow_reader(plan).await;
    let slow = fills(accepted(&listener).await).await;
    // What the server's own kernel takes is the same for each.
    assert!(narrow + 16 * 1024 < room, "{narrow} and {room}");
    assert!(slow + 16 * 1024 < room, "{slow} and {room}");
}
