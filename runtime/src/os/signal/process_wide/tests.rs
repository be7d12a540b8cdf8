//! Real signals, sent to processes of their own.

use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal as OsSignal;
use signal_hook::consts::{SIGHUP, SIGTERM};

use super::*;
use crate::os::test_process::{hear, of, of_with, say};

/// Subscribes and hands out what comes.
fn listen(signals: &[Signal]) -> (Subscription, Receiver<Arrival>) {
    let (tx, rx) = channel();
    let subscription = subscribe(signals, move |arrival| {
        let _ = tx.send(arrival);
    })
    .unwrap();
    (subscription, rx)
}

fn say_arrival(arrival: Arrival) {
    say(&format!("{} {}", arrival.number, arrival.signal));
}

#[test]
fn a_signal_kills_as_if_nothing_had_been_installed_once_nobody_listens() {
    let process = of(
        a_signal_kills_as_if_nothing_had_been_installed_once_nobody_listens,
        || {
            let (subscription, _signals) = listen(&[Signal::Sigterm, Signal::Sighup]);
            drop(subscription);
            say("nobody listens");
            hear();
            0
        },
    );
    process.says("nobody listens");
    process.kill(OsSignal::TERM);
    assert_eq!(process.end().killed_by(), Some(SIGTERM));
}

#[test]
fn a_signal_after_one_that_was_heard_kills_once_nobody_listens() {
    let process = of(
        a_signal_after_one_that_was_heard_kills_once_nobody_listens,
        || {
            let (subscription, signals) = listen(&[Signal::Sigterm, Signal::Sighup]);
            say("ready");
            say_arrival(signals.recv().unwrap());
            drop(subscription);
            say("nobody listens");
            hear();
            0
        },
    );
    process.says("ready");
    process.kill(OsSignal::TERM);
    process.says("1 SIGTERM");
    process.says("nobody listens");
    process.kill(OsSignal::HUP);
    assert_eq!(process.end().killed_by(), Some(SIGHUP));
}

/// Lets the time in which signals are held back last as long as a test wants, from now on.
fn hold_back(hold: Duration) {
    let mut registry = registry();
    registry.hold = hold;
    registry.wake();
}

/// Raises a signal that nobody listens to, and returns when it is held back.
fn raise_held(signal: i32) {
    signal_hook::low_level::raise(signal).unwrap();
    while !registry().kinds.iter().any(|kind| kind.held.is_some()) {
        std::thread::yield_now();
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_signal_behind_the_last_subscription_waits_until_a_clean_end_had_its_chance() {
    let process = of(
        a_signal_behind_the_last_subscription_waits_until_a_clean_end_had_its_chance,
        || {
            let (subscription, _signals) = listen(&[Signal::Sigterm]);
            drop(subscription);
            hold_back(LONG);
            raise_held(SIGTERM);
            say("alive");
            hold_back(Duration::ZERO);
            hear();
            0
        },
    );
    process.says("alive");
    assert_eq!(process.end().killed_by(), Some(SIGTERM));
}

#[test]
fn who_subscribes_before_a_signal_has_its_effect_gets_it() {
    let process = of(
        who_subscribes_before_a_signal_has_its_effect_gets_it,
        || {
            let (subscription, _signals) = listen(&[Signal::Sigterm]);
            drop(subscription);
            hold_back(LONG);
            raise_held(SIGTERM);
            let (subscription, signals) = listen(&[Signal::Sigterm]);
            say(&signals.recv().unwrap().signal.to_string());
            drop(subscription);
            hold_back(Duration::ZERO);
            say("had no other effect");
            0
        },
    );
    process.says("SIGTERM");
    process.says("had no other effect");
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn a_copy_of_a_signal_that_was_heard_is_not_for_who_subscribes_next() {
    let process = of(
        a_copy_of_a_signal_that_was_heard_is_not_for_who_subscribes_next,
        || {
            let (subscription, signals) = listen(&[Signal::Sigterm, Signal::Sighup]);
            say("ready");
            signals.recv().unwrap();
            // As if that had just been, for as long as this test wants.
            registry().last = Some(Moment::later(LONG));
            drop(subscription);
            hold_back(LONG);
            raise_held(SIGTERM);
            let (subscription, signals) = listen(&[Signal::Sigterm, Signal::Sighup]);
            signal_hook::low_level::raise(SIGHUP).unwrap();
            say(&signals.recv().unwrap().signal.to_string());
            drop(subscription);
            0
        },
    );
    process.says("ready");
    process.kill(OsSignal::TERM);
    process.says("SIGHUP");
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn subscribing_again_listens_again() {
    let process = of(subscribing_again_listens_again, || {
        for round in 1..=3 {
            let (subscription, signals) = listen(&[Signal::Sigterm]);
            say(&format!("round {round}"));
            say_arrival(signals.recv().unwrap());
            drop(subscription);
        }
        0
    });
    for round in 1..=3 {
        process.says(&format!("round {round}"));
        process.kill(OsSignal::TERM);
        process.says(&format!("{round} SIGTERM"));
    }
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn signals_of_different_kinds_never_become_one_and_every_subscriber_gets_them() {
    let process = of(
        signals_of_different_kinds_never_become_one_and_every_subscriber_gets_them,
        || {
            let (first, firsts) = listen(&Signal::ALL);
            let (second, seconds) = listen(&[Signal::Sigterm, Signal::Sigusr2]);
            say("ready");
            let mut all: Vec<Arrival> = firsts.iter().take(6).collect();
            let some: Vec<Arrival> = seconds.iter().take(2).collect();
            assert!(some.iter().all(|arrival| all.contains(arrival)));
            assert_eq!(
                all.iter().map(|arrival| arrival.number).collect::<Vec<_>>(),
                [1, 2, 3, 4, 5, 6]
            );
            all.sort_by_key(|arrival| arrival.signal);
            for arrival in all {
                say(&arrival.signal.to_string());
            }
            drop((first, second));
            0
        },
    );
    process.says("ready");
    // Frozen, they all are pending together and become deliverable in one instant.
    process.freeze();
    for signal in [
        OsSignal::TERM,
        OsSignal::INT,
        OsSignal::QUIT,
        OsSignal::HUP,
        OsSignal::USR1,
        OsSignal::USR2,
    ] {
        process.kill(signal);
    }
    process.kill(OsSignal::CONT);
    for signal in [
        "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2",
    ] {
        process.says(signal);
    }
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn a_subscriber_that_panics_or_leaves_does_not_silence_the_others() {
    let process = of(
        a_subscriber_that_panics_or_leaves_does_not_silence_the_others,
        || {
            let panics = subscribe(&[Signal::Sigterm], |_| {
                std::panic::resume_unwind(Box::new("injected"))
            })
            .unwrap();
            let (leaves, _) = listen(&[Signal::Sigterm]);
            let (stays, signals) = listen(&[Signal::Sigterm]);
            drop(leaves);
            say("ready");
            say_arrival(signals.recv().unwrap());
            say_arrival(signals.recv().unwrap());
            drop((panics, stays));
            0
        },
    );
    process.says("ready");
    process.kill(OsSignal::TERM);
    process.says("1 SIGTERM");
    process.kill(OsSignal::TERM);
    process.says("2 SIGTERM");
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn signals_inherited_as_ignored_stay_ignored_but_sigterm_does_not() {
    let process = of_with(
        signals_inherited_as_ignored_stay_ignored_but_sigterm_does_not,
        &["sh", "-c", r#"trap "" INT HUP TERM; exec "$0" "$@""#],
        || {
            let (subscription, signals) =
                listen(&[Signal::Sigint, Signal::Sigterm, Signal::Sighup]);
            say(&format!("{:?}", subscription.ignored()));
            say_arrival(signals.recv().unwrap());
            drop(subscription);
            say("nobody listens");
            hear();
            0
        },
    );
    process.says("[Sigint, Sighup]");
    process.kill(OsSignal::INT);
    process.kill(OsSignal::HUP);
    process.kill(OsSignal::TERM);
    process.says("1 SIGTERM");
    process.says("nobody listens");
    let mut process = process;
    // What it inherited has its effect again, and that was to ignore it.
    process.kill(OsSignal::TERM);
    process.tell("end");
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn nothing_is_left_when_nobody_listens() {
    let process = of(nothing_is_left_when_nobody_listens, || {
        let count = |what: &str| std::fs::read_dir(what).unwrap().count();
        let (descriptors, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
        let (subscription, _signals) = listen(&Signal::ALL);
        assert!(count("/proc/self/fd") > descriptors);
        assert!(count("/proc/self/task") > threads);
        drop(subscription);
        while count("/proc/self/fd") > descriptors || count("/proc/self/task") > threads {
            std::thread::yield_now();
        }
        0
    });
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn a_handler_that_was_there_before_is_all_there_is_afterwards() {
    let process = of(
        a_handler_that_was_there_before_is_all_there_is_afterwards,
        || {
            let heard = Arc::new(std::sync::atomic::AtomicBool::new(false));
            signal_hook::flag::register(SIGTERM, Arc::clone(&heard)).unwrap();
            let (subscription, _signals) = listen(&[Signal::Sigterm]);
            drop(subscription);
            signal_hook::low_level::raise(SIGTERM).unwrap();
            i32::from(!heard.load(std::sync::atomic::Ordering::SeqCst))
        },
    );
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn signals_reach_a_source_while_no_runtime_turns() {
    let process = of(signals_reach_a_source_while_no_runtime_turns, || {
        use crate::os::signal::{ProcessSignals, SignalSource};
        let mut source = ProcessSignals::new();
        source.arm(&[Signal::Sigterm, Signal::Sighup]).unwrap();
        let (subscription, seen) = listen(&[Signal::Sighup]);
        say("ready");
        // Nothing polls the source before both have come.
        say_arrival(seen.recv().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for _ in 0..2 {
            let signal = runtime.block_on(source.next());
            say(&signal.unwrap().to_string());
        }
        drop(subscription);
        0
    });
    process.says("ready");
    process.kill(OsSignal::TERM);
    process.kill(OsSignal::HUP);
    let mut lines = process.rest();
    // Which of two kinds is read first is nobody's promise.
    lines.sort();
    assert!(
        lines == ["1 SIGHUP", "SIGHUP", "SIGTERM"] || lines == ["2 SIGHUP", "SIGHUP", "SIGTERM"]
    );
}
