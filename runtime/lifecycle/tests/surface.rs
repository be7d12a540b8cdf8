//! What the values of the core say when they are asked, seen from outside (tests of floor 0).
//!
//! **Invariant:** nothing here drives a whole life: that is what the laws are for.

use lamplighter_lifecycle::connection::Order;
use lamplighter_lifecycle::{
    Announcement, Cause, ConnectionEnd, ConnectionId, Directive, Event, HookEnd, HookSpec, Input,
    Instant, Machine, Protocol, Signal, Tally, Timeline, WorkerId,
};

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn poll(machine: &mut Machine) -> usize {
    std::iter::from_fn(|| machine.poll_effect()).count()
}

fn tell(machine: &mut Machine) -> Vec<Event> {
    std::iter::from_fn(|| machine.poll_event())
        .map(|(_, event)| event)
        .collect()
}

fn announced(machine: &mut Machine, announcement: Announcement) {
    let panics = Vec::new();
    machine.handle(
        at(0),
        Input::Announced {
            announcement,
            panics,
        },
    );
}

/// A server that is ready, all its output taken.
fn running() -> Machine {
    let mut machine = Machine::new();
    machine.handle(at(0), Input::Start);
    announced(&mut machine, Announcement::Start);
    machine.handle(at(0), Input::Bound);
    machine.handle(at(0), Input::Ready);
    machine.handle(at(0), Input::StartEnded);
    announced(&mut machine, Announcement::Ready);
    poll(&mut machine);
    tell(&mut machine);
    machine
}

#[test]
fn a_worker_has_the_name_it_was_registered_with() {
    let mut machine = Machine::new();
    let worker = machine.register_worker("sweeper".into()).unwrap();
    assert_eq!(
        machine.worker_name(worker).map(|name| &**name),
        Some("sweeper")
    );
    assert_eq!(machine.worker_name(WorkerId::new(1)), None);
}

#[test]
fn there_is_output_while_an_effect_or_an_event_waits() {
    let mut machine = running();
    assert!(!machine.has_output());
    // An effect alone.
    machine.register_worker("late".into()).unwrap();
    assert!(machine.has_output());
    assert_eq!((poll(&mut machine), tell(&mut machine).len()), (1, 0));
    assert!(!machine.has_output());
    // Both, then an event alone.
    machine.handle(at(1), Input::Signal(Signal::Sigterm));
    assert!(machine.has_output());
    poll(&mut machine);
    assert!(machine.has_output());
    tell(&mut machine);
    assert!(!machine.has_output());
    machine.handle(at(2), Input::Signal(Signal::Sigterm));
    assert_eq!((poll(&mut machine), tell(&mut machine).len()), (0, 1));
}

#[test]
fn a_report_that_is_not_complete_says_what_the_stop_waits_for() {
    let mut machine = running();
    for (name, after) in [("database", None), ("cache", Some("database"))] {
        let spec = HookSpec::named(name).after(after);
        machine.register_hook(spec).unwrap();
    }
    machine.handle(at(1), Input::Stop(Cause::Requested(None)));
    announced(&mut machine, Announcement::Stopping);
    machine.handle(at(2), Input::ListenersClosed);
    let report = machine.report(&Timeline::default()).to_string();
    let waits = "; still running-hooks; connections 0 open; hook database runs; hook cache has not \
                 begun";
    assert!(report.ends_with(waits), "{report}");
    let ok = HookEnd::Ok;
    let hook = machine.hooks().ids().next().unwrap();
    machine.handle(at(3), Input::HookEnded { hook, end: ok });
    let report = machine.report(&Timeline::default()).to_string();
    let waits = "; still running-hooks; connections 0 open; hook cache runs";
    assert!(report.ends_with(waits), "{report}");
}

fn closed(number: u64, end: ConnectionEnd, cut: u64) -> Event {
    let mut tally = Tally::default();
    tally.begun = cut;
    tally.cut = cut;
    Event::ConnectionClosed {
        connection: ConnectionId::new(number),
        protocol: Protocol::Http1,
        end,
        tally,
    }
}

fn kept(events: impl IntoIterator<Item = Event>) -> usize {
    let mut timeline = Timeline::default();
    for event in events {
        timeline.record(at(0), &event);
    }
    timeline.entries().count()
}

#[test]
fn a_timeline_keeps_connections_that_were_cut_or_stuck_and_no_others() {
    assert_eq!(kept([closed(1, ConnectionEnd::Graceful, 0)]), 0);
    assert_eq!(kept([closed(1, ConnectionEnd::Cut, 1)]), 1);
    assert_eq!(kept([closed(1, ConnectionEnd::Stuck, 0)]), 1);
}

#[test]
fn a_timeline_keeps_the_first_hundred_connections_that_were_cut() {
    let cut = |number| closed(number, ConnectionEnd::Cut, 1);
    assert_eq!(kept((1..=100).map(cut)), 100);
    assert_eq!(kept((1..=1_000).map(cut)), 100);
    // Those that were not cut take none of their room.
    let others = (1..=1_000).map(|number| closed(number, ConnectionEnd::Idle, 0));
    assert_eq!(kept(others.chain((1..=100).map(cut))), 100);
}

#[test]
fn a_timeline_keeps_sixty_four_repeated_requests_to_stop() {
    let again = |_| Event::StopAgain(Cause::Requested(None));
    assert_eq!(kept((0..64).map(again)), 64);
    assert_eq!(kept((0..65).map(again)), 64);
}

#[test]
fn a_connection_is_asked_what_everybody_is_told_but_to_serve() {
    let cause = Cause::Requested(None);
    let (until, deadline) = (at(5), at(9));
    let asked = [
        (Directive::Serve, None),
        (
            Directive::LameDuck {
                cause: cause.clone(),
                until,
            },
            Some(Order::LameDuck { until }),
        ),
        (
            Directive::Drain {
                cause,
                deadline: None,
            },
            Some(Order::Drain { deadline: None }),
        ),
        (
            Directive::Tighten { deadline },
            Some(Order::Drain {
                deadline: Some(deadline),
            }),
        ),
        (Directive::Cancel, Some(Order::Cancel)),
        (Directive::Force, Some(Order::Force)),
    ];
    for (directive, order) in asked {
        assert_eq!(Order::of(&directive), order, "{directive:?}");
    }
}
