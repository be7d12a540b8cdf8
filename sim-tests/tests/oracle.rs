//! The laws: every life keeps them, and a trace that breaks one is found by the law that it breaks.

#[path = "oracle/excused.rs"]
mod excused;
#[path = "oracle/on_the_way.rs"]
mod on_the_way;
#[path = "oracle/times.rs"]
mod times;
#[path = "oracle/told.rs"]
mod told;

use std::time::Duration;

use lamplighter::{ConnectionEnd, Phase, ServerEventKind, Signal};
use lamplighter_sim::strategy::Case;
use lamplighter_sim::trace::{Break, ClientSaw, HandlerSaw, WhatHappened, Who};
use lamplighter_sim::{
    Act, ActDoes, Budget, Client, ClientDoes, Hook, Memory, Observer, Oracle, ProbeOf, Request,
    RequestId, Run, Scenario, World,
};

/// How many lives are drawn.
const SEEDS: u64 = 300;

#[test]
fn lives_drawn_by_lot_keep_every_law() {
    for seed in 0..SEEDS {
        let scenario = Case::new(seed).scenario;
        let mut oracle = Oracle::new(&scenario);
        let run = Memory::default().run(&scenario, &mut oracle).unwrap();
        if let Err(violation) = oracle.judge(&run) {
            panic!("seed {seed}: {}", violation.explain(&scenario, &run));
        }
    }
}

/// A life with one of everything that laws are about.
fn ordinary() -> Scenario {
    let http1 = ClientDoes::Http1 {
        requests: vec![Request {
            takes_ms: 80,
            ..Request::default()
        }],
    };
    let http2 = ClientDoes::Http2 {
        requests: vec![Request {
            takes_ms: 80,
            ..Request::default()
        }],
    };
    let probe = ClientDoes::Probe {
        of: ProbeOf::Readiness,
        every_ms: 7,
    };
    let clients = [http1, http2, probe].map(|does| Client {
        does,
        ..Client::default()
    });
    let hook = Hook {
        takes_ms: 20,
        ..Hook::default()
    };
    Scenario {
        plan: Budget {
            lame_duck_ms: 40,
            drain_ms: 100,
            hooks_ms: 50,
            margin_ms: 10,
            ..Budget::default()
        },
        hooks: vec![hook, Hook { after: 1, ..hook }],
        clients: clients.to_vec(),
        acts: vec![Act {
            gap_ms: 50,
            does: ActDoes::Signal(Signal::Sigterm),
        }],
        ..Scenario::default()
    }
}

/// The law that finds fault with the ordinary life, once something is done to it.
fn fault(change: impl FnOnce(&mut Run)) -> Option<String> {
    fault_of(&ordinary(), change)
}

/// The law that finds fault with this life, once something is done to it.
fn fault_of(scenario: &Scenario, change: impl FnOnce(&mut Run)) -> Option<String> {
    let mut run = Memory::default().run(scenario, &mut ()).ok()?;
    change(&mut run);
    let mut oracle = Oracle::new(scenario);
    for entry in &run.trace {
        if oracle.sees(entry).is_break() {
            break;
        }
    }
    oracle.judge(&run).err().map(|violation| violation.law)
}

const LOST: ClientSaw = ClientSaw::Lost {
    request: 0,
    why: Break::Fin,
    bytes: 0,
};

fn place(run: &Run, is: impl Fn(&ServerEventKind) -> bool) -> usize {
    let place = run
        .trace
        .iter()
        .position(|entry| entry.server().is_some_and(&is));
    // Beyond the end if there is none, which whoever indexes it says.
    place.unwrap_or(usize::MAX)
}

fn client_place(run: &Run, client: u16, is: impl Fn(ClientSaw) -> bool) -> usize {
    let place = run.trace.iter().rposition(|entry| match entry.what {
        WhatHappened::Client(saw) if entry.who == Who::Client(client) => is(saw),
        WhatHappened::Client(_)
        | WhatHappened::World(_)
        | WhatHappened::Server(_)
        | WhatHappened::Hook(_)
        | WhatHappened::Worker(_)
        | WhatHappened::Handler(_)
        | WhatHappened::Wire(_)
        | WhatHappened::Note(_) => false,
    });
    // Beyond the end if there is none, which whoever indexes it says.
    place.unwrap_or(usize::MAX)
}

#[test]
fn an_ordinary_life_has_no_fault() {
    assert_eq!(fault(|_| {}), None);
}

#[test]
fn a_phase_that_comes_twice_is_found() {
    let law = fault(|run| {
        let draining = place(run, |event| {
            *event == ServerEventKind::Phase(Phase::Draining)
        });
        let again = run.trace[draining].clone();
        run.trace.insert(draining + 1, again);
    });
    assert_eq!(law.unwrap(), "phases move forward");
}

#[test]
fn a_life_that_goes_on_after_its_last_event_is_found() {
    let law = fault(|run| {
        let listeners = place(run, |event| *event == ServerEventKind::ListenersClosed);
        let again = run.trace[listeners].clone();
        run.trace.push(again);
    });
    assert_eq!(law.unwrap(), "one last event");
}

#[test]
fn a_life_without_a_last_event_is_found() {
    let law = fault(|run| {
        let stop = place(run, |event| *event == ServerEventKind::Stop);
        run.trace.remove(stop);
    });
    assert_eq!(law.unwrap(), "one last event");
}

#[test]
fn a_probe_that_is_told_ready_after_readiness_went_off_is_found() {
    let law = fault(|run| {
        let told = client_place(run, 2, |saw| matches!(saw, ClientSaw::Answered { .. }));
        if let WhatHappened::Client(ClientSaw::Answered { status, .. }) = &mut run.trace[told].what
        {
            *status = 200;
        }
    });
    assert_eq!(law.unwrap(), "readiness off, then accepting");
}

#[test]
fn listeners_that_close_within_the_lame_duck_are_found() {
    let law = fault(|run| {
        let closed = place(run, |event| *event == ServerEventKind::ListenersClosed);
        let mut closed = run.trace.remove(closed);
        let stopping = place(run, |event| matches!(event, ServerEventKind::Stopping(_)));
        closed.at = run.trace[stopping].at;
        run.trace.insert(stopping + 1, closed);
    });
    assert_eq!(law.unwrap(), "readiness off, then accepting");
}

#[test]
fn a_client_that_is_refused_by_a_server_that_accepts_is_found() {
    let law = fault(|run| {
        let connected = client_place(run, 0, |saw| saw == ClientSaw::Connected);
        run.trace[connected].what =
            ClientSaw::Refused(std::io::ErrorKind::ConnectionRefused).into();
    });
    assert_eq!(law.unwrap(), "readiness off, then accepting");
}

#[test]
fn a_connection_that_never_closes_is_found() {
    let law = fault(|run| {
        // The first one is a probe's, which nothing waits for.
        let closed = place(run, |event| {
            matches!(event, ServerEventKind::ConnectionClosed { .. })
        });
        run.trace.remove(closed);
    });
    // The drain would have to wait for it.
    assert_eq!(law.unwrap(), "each connection ends once");
}

#[test]
fn a_second_goodbye_is_found() {
    let law = fault(|run| {
        let told = client_place(run, 0, |saw| saw == ClientSaw::Closing);
        let again = run.trace[told].clone();
        run.trace.insert(told + 1, again);
    });
    assert_eq!(law.unwrap(), "one graceful close");
}

#[test]
fn a_goaway_that_takes_more_in_than_the_one_before_is_found() {
    let law = fault(|run| {
        let told = client_place(run, 1, |saw| matches!(saw, ClientSaw::GoAway { .. }));
        if let WhatHappened::Client(ClientSaw::GoAway { last_stream, .. }) =
            &mut run.trace[told].what
        {
            *last_stream = 99;
        }
        let first = run
            .trace
            .iter()
            .position(|entry| matches!(entry.what, WhatHappened::Client(ClientSaw::GoAway { .. })));
        if let WhatHappened::Client(ClientSaw::GoAway { last_stream, .. }) =
            &mut run.trace[first.unwrap()].what
        {
            *last_stream = 3;
        }
    });
    assert_eq!(law.unwrap(), "one graceful close");
}

#[test]
fn a_hook_that_does_not_wait_for_the_one_that_it_comes_after_is_found() {
    let law = fault(|run| {
        let second = run
            .trace
            .iter()
            .rposition(|entry| matches!(entry.server(), Some(ServerEventKind::HookStarted(_))));
        let mut second = run.trace.remove(second.unwrap());
        let first = place(run, |event| {
            matches!(event, ServerEventKind::HookStarted(_))
        });
        second.at = run.trace[first].at;
        run.trace.insert(first + 1, second);
    });
    assert_eq!(law.unwrap(), "hooks in order");
}

#[test]
fn a_hook_that_starts_while_a_handler_works_is_found() {
    let law = fault(|run| {
        run.trace
            .retain(|entry| !matches!(entry.what, WhatHappened::Handler(HandlerSaw::Finished)));
    });
    assert_eq!(law.unwrap(), "no hook while work lives");
}

#[test]
fn a_connection_that_is_named_as_stuck_is_found() {
    let law = fault(|run| {
        let closed = place(run, |event| {
            matches!(event, ServerEventKind::ConnectionClosed { .. })
        });
        if let WhatHappened::Server(event) = &mut run.trace[closed].what
            && let ServerEventKind::ConnectionClosed { end, .. } = &mut event.kind
        {
            *end = ConnectionEnd::Stuck;
        }
    });
    assert_eq!(law.unwrap(), "no hook while work lives");
}

#[test]
fn a_handler_that_is_called_when_hooks_have_their_time_is_found() {
    let law = fault(|run| {
        let begun = run
            .trace
            .iter()
            .position(|entry| entry.what == WhatHappened::Handler(HandlerSaw::Begun));
        let hooks = place(run, |event| {
            *event == ServerEventKind::Phase(Phase::RunningHooks)
        });
        let mut again = run.trace[begun.unwrap()].clone();
        again.at = run.trace[hooks].at;
        run.trace.insert(hooks + 1, again);
    });
    assert_eq!(law.unwrap(), "no hook while work lives");
}

#[test]
fn a_hook_that_is_never_settled_is_found() {
    let law = fault(|run| {
        let settled = run
            .trace
            .iter()
            .rposition(|entry| matches!(entry.server(), Some(ServerEventKind::HookSettled { .. })));
        run.trace.remove(settled.unwrap());
    });
    assert_eq!(law.unwrap(), "hooks in order");
}

#[test]
fn a_stop_that_takes_longer_than_its_budget_is_found() {
    let law = fault(|run| {
        let late = Duration::from_millis(300);
        let disposing = place(run, |event| {
            *event == ServerEventKind::Phase(Phase::RunningHooks)
        });
        run.trace
            .iter_mut()
            .skip(disposing)
            .for_each(|entry| entry.at += late);
    });
    assert_eq!(law.unwrap(), "within the budget");
}

#[test]
fn a_drain_that_waits_for_nothing_is_found() {
    let law = fault(|run| {
        let late = Duration::from_millis(1);
        let over = place(run, |event| {
            *event == ServerEventKind::Phase(Phase::ForceClosing)
        });
        run.trace
            .iter_mut()
            .skip(over)
            .for_each(|entry| entry.at += late);
    });
    assert_eq!(law.unwrap(), "no idle waiting");
}

#[test]
fn a_request_that_came_in_time_and_was_lost_is_found() {
    let law = fault(|run| {
        let answered = client_place(run, 0, |saw| matches!(saw, ClientSaw::Answered { .. }));
        run.trace[answered].what = LOST.into();
    });
    assert_eq!(law.unwrap(), "no request lost");
}

#[test]
fn a_request_that_came_in_time_and_was_lost_without_a_cut_is_found() {
    let law = fault(|run| {
        let answered = client_place(run, 0, |saw| matches!(saw, ClientSaw::Answered { .. }));
        let mut lost = run.trace.remove(answered);
        lost.what = LOST.into();
        let forced = place(run, |event| {
            *event == ServerEventKind::Phase(Phase::ForceClosing)
        });
        lost.at = run.trace[forced].at;
        run.trace.insert(forced + 1, lost);
    });
    assert_eq!(law.unwrap(), "no request lost");
}

#[test]
fn a_handler_that_the_report_does_not_know_of_is_found() {
    let law = fault(|run| {
        let id = RequestId {
            client: 0,
            request: 1,
        };
        let mut begun = run.trace[place(run, |event| *event == ServerEventKind::Ready)].clone();
        begun.who = Who::Handler(id);
        for saw in [HandlerSaw::Begun, HandlerSaw::Finished] {
            begun.what = saw.into();
            run.trace.insert(6, begun.clone());
        }
        run.trace.swap(6, 7);
        // As many times as there are requests that no handler had: those of the probe.
        for _ in 0..40 {
            run.trace.insert(6, begun.clone());
            begun.what = HandlerSaw::Begun.into();
            run.trace.insert(6, begun.clone());
            begun.what = HandlerSaw::Finished.into();
        }
    });
    assert_eq!(law.unwrap(), "the accounts of all agree");
}

#[test]
fn a_handler_that_hears_of_a_stop_before_there_is_one_is_found() {
    let law = fault(|run| {
        let begun = run
            .trace
            .iter()
            .position(|entry| matches!(entry.what, WhatHappened::Handler(HandlerSaw::Begun)));
        let mut heard = run.trace[begun.unwrap()].clone();
        heard.what = HandlerSaw::HeardCancelled.into();
        run.trace.insert(begun.unwrap() + 1, heard);
    });
    assert_eq!(law.unwrap(), "draining, then cancelled");
}

#[test]
fn a_task_that_is_left_is_found() {
    let law = fault(|run| run.tasks_left = Some(1));
    assert_eq!(law.unwrap(), "nothing left");
}
