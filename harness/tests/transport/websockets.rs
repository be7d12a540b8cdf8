//! Upgraded connections, byte by byte: a WebSocket whose handler listens, and one whose handler is
//! deaf.

use lamplighter::ConnectionEnd::{Cut, Graceful, PeerClosed};
use lamplighter_harness::{Probe, Seen};

use crate::over::Requests;
use crate::stage::{LAME_DUCK, Setting, Stage, plan};
use crate::{millis, secs};

/// All but the last bytes of the head that asks for a WebSocket; RFC 6455, 1.3 has its key.
fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: probe\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
}

/// The text "hi" in a frame, as a client sends it (masked with zeros) and as a server does.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";
const HI_BACK: &str = "\u{2}hi";

/// A close with code 1001, as a server sends it and as a client answers it.
const AWAY: &[u8] = b"\x88\x02\x03\xe9";
const AWAY_BACK: &[u8] = b"\x88\x82\0\0\0\0\x03\xe9";

/// A WebSocket that is open.
pub(crate) async fn websocket(stage: &Stage, path: &str) -> Probe {
    let mut probe = stage.connects().await;
    probe.send(upgrade(path) + "\r\n").await.unwrap();
    let head = probe.head().await;
    assert_eq!(
        (head.status, head.header("connection")),
        (101, Some("upgrade"))
    );
    probe
}

async fn echoes(probe: &mut Probe) {
    probe.send(HI).await.unwrap();
    probe.text(HI_BACK).await;
}

/// Everything that came, as one.
fn bytes(probe: &Probe) -> Vec<u8> {
    let bytes = |seen: &Seen| {
        if let Seen::Bytes(bytes) = seen {
            bytes.to_vec()
        } else {
            Vec::new()
        }
    };
    probe.seen().iter().flat_map(bytes).collect()
}

/// Reads on to the goodbye.
async fn away(probe: &mut Probe) {
    while !bytes(probe).ends_with(AWAY) {
        let seen = probe.next().await;
        assert!(!seen.is_end(), "{:?}", probe.seen());
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_listens_says_1001_and_ends_in_order() {
    let stage = Stage::running().await;
    let mut idle = websocket(&stage, "/ws").await;
    let mut busy = websocket(&stage, "/ws").await;
    echoes(&mut busy).await;
    assert_eq!(stage.handle.in_flight(), 2);
    drop(stage.stop());
    for probe in [&mut idle, &mut busy] {
        away(probe).await;
        probe.send(AWAY_BACK).await.unwrap();
        assert_eq!(probe.end().await, Seen::Fin);
        assert!(bytes(probe).ends_with(AWAY), "{:?}", probe.seen());
    }
    let over = stage.over().await.ended([Graceful, Graceful]);
    over.answered(2).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_open_through_the_lame_duck_and_a_new_one_too() {
    let mut stage = Stage::with_lame_duck().await;
    let mut old = websocket(&stage, "/ws").await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK / 2).await;
    let mut new = websocket(&stage, "/ws").await;
    for probe in [&mut old, &mut new] {
        echoes(probe).await;
    }
    stage.passes(LAME_DUCK / 2).await;
    for probe in [&mut old, &mut new] {
        away(probe).await;
        probe.send(AWAY_BACK).await.unwrap();
        assert_eq!(probe.end().await, Seen::Fin);
    }
    let over = stage.over().await.ended([Graceful, Graceful]);
    over.answered(2).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_new_upgrade_while_draining_gets_503_and_its_connection_ends() {
    let stage = Stage::anchored().await;
    let mut half = stage.says(upgrade("/ws")).await;
    stage.drains().await;
    half.send("\r\n").await.unwrap();
    let answer = half.answer().await;
    assert_eq!(
        (answer.status(), answer.head.closes()),
        (503, true),
        "{answer:?}"
    );
    assert_eq!(half.end().await, Seen::Fin);
    stage.weighs_anchor();
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_offers_what_no_application_takes_is_served_while_draining() {
    let stage = Stage::anchored().await;
    // As Java's client and `curl --http2` do with the first request of a connection.
    let offer = "GET / HTTP/1.1\r\nhost: probe\r\nconnection: Upgrade, HTTP2-Settings\r\n\
                 upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n";
    let mut half = stage.says(offer).await;
    stage.drains().await;
    half.send("\r\n").await.unwrap();
    let answer = half.answer().await;
    assert_eq!((answer.status(), answer.head.closes()), (200, true));
    assert_eq!(half.end().await, Seen::Fin);
    stage.weighs_anchor();
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn before_ready_an_upgrade_gets_503_and_may_try_again() {
    let stage = Stage::starting().await;
    let mut early = stage.connects().await;
    early.send(upgrade("/ws") + "\r\n").await.unwrap();
    assert_eq!(early.answer().await.status(), 503);
    stage.gets_ready().await;
    early.send(upgrade("/ws") + "\r\n").await.unwrap();
    assert_eq!(early.head().await.status, 101);
    echoes(&mut early).await;
    drop(early);
    stage.in_flight(0).await;
    drop(stage.stop());
    stage.over().await.ended([PeerClosed]).answered(2).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_deaf_websocket_is_reset_at_the_deadline_and_named() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let mut deaf = websocket(&stage, "/ws/deaf").await;
    deaf.send(HI).await.unwrap();
    stage.has_read().await;
    stage.drains().await;
    stage.passes(millis(7002)).await;
    assert_eq!(deaf.rest().await, (String::new(), Seen::Rst));
    let over = stage.over().await.ended([Cut]).named(&["upgraded GET"]);
    over.drained_in(secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_1001_is_the_handlers_affair_until_the_deadline() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let mut probe = websocket(&stage, "/ws").await;
    stage.drains().await;
    away(&mut probe).await;
    stage.passes(millis(7002)).await;
    assert_eq!(probe.end().await, Seen::Rst);
    let over = stage.over().await.ended([Cut]).named(&["upgraded GET"]);
    over.drained_in(secs(7));
}

#[tokio::test(start_paused = true)]
async fn every_websocket_is_reset_by_force_at_once() {
    let stage = Stage::running().await;
    let mut probes = [
        websocket(&stage, "/ws").await,
        websocket(&stage, "/ws/deaf").await,
    ];
    stage.forces().await;
    for probe in &mut probes {
        assert_eq!(probe.end().await, Seen::Rst);
    }
    let over = stage.over().await.ended([Cut, Cut]).at_once();
    over.requests(Requests {
        cut: 2,
        ..Requests::default()
    })
    .named(&["upgraded GET", "upgraded GET"]);
}
