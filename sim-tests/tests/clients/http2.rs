//! Clients of HTTP/2: side by side on one connection.

use lamplighter::Signal;
use lamplighter_sim::{Act, ActDoes, ClientDoes, HandlerDoes, Hears, Request};

use super::stage::life;
use super::{one, taking};

#[test]
fn requests_go_side_by_side_and_the_client_goes_away() {
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
    let seen = life(&one(ClientDoes::Http2 { requests }, 1_000));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "asked 1",
            "head of 1: 200",
            "answered 1: 200, 7 bytes",
            "head of 0: 200",
            "answered 0: 200, 200000 bytes",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "answered 1: 200, 7 bytes"), 15);
    assert_eq!(seen.when(0, "done"), 50);
}

#[test]
fn a_goaway_is_seen_and_nothing_is_asked_after_it() {
    let later = Request {
        gap_ms: 200,
        ..taking(0)
    };
    let requests = vec![taking(300), later];
    let seen = life(&one(ClientDoes::Http2 { requests }, 100));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "goaway last 2147483647 code 0",
            "goaway last 1 code 0",
            "head of 0: 200",
            "answered 0: 200, 0 bytes",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "goaway last 1 code 0"), 100);
    assert_eq!(seen.when(0, "done"), 300);
}

#[test]
fn a_stream_that_the_server_cuts_is_lost_with_its_code() {
    let hangs = Request {
        does: HandlerDoes::Hang,
        ..Request::default()
    };
    let endless = Request {
        does: HandlerDoes::Stream {
            every_ms: 1_500,
            hears: Hears::Nothing,
        },
        ..hangs
    };
    let requests = vec![hangs, endless];
    let seen = life(&one(ClientDoes::Http2 { requests }, 0));
    assert_eq!(
        seen.by(0)[4..],
        [
            "goaway last 2147483647 code 0",
            "goaway last 3 code 0",
            "head of 1: 200",
            "message of 1 bytes",
            "lost 0: stream reset 8, 0 bytes",
            "lost 1: stream reset 8, 1 bytes",
            "fin",
            "done",
        ]
    );
}

#[test]
fn a_client_that_waits_for_its_next_request_sees_the_end_of_its_connection() {
    let later = Request {
        gap_ms: 60_000,
        ..taking(0)
    };
    let requests = vec![taking(0), later];
    let seen = life(&one(ClientDoes::Http2 { requests }, 1_000));
    assert_eq!(
        seen.by(0)[4..],
        [
            "answered 0: 200, 0 bytes",
            // With no stream left it goes at the first word of it.
            "goaway last 2147483647 code 0",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "done"), 1_000);
}

#[test]
fn calls_go_side_by_side_and_have_a_status_each() {
    let streams = Request {
        receive_bytes: 300,
        does: HandlerDoes::Stream {
            every_ms: 400,
            hears: Hears::Draining,
        },
        ..Request::default()
    };
    let panics = Request {
        does: HandlerDoes::Panic,
        ..taking(20)
    };
    let unary = Request {
        send_bytes: 100_000,
        receive_bytes: 100_000,
        ..taking(50)
    };
    let calls = vec![streams, panics, unary];
    let seen = life(&one(ClientDoes::Grpc { calls }, 1_000));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "asked 1",
            "asked 2",
            "head of 0: 200",
            "answered 1: grpc 13, 0 bytes",
            "answered 2: grpc 0, 100000 bytes",
            "message of 3 bytes",
            "message of 3 bytes",
            "goaway last 2147483647 code 0",
            "answered 0: grpc 0, 6 bytes",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "answered 2: grpc 0, 100000 bytes"), 50);
    assert_eq!(seen.when(0, "done"), 1_000);
}

#[test]
fn a_call_that_is_cut_has_no_status() {
    let hangs = Request {
        does: HandlerDoes::Hang,
        ..Request::default()
    };
    let seen = life(&one(ClientDoes::Grpc { calls: vec![hangs] }, 0));
    assert_eq!(
        seen.by(0)[3..],
        [
            "goaway last 2147483647 code 0",
            "goaway last 1 code 0",
            "fin",
            "lost 0: stream reset 8, 0 bytes",
            "done",
        ]
    );
}

#[test]
fn a_call_after_the_goaway_is_never_sent() {
    let later = Request {
        gap_ms: 200,
        ..taking(0)
    };
    let calls = vec![taking(500), later];
    let seen = life(&one(ClientDoes::Grpc { calls }, 100));
    assert_eq!(
        seen.by(0)[3..],
        [
            "goaway last 2147483647 code 0",
            "goaway last 1 code 0",
            "asked 1",
            "lost 1: unsent, 0 bytes",
            "fin",
            "answered 0: grpc 0, 0 bytes",
            "done",
        ]
    );
}

#[test]
fn a_call_whose_connection_is_gone_dials_again() {
    let later = Request {
        gap_ms: 2_000,
        ..taking(0)
    };
    let mut scenario = one(
        ClientDoes::Grpc {
            calls: vec![taking(0), later],
        },
        5_000,
    );
    scenario.defences.max_requests = Some(1);
    let seen = life(&scenario);
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "goaway last 2147483647 code 0",
            "goaway last 1 code 0",
            "fin",
            "answered 0: grpc 0, 0 bytes",
            "asked 1",
            "dialled",
            "connected",
            "goaway last 2147483647 code 0",
            "goaway last 1 code 0",
            "fin",
            "answered 1: grpc 0, 0 bytes",
            "done",
        ]
    );
    let later = Request {
        gap_ms: 2_000,
        ..taking(0)
    };
    let seen = life(&one(
        ClientDoes::Grpc {
            calls: vec![taking(0), later],
        },
        1_000,
    ));
    assert_eq!(
        seen.by(0)[3..],
        [
            "answered 0: grpc 0, 0 bytes",
            "goaway last 2147483647 code 0",
            "asked 1",
            "dialled",
            "refused: ConnectionRefused",
            "lost 1: unsent, 0 bytes",
            "done",
        ]
    );
}

#[test]
fn a_watch_sees_the_status_change_and_ends() {
    let mut scenario = one(ClientDoes::Watch, 1_000);
    scenario.plan.lame_duck_ms = 500;
    let seen = life(&scenario);
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "health Serving",
            "health NotServing",
            "goaway last 2147483647 code 0",
            "goaway last 1 code 0",
            "fin",
            "answered 0: grpc 0, 0 bytes",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "health NotServing"), 1_000);
    assert_eq!(seen.when(0, "done"), 1_500);
}

#[test]
fn a_second_signal_ends_a_call_early() {
    let hangs = Request {
        does: HandlerDoes::Hang,
        ..Request::default()
    };
    let mut scenario = one(ClientDoes::Grpc { calls: vec![hangs] }, 100);
    scenario.acts.push(Act {
        gap_ms: 400,
        does: ActDoes::Signal(Signal::Sigterm),
    });
    let seen = life(&scenario);
    assert_eq!(seen.when(0, "lost 0: stream reset 8, 0 bytes"), 600);
}
