//! The world in memory: a network and a clock that obey.

use std::time::Duration;

use lamplighter::{ConnectionEnd, HookOutcome, Signal};
use lamplighter_sim::trace::ClientSaw;
use lamplighter_sim::{
    AcceptFault, Act, ActDoes, Client, ClientDoes, Defences, Hook, HookDoes, Memory, Oracle,
    Request, Run, RunEnd, Scenario, World,
};

#[test]
fn a_small_life_is_told_in_full() {
    let requests = vec![Request {
        takes_ms: 50,
        ..Request::default()
    }];
    let client = Client {
        does: ClientDoes::Http1 { requests },
        ..Client::default()
    };
    let scenario = Scenario {
        hooks: vec![Hook {
            takes_ms: 20,
            ..Hook::default()
        }],
        clients: vec![client; 2],
        acts: vec![Act {
            gap_ms: 10,
            does: ActDoes::Signal(Signal::Sigterm),
        }],
        ..Scenario::default()
    };
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    assert_eq!(run.end, RunEnd::Done);
    assert_eq!(
        run.lifecycle(),
        "      0.000 ms  server        phase         starting
      0.000 ms  server        start
      0.000 ms  server        phase         running
      0.000 ms  server        ready
     10.000 ms  server        signal        SIGTERM (first)
     10.000 ms  server        stopping      SIGTERM
     10.000 ms  server        phase         lame-duck
     10.000 ms  server        phase         draining
     10.000 ms  server        listeners     closed
     53.000 ms  server        phase         force-closing
     53.000 ms  server        phase         running-hooks
     53.000 ms  server        hook          h0 started
     73.000 ms  server        hook          h0 ok
     73.000 ms  server        phase         disposing
     73.000 ms  server        stop
"
    );
    let report = run.report.unwrap();
    assert_eq!(report.total(), Duration::from_millis(63));
    assert_eq!(report.connections().tally.answered, 2);
}

/// One client that asks once, at 10 ms, of a handler that takes 50 ms; and these acts.
fn one_client(acts: Vec<Act>) -> Scenario {
    let requests = vec![Request {
        takes_ms: 50,
        ..Request::default()
    }];
    Scenario {
        clients: vec![Client {
            gap_ms: 10,
            does: ClientDoes::Http1 { requests },
            ..Client::default()
        }],
        acts,
        ..Scenario::default()
    }
}

/// When the client saw this, in milliseconds.
fn when(run: &Run, saw: ClientSaw) -> Option<u128> {
    let entry = run.trace.iter().find(|entry| entry.what == saw.into());
    entry.map(|entry| entry.at.as_millis())
}

const ANSWERED: ClientSaw = ClientSaw::Answered {
    request: 0,
    status: 200,
    grpc: None,
    bytes: 0,
};

fn act(gap_ms: u32, does: ActDoes) -> Act {
    Act { gap_ms, does }
}

#[test]
fn what_is_held_is_late_and_not_lost() {
    let scenario = one_client(vec![
        act(20, ActDoes::Hold { client: 0 }),
        act(1_000, ActDoes::Release { client: 0 }),
    ]);
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    assert_eq!(when(&run, ANSWERED), Some(1_020), "{}", run.text());
}

#[test]
fn a_connection_that_is_asked_for_while_all_is_held_is_made_after_the_release() {
    let scenario = one_client(vec![
        act(0, ActDoes::Hold { client: 0 }),
        act(100, ActDoes::Release { client: 0 }),
    ]);
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    assert_eq!(
        when(&run, ClientSaw::Connected),
        Some(102),
        "{}",
        run.text()
    );
}

#[test]
fn a_partitioned_client_hears_nothing_more_and_a_release_does_not_help() {
    let scenario = one_client(vec![
        act(20, ActDoes::Partition { client: 0 }),
        act(100, ActDoes::Release { client: 0 }),
        act(100, ActDoes::Stop),
    ]);
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    assert_eq!(run.end, RunEnd::ClientsLeft(1), "{}", run.text());
    assert_eq!(when(&run, ANSWERED), None);
}

#[test]
fn a_client_that_crashes_ends_its_connection_without_a_word() {
    let scenario = one_client(vec![
        act(20, ActDoes::Crash { client: 0 }),
        act(100, ActDoes::Stop),
    ]);
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    assert_eq!(when(&run, ClientSaw::Done), None, "{}", run.text());
    let report = run.report.as_ref().unwrap();
    assert_eq!(report.connections().ended(ConnectionEnd::PeerClosed), 1);
}

#[test]
fn a_connection_that_cannot_be_accepted_for_now_is_accepted_later() {
    let error = AcceptFault::OutOfMemory;
    let scenario = one_client(vec![
        act(0, ActDoes::AcceptErrors { times: 2, error }),
        act(200, ActDoes::Stop),
    ]);
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    // In the queue at 13 ms; tried again 1 ms later, and 2 ms after that.
    assert_eq!(when(&run, ANSWERED), Some(67), "{}", run.text());
}

#[test]
fn a_connection_that_is_aborted_in_the_queue_is_reset() {
    let error = AcceptFault::Aborted;
    let scenario = one_client(vec![
        act(0, ActDoes::AcceptErrors { times: 1, error }),
        act(200, ActDoes::Stop),
    ]);
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    assert_eq!(when(&run, ClientSaw::Reset), Some(14), "{}", run.text());
}

#[test]
fn a_listener_that_breaks_stops_the_server_and_refuses_clients() {
    let scenario = one_client(vec![act(0, ActDoes::BreakListener)]);
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    let refused = ClientSaw::Refused(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(when(&run, refused), Some(12), "{}", run.text());
    assert_eq!(run.report.unwrap().exit_code(), 69);
}

#[test]
fn a_freeze_makes_timers_late_and_is_reported() {
    let mut scenario = one_client(vec![
        act(20, ActDoes::Stop),
        act(10, ActDoes::Freeze { ms: 5_000 }),
    ]);
    scenario.plan.drain_ms = 1_000;
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    let report = run.report.as_ref().unwrap();
    assert_eq!(
        report.stalled(),
        Duration::from_millis(4_110),
        "{}",
        run.text()
    );
}

#[test]
fn a_hook_that_blocks_longer_than_it_may_is_left_and_named() {
    let mut scenario = one_client(vec![act(100, ActDoes::Stop)]);
    scenario.hooks = vec![Hook {
        takes_ms: 5_000,
        does: HookDoes::Block,
        timeout_ms: Some(1_000),
        ..Hook::default()
    }];
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    let report = run.report.as_ref().unwrap();
    assert_eq!(report.total(), Duration::from_secs(1), "{}", run.text());
    assert_eq!(report.hooks()[0].outcome, Some(HookOutcome::TimedOut));
    assert!(report.hooks()[0].still_running);
}

#[test]
fn a_server_that_nobody_ends_is_ended_by_the_world() {
    let run = Memory::default().run(&one_client(Vec::new()), &mut ());
    let run = run.unwrap();
    assert_eq!(run.end, RunEnd::Done, "{}", run.text());
    assert!(run.report.unwrap().is_complete());
}

#[test]
fn what_only_another_world_can_do_is_refused_by_name() {
    let scenario = one_client(vec![act(0, ActDoes::Jump { ms: 5 })]);
    let refused = Memory::default().run(&scenario, &mut ()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a jump of the server's clock alone cannot happen in the memory world"
    );
}

#[test]
fn a_client_that_closes_with_bytes_unread_resets_its_connection() {
    let scenario = Scenario {
        clients: vec![Client {
            does: ClientDoes::ResetMid {
                bytes: 100_000,
                after_bytes: 1_000,
            },
            ..Client::default()
        }],
        acts: vec![act(100, ActDoes::Stop)],
        ..Scenario::default()
    };
    let run = Memory::with_wire().run(&scenario, &mut ()).unwrap();
    let tally = run.report.as_ref().unwrap().connections().tally;
    assert_eq!((tally.begun, tally.aborted), (1, 1), "{}", run.text());
}

#[test]
fn a_limit_of_nothing_is_refused_by_the_start_and_no_requests_mean_one() {
    let client = Client {
        does: ClientDoes::Http1 {
            requests: vec![Request::default(); 2],
        },
        ..Client::default()
    };
    let scenario = |defences| Scenario {
        defences,
        clients: vec![client.clone()],
        ..Scenario::default()
    };
    let usual = Defences::default;
    for (defences, starts) in [
        (
            Defences {
                max_connections: Some(0),
                ..usual()
            },
            false,
        ),
        (
            Defences {
                header_read_ms: Some(0),
                ..usual()
            },
            false,
        ),
        (
            Defences {
                max_requests: Some(0),
                ..usual()
            },
            true,
        ),
    ] {
        let scenario = scenario(defences);
        let mut oracle = Oracle::new(&scenario);
        let run = Memory::default().run(&scenario, &mut oracle).unwrap();
        assert_eq!(oracle.judge(&run), Ok(()), "{}", run.text());
        let report = run.report.as_ref().unwrap();
        assert_eq!(
            report.outcome().start_failure.is_none(),
            starts,
            "{report}, {defences:?}"
        );
        // Who is let in is asked to go with the first answer.
        assert_eq!(
            report.connections().tally.answered,
            u64::from(starts),
            "{}",
            run.text()
        );
    }
}
