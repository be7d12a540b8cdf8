//! Clients that leave out what they owe, or say nothing at all.

use lamplighter_sim::ClientDoes;

use super::one;
use super::stage::life;

#[test]
fn a_silent_client_is_let_go_at_the_drain() {
    let seen = life(&one(ClientDoes::Silent, 1_000));
    assert_eq!(seen.by(0), ["dialled", "connected", "fin", "done"]);
    assert_eq!(seen.when(0, "fin"), 1_000);
}

#[test]
fn half_a_head_and_half_a_preface_get_a_second_from_their_begin() {
    for does in [ClientDoes::HalfHead, ClientDoes::HalfPreface] {
        let seen = life(&one(does.clone(), 400));
        assert_eq!(seen.by(0).first().unwrap(), "dialled", "{does:?}");
        assert_eq!(seen.by(0).last().unwrap(), "done", "{does:?}");
        assert_eq!(seen.when(0, "fin"), 1_000, "{does:?}");
    }
}

#[test]
fn a_client_that_never_acknowledges_settings_is_answered_and_holds_nothing() {
    let seen = life(&one(ClientDoes::NoSettingsAck, 2_000));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 200",
            "answered 0: 200, 0 bytes",
            "goaway last 2147483647 code 0",
            "goaway last 1 code 0",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "fin"), 2_000);
}

#[test]
fn a_client_that_never_answers_ping_is_answered_and_holds_a_second() {
    let seen = life(&one(ClientDoes::NoPong, 2_000));
    assert_eq!(
        seen.by(0),
        [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 200",
            "answered 0: 200, 0 bytes",
            "goaway last 2147483647 code 0",
            "goaway last 1 code 0",
            "fin",
            "done",
        ]
    );
    assert_eq!(seen.when(0, "fin"), 3_000);
}

#[test]
fn a_client_resets_in_the_middle_of_its_answer() {
    let does = ClientDoes::ResetMid {
        bytes: 50_000,
        after_bytes: 20_000,
    };
    let seen = life(&one(does, 1_000));
    let saw = seen.by(0);
    assert_eq!(saw[2..4], ["asked 0", "head of 0: 200"]);
    assert!(saw[4].starts_with("lost 0: left, 19"), "{saw:?}");
    assert_eq!(saw[5..], ["done"]);
}

#[test]
fn a_client_that_would_reset_after_the_end_of_its_answer_has_got_it() {
    let does = ClientDoes::ResetMid {
        bytes: 50,
        after_bytes: 20_000,
    };
    let seen = life(&one(does, 1_000));
    assert_eq!(
        seen.by(0)[3..],
        ["head of 0: 200", "answered 0: 200, 50 bytes", "done"]
    );
}
