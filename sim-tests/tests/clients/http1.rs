//! Clients that keep an HTTP/1.1 connection.

use lamplighter_sim::{ClientDoes, HandlerDoes, Hears, Request};

use super::stage::life;
use super::{one, taking};

#[test]
fn requests_go_one_after_another_and_the_client_goes_away() {
    let requests = vec![
        Request {
            send_bytes: 100_000,
            receive_bytes: 200_000,
            ..taking(50)
        },
        Request {
            gap_ms: 10,
            receive_bytes: 7,
            ..taking(5)
        },
    ];
    let seen = life(&one(ClientDoes::Http1 { requests }, 1_000));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 200",
            "answered 0: 200, 200000 bytes",
            "asked 1",
            "head of 1: 200",
            "answered 1: 200, 7 bytes",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "asked 1"), 60);
    assert_eq!(seen.when(0, "done"), 65);
}

#[test]
fn a_client_that_is_told_of_the_close_asks_no_more() {
    let requests = vec![taking(100); 3];
    let seen = life(&one(ClientDoes::Http1 { requests }, 150));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 200",
            "answered 0: 200, 0 bytes",
            "asked 1",
            "head of 1: 200",
            "told of close",
            "answered 1: 200, 0 bytes",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "done"), 200);
}

#[test]
fn an_idle_client_stays_until_the_server_ends_its_connection() {
    let requests = vec![taking(100)];
    let seen = life(&one(ClientDoes::Idle { requests }, 5_000));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 200",
            "answered 0: 200, 0 bytes",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "fin"), 5_000);
}

#[test]
fn an_end_between_two_requests_is_seen_at_once() {
    let later = Request {
        gap_ms: 5_000,
        ..Request::default()
    };
    let requests = vec![taking(100), later];
    let seen = life(&one(ClientDoes::Http1 { requests }, 1_000));
    assert_eq!(seen.by(0)[4..], ["answered 0: 200, 0 bytes", "fin", "done"]);
    assert_eq!(seen.when(0, "fin"), 1_000);
}

#[test]
fn an_answer_that_the_server_cuts_is_lost_and_never_complete() {
    let does = HandlerDoes::Stream {
        every_ms: 900,
        hears: Hears::Nothing,
    };
    let endless = Request {
        receive_bytes: 500,
        does,
        ..Request::default()
    };
    let requests = vec![endless, taking(0)];
    let seen = life(&one(ClientDoes::Http1 { requests }, 1_000));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 200",
            "message of 5 bytes",
            "message of 5 bytes",
            "message of 5 bytes",
            "lost 0: reset, 15 bytes",
            "reset",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "reset"), 3_000);
}

#[test]
fn a_request_that_is_never_answered_is_lost() {
    let hangs = Request {
        does: HandlerDoes::Hang,
        ..Request::default()
    };
    let requests = vec![hangs];
    let seen = life(&one(ClientDoes::Http1 { requests }, 0));
    assert_eq!(
        seen.by(0)[2..],
        ["asked 0", "lost 0: reset, 0 bytes", "reset", "done"]
    );
}

#[test]
fn a_panic_is_an_answer_of_500_and_one_in_the_body_is_none() {
    for (does, saw) in [
        (
            HandlerDoes::Panic,
            vec!["head of 0: 500", "answered 0: 500, 21 bytes", "fin", "done"],
        ),
        (
            HandlerDoes::PanicInBody,
            // The body panics before the head has left.
            vec!["lost 0: reset, 0 bytes", "reset", "done"],
        ),
    ] {
        let panics = Request {
            does,
            ..Request::default()
        };
        let requests = vec![panics];
        let seen = life(&one(ClientDoes::Http1 { requests }, 1_000));
        assert_eq!(seen.by(0)[3..], saw, "{does:?}");
    }
}

#[test]
fn a_client_that_comes_after_the_end_is_refused() {
    let mut late = one(
        ClientDoes::Http1 {
            requests: vec![taking(0)],
        },
        0,
    );
    late.clients[0].gap_ms = 1_000;
    let seen = life(&late);
    assert_eq!(
        seen.by(0),
        ["dialled", "refused: ConnectionRefused", "done"]
    );
}
