//! What the network of turmoil does, seen from both of its ends.

use lamplighter::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::super::net::{TurmoilDial, TurmoilListener};
use super::stage::{Stage, accepted};
use super::{WINDOW, millis};
use crate::host::Dial;
use crate::scenario::AcceptFault;

#[test]
fn a_connection_takes_a_round_trip_and_is_accepted_when_its_first_bytes_may_come() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        tell.say("accepted");
        tell.read(&mut io).await;
    });
    stage.client(0, |dial, tell| async move {
        let mut io = dial.dial().await.unwrap();
        tell.say("connected");
        io.write_all(b"abc").await.unwrap();
        sleep(millis(4)).await;
        io.shutdown().await.unwrap();
        io.shutdown().await.unwrap();
        std::future::pending().await
    });
    assert_eq!(
        stage.after(50),
        [
            "   5 client connected",
            "   7 server accepted",
            "   7 server 3",
            "  11 server fin"
        ]
    );
}

#[test]
fn where_nobody_listens_a_client_is_refused_after_a_round_trip() {
    let mut stage = Stage::new();
    stage.client(0, |dial, tell| async move {
        tell.say(dial.dial().await.unwrap_err().kind());
    });
    assert_eq!(stage.after(50), ["   5 client connection refused"]);
}

#[test]
fn who_waits_in_a_queue_is_taken_or_turned_away_at_the_end() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        assert!(listener.accept_queued().unwrap().is_none());
        sleep(millis(20)).await;
        while let Some((io, _)) = listener.accept_queued().unwrap() {
            tell.say(format!("took client {}", io.client()));
            if io.client() == 1 {
                break;
            }
        }
        drop(listener);
    });
    for client in 0..3 {
        stage.client(client, move |dial, tell| async move {
            sleep(millis(client.into())).await;
            let mut io = dial.dial().await.unwrap();
            tell.say(format!("{client} connected"));
            tell.read(&mut io).await;
        });
    }
    assert_eq!(
        stage.after(50),
        [
            "   5 client 0 connected",
            "   6 client 1 connected",
            "   7 client 2 connected",
            "  20 server took client 0",
            "  20 server took client 1",
            "  22 client fin",
            "  22 client connection reset",
            "  22 client fin",
        ]
    );
}

#[test]
fn an_accept_fails_only_where_somebody_waits() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        for _ in 0..4 {
            match listener.accept().await {
                Ok((io, _)) => tell.say(format!("took client {}", io.client())),
                Err(error) => tell.say(
                    error
                        .raw_os_error()
                        .map_or(error.kind().to_string(), |it| format!("error {it}")),
                ),
            }
        }
        assert!(listener.accept_queued().unwrap().is_none());
    });
    stage.hosts.fail_accepts(1, AcceptFault::TooManyFiles);
    stage.hosts.fail_accepts(1, AcceptFault::Aborted);
    for client in 0..2 {
        stage.client(client, move |dial, tell| async move {
            sleep(millis(10 * u64::from(client))).await;
            let mut io = dial.dial().await.unwrap();
            tell.read(&mut io).await;
        });
    }
    assert_eq!(
        stage.after(12),
        [
            "   7 server error 24",
            "   7 server connection aborted",
            "   9 client connection reset",
        ]
    );
    let told = stage.after(50);
    assert_eq!(told.get(3).unwrap(), "  17 server took client 1");
}

#[test]
fn a_broken_listener_takes_nobody_ever_again() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        sleep(millis(10)).await;
        for _ in 0..2 {
            tell.say(listener.accept().await.unwrap_err().kind());
        }
    });
    stage.client(0, |dial, tell| async move {
        let mut io = dial.dial().await.unwrap();
        tell.read(&mut io).await;
    });
    stage.after(9);
    stage.hosts.break_listener();
    assert_eq!(
        stage.after(50),
        [
            "  10 server not connected",
            "  10 server not connected",
            "  12 client connection reset"
        ]
    );
}

#[test]
fn a_writer_waits_for_a_slow_reader() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        tell.sent(&io.write_all(&vec![0; WINDOW]).await);
        tell.sent(&io.write_all(&[0]).await);
        tell.sent(&io.write_all(&vec![0; WINDOW]).await);
        std::future::pending().await
    });
    stage.client(0, |dial, tell| async move {
        let mut io = dial.dial().await.unwrap();
        sleep(millis(15)).await;
        let mut piece = vec![0; WINDOW];
        io.read_exact(&mut piece[..1]).await.unwrap();
        sleep(millis(10)).await;
        io.read_exact(&mut piece[1..]).await.unwrap();
        sleep(millis(10)).await;
        tell.read(&mut io).await;
    });
    let told = stage.after(100);
    let sent: Vec<_> = told.iter().filter(|it| it.contains("server")).collect();
    // What is left of the last piece fits once the byte before it was read, too.
    assert_eq!(
        sent,
        ["   7 server sent", "  20 server sent", "  40 server sent"]
    );
}

#[test]
fn a_reset_is_seen_after_the_bytes_before_it_by_whichever_end() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        io.write_all(b"abc").await.unwrap();
        TurmoilListener::abort(&io).unwrap();
        drop(io);
        let mut io = accepted(&mut listener).await;
        tell.read(&mut io).await;
        sleep(millis(10)).await;
        tell.sent(&io.write_all(b"abc").await);
        sleep(millis(10)).await;
        tell.sent(&io.write_all(b"abc").await);
    });
    stage.client(0, |dial, tell| async move {
        let mut io = dial.dial().await.unwrap();
        tell.read(&mut io).await;
        let mut io = dial.dial().await.unwrap();
        io.write_all(b"ab").await.unwrap();
        TurmoilDial::reset(io);
    });
    assert_eq!(
        stage.after(100),
        [
            "   9 client 3",
            "   9 client connection reset",
            "  15 server 2",
            "  15 server connection reset",
            "  25 server sent",
            "  35 server broken pipe"
        ]
    );
}

#[test]
fn a_writer_that_waits_hears_one_latency_later_that_its_reader_is_gone() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        tell.sent(&io.write_all(&vec![0; 2 * WINDOW]).await);
    });
    stage.client(0, |dial, tell| async move {
        let io = dial.dial().await.unwrap();
        sleep(millis(10)).await;
        tell.say("goes");
        drop(io);
    });
    assert_eq!(
        stage.after(100),
        ["  15 client goes", "  17 server connection reset"]
    );
}

#[test]
fn a_read_takes_all_that_has_come_however_it_was_written() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        sleep(millis(20)).await;
        tell.read(&mut io).await;
    });
    stage.client(0, |dial, _| async move {
        let mut io = dial.dial().await.unwrap();
        for piece in [&b"a"[..], b"bc", b"def"] {
            io.write_all(piece).await.unwrap();
            sleep(millis(1)).await;
        }
    });
    assert_eq!(stage.after(50), ["  27 server 6", "  27 server fin"]);
}
