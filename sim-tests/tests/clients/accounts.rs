//! What holds of every client, whatever it does and whenever its server stops.

use lamplighter::Signal;
use lamplighter_sim::trace::{ClientSaw, WhatHappened, Who};
use lamplighter_sim::{
    Act, ActDoes, Client, ClientDoes, Entry, HandlerDoes, Hears, Link, Memory, ProbeOf, Request,
    RunEnd, Scenario, World,
};

use super::{one, taking};

/// One client of each kind.
fn kinds() -> Vec<ClientDoes> {
    let stream = |hears| Request {
        receive_bytes: 500,
        does: HandlerDoes::Stream {
            every_ms: 40,
            hears,
        },
        ..Request::default()
    };
    let does = |does| Request { does, ..taking(10) };
    let requests = || {
        vec![
            Request {
                send_bytes: 70_000,
                receive_bytes: 70_000,
                ..taking(30)
            },
            Request {
                gap_ms: 20,
                ..taking(0)
            },
            does(HandlerDoes::AnswerUnread),
            does(HandlerDoes::Panic),
            stream(Hears::Draining),
            Request {
                gap_ms: 1_000,
                ..does(HandlerDoes::PanicInBody)
            },
            does(HandlerDoes::HearCancelled),
            stream(Hears::Nothing),
            does(HandlerDoes::Hang),
        ]
    };
    vec![
        ClientDoes::Http1 {
            requests: requests(),
        },
        ClientDoes::Http2 {
            requests: requests(),
        },
        ClientDoes::Grpc { calls: requests() },
        ClientDoes::Watch,
        ClientDoes::Websocket {
            messages: 30,
            every_ms: 30,
        },
        ClientDoes::Events {
            every_ms: 50,
            hears: Hears::Draining,
        },
        ClientDoes::Silent,
        ClientDoes::HalfHead,
        ClientDoes::HalfPreface,
        ClientDoes::NoSettingsAck,
        ClientDoes::NoPong,
        ClientDoes::Idle {
            requests: vec![taking(30); 2],
        },
        ClientDoes::SlowReader {
            bytes: 50_000,
            window: 3_000,
            chunk: 2_000,
            every_ms: 30,
        },
        ClientDoes::SlowWriter {
            bytes: 50_000,
            chunk: 2_000,
            every_ms: 30,
        },
        ClientDoes::ResetMid {
            bytes: 50_000,
            after_bytes: 20_000,
        },
        ClientDoes::Probe {
            of: ProbeOf::Readiness,
            every_ms: 70,
        },
    ]
}

/// When a server is told to stop: in the middle of everything, at the very moments at which things
/// happen, and beside them.
const STOPS: [u32; 16] = [
    0, 1, 2, 3, 5, 7, 10, 11, 13, 30, 39, 60, 100, 333, 1_050, 1_300,
];

/// The scenarios that are looked at.
fn lives() -> impl Iterator<Item = Scenario> {
    let stops = STOPS.into_iter();
    let moments = stops.flat_map(|stop| [0, 1, 3].map(|latency_ms| (stop, latency_ms)));
    moments.flat_map(|(stop, latency_ms)| {
        kinds().into_iter().flat_map(move |does| {
            let once = Scenario {
                link: Link {
                    latency_ms,
                    window_bytes: 16 * 1024,
                },
                ..one(does, stop)
            };
            let mut twice = once.clone();
            twice.plan.lame_duck_ms = 50;
            twice.acts.push(Act {
                gap_ms: 400,
                does: ActDoes::Signal(Signal::Sigterm),
            });
            [once, twice]
        })
    })
}

/// What this client saw.
fn seen(trace: &[Entry], client: u16) -> Vec<ClientSaw> {
    let own = trace
        .iter()
        .filter(|entry| entry.who == Who::Client(client));
    own.filter_map(|entry| {
        if let WhatHappened::Client(saw) = entry.what {
            Some(saw)
        } else {
            None
        }
    })
    .collect()
}

#[test]
fn every_request_is_answered_or_lost_once_and_the_client_is_done() {
    for scenario in lives() {
        let run = Memory::default().run(&scenario, &mut ()).unwrap();
        let saw = seen(&run.trace, 0);
        let context = || format!("{scenario:#?}\n{}", run.text());
        assert_eq!(run.end, RunEnd::Done, "{}", context());
        let first = saw.iter().find(|saw| !matches!(saw, ClientSaw::Asked(_)));
        assert_eq!(first, Some(&ClientSaw::Dialled), "{}", context());
        assert_eq!(saw.last(), Some(&ClientSaw::Done), "{}", context());
        let mut asked: Vec<u16> = Vec::new();
        for saw in &saw {
            if let ClientSaw::Asked(request) = *saw {
                asked.push(request);
            }
            if let ClientSaw::Answered { request, .. } | ClientSaw::Lost { request, .. } = *saw {
                let at = asked.iter().position(|asked| *asked == request);
                // One that was asked by half is told when it is answered, and never missed.
                let half = matches!(scenario.clients[0].does, ClientDoes::HalfHead);
                assert!(at.is_some() || half, "{request} {}", context());
                at.map(|at| asked.remove(at));
            }
        }
        assert!(asked.is_empty(), "{asked:?} {}", context());
    }
}

#[test]
fn the_same_clients_put_the_same_bytes_on_the_wire() {
    let mut scenario = one(ClientDoes::Silent, 100);
    scenario.link.latency_ms = 1;
    scenario.clients = kinds()
        .into_iter()
        .map(|does| Client {
            gap_ms: 2,
            does,
            ..Client::default()
        })
        .collect();
    let text = || {
        let world = Memory::with_wire();
        let run = world.run(&scenario, &mut ()).unwrap();
        run.text()
    };
    let first = text();
    assert!(first.lines().count() > 200, "{first}");
    for _ in 0..5 {
        assert_eq!(text(), first);
    }
}

#[test]
fn a_client_that_crashes_leaves_nothing_behind() {
    for does in kinds() {
        let mut scenario = one(does.clone(), 500);
        let crash = Act {
            gap_ms: 15,
            does: ActDoes::Crash { client: 0 },
        };
        scenario.acts.insert(0, crash);
        let run = Memory::default().run(&scenario, &mut ()).unwrap();
        assert_eq!(run.end, RunEnd::Done, "{does:?}\n{}", run.text());
        let report = run.report.as_ref().unwrap();
        assert!(report.is_clean(), "{does:?}\n{}", run.text());
        assert!(report.total().is_zero(), "{does:?}\n{}", run.text());
        let saw = run.trace.iter().rev();
        let last = saw
            .clone()
            .find(|entry| entry.who == Who::Client(0))
            .unwrap();
        assert!(last.at.as_millis() <= 15, "{does:?}\n{}", run.text());
    }
}
