//! Clients whose exchanges last: streams, WebSockets, slow readers and writers.

use lamplighter_sim::{ClientDoes, HandlerDoes, Hears, ProbeOf};

use super::one;
use super::stage::life;

#[test]
fn events_come_until_the_server_drains() {
    let does = ClientDoes::Events {
        every_ms: 100,
        hears: Hears::Draining,
    };
    let seen = life(&one(does, 250));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 200",
            "message of 1 bytes",
            "message of 1 bytes",
            "answered 0: 200, 2 bytes",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "done"), 250);
}

#[test]
fn a_websocket_gets_its_echoes_and_closes() {
    let does = ClientDoes::Websocket {
        messages: 11,
        every_ms: 10,
    };
    let seen = life(&one(does, 1_000));
    assert_eq!(
        seen.by(0)[..5],
        [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 101",
            "answered 0: 101, 0 bytes"
        ]
    );
    let messages: Vec<String> = seen.by(0)[5..].to_vec();
    let mut expected = vec!["message of 1 bytes"; 10];
    expected.extend(["message of 2 bytes", "websocket close 1000", "fin", "done"]);
    assert_eq!(messages, expected);
    assert_eq!(seen.when(0, "done"), 110);
}

#[test]
fn a_websocket_answers_the_close_of_a_server_that_drains() {
    let does = ClientDoes::Websocket {
        messages: 100,
        every_ms: 100,
    };
    let seen = life(&one(does, 250));
    assert_eq!(
        seen.by(0)[5..],
        [
            "message of 1 bytes",
            "message of 1 bytes",
            "websocket close 1001",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "done"), 250);
}

#[test]
fn a_slow_reader_takes_its_time_and_holds_the_answer() {
    let does = ClientDoes::SlowReader {
        bytes: 10_000,
        window: 1_024,
        chunk: 1_000,
        every_ms: 100,
    };
    let seen = life(&one(does, 500));
    assert_eq!(
        seen.by(0)[2..],
        [
            "asked 0",
            "head of 0: 200",
            "answered 0: 200, 10000 bytes",
            "fin",
            "done",
        ]
    );
    // A head of less than 1,000 bytes, and ten chunks of body: eleven pieces.
    assert_eq!(seen.when(0, "done"), 1_000);
}

#[test]
fn a_slow_reader_that_does_not_get_to_the_end_has_lost_it() {
    let does = ClientDoes::SlowReader {
        bytes: 100_000,
        window: 1_024,
        chunk: 1_000,
        every_ms: 100,
    };
    let seen = life(&one(does, 500));
    let lost = &seen.by(0)[4..];
    assert!(lost[0].starts_with("lost 0: reset, 2"), "{lost:?}");
    assert_eq!(lost[1..], ["reset", "done"]);
}

#[test]
fn a_slow_writer_sends_piece_by_piece() {
    let does = ClientDoes::SlowWriter {
        bytes: 950,
        chunk: 100,
        every_ms: 50,
    };
    let seen = life(&one(does, 100));
    assert_eq!(
        seen.by(0)[2..],
        [
            "asked 0",
            "head of 0: 200",
            "told of close",
            "answered 0: 200, 0 bytes",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "done"), 500);
}

#[test]
fn a_slow_writer_is_cut_in_the_middle() {
    let does = ClientDoes::SlowWriter {
        bytes: 10_000,
        chunk: 1,
        every_ms: 50,
    };
    let seen = life(&one(does, 0));
    assert_eq!(
        seen.by(0)[2..],
        ["asked 0", "lost 0: reset, 0 bytes", "reset", "done"]
    );
    assert_eq!(seen.when(0, "reset"), 2_000);
}

#[test]
fn a_probe_asks_at_its_times_until_it_is_refused() {
    for (of, drained) in [(ProbeOf::Readiness, 503), (ProbeOf::Liveness, 200)] {
        let mut scenario = one(ClientDoes::Probe { of, every_ms: 100 }, 150);
        scenario.plan.lame_duck_ms = 100;
        let seen = life(&scenario);
        let statuses: Vec<String> = seen
            .by(0)
            .into_iter()
            .filter(|line| line.starts_with("head"))
            .collect();
        let expected = [
            "head of 0: 200".to_owned(),
            "head of 1: 200".to_owned(),
            format!("head of 2: {drained}"),
        ];
        assert_eq!(statuses, expected, "{of:?}");
        let last = &seen.by(0)[3 * 7..];
        assert_eq!(last, ["dialled", "refused: ConnectionRefused", "done"]);
        assert_eq!(seen.when(0, "done"), 300);
    }
}

#[test]
fn a_stream_that_hears_of_the_end_alone_goes_on_through_the_drain() {
    let does = ClientDoes::Http1 {
        requests: vec![lamplighter_sim::Request {
            does: HandlerDoes::Stream {
                every_ms: 1_000,
                hears: Hears::Cancelled,
            },
            ..Default::default()
        }],
    };
    let seen = life(&one(does, 500));
    assert_eq!(seen.by(0)[6..], ["answered 0: 200, 2 bytes", "fin", "done"]);
    assert_eq!(seen.when(0, "done"), 2_400);
}
