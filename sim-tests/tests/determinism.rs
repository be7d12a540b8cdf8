//! The same scenario gives the same trace, what passed on the wire included: again, and in another
//! process.

use std::io::{self, Write};
use std::process::Command;

use lamplighter::Signal;
use lamplighter_sim::trace::wire_hash;
use lamplighter_sim::{
    Act, ActDoes, Budget, Call, Callback, CallbackDoes, Client, ClientDoes, HandlerDoes, Hears,
    Hook, HookDoes, Link, Memory, Moment, ProbeOf, Request, RunEnd, Scenario, Start, Worker,
    WorkerDoes, World,
};

fn request(takes_ms: u32, does: HandlerDoes) -> Request {
    Request {
        takes_ms,
        send_bytes: 100,
        receive_bytes: 20_000,
        does,
        ..Request::default()
    }
}

/// One client of every kind.
fn clients() -> Vec<ClientDoes> {
    let answers = vec![
        request(50, HandlerDoes::Answer),
        request(3_000, HandlerDoes::Answer),
        request(10, HandlerDoes::Panic),
    ];
    let streams = vec![
        request(5, HandlerDoes::PanicInBody),
        request(
            0,
            HandlerDoes::Stream {
                every_ms: 70,
                hears: Hears::Draining,
            },
        ),
        request(
            0,
            HandlerDoes::Stream {
                every_ms: 90,
                hears: Hears::Nothing,
            },
        ),
        request(0, HandlerDoes::Hang),
        request(0, HandlerDoes::HearCancelled),
    ];
    vec![
        ClientDoes::Http1 {
            requests: answers.clone(),
        },
        ClientDoes::Http2 {
            requests: answers.iter().chain(&streams).copied().collect(),
        },
        ClientDoes::Grpc {
            calls: answers.iter().chain(&streams).copied().collect(),
        },
        ClientDoes::Watch,
        ClientDoes::Websocket {
            messages: 50,
            every_ms: 100,
        },
        ClientDoes::Events {
            every_ms: 100,
            hears: Hears::Draining,
        },
        ClientDoes::Silent,
        ClientDoes::HalfHead,
        ClientDoes::HalfPreface,
        ClientDoes::NoSettingsAck,
        ClientDoes::NoPong,
        ClientDoes::Idle {
            requests: vec![Request::default()],
        },
        ClientDoes::SlowReader {
            bytes: 100_000,
            window: 8_192,
            chunk: 100,
            every_ms: 50,
        },
        ClientDoes::SlowWriter {
            bytes: 5_000,
            chunk: 100,
            every_ms: 20,
        },
        ClientDoes::ResetMid {
            bytes: 100_000,
            after_bytes: 5_000,
        },
        ClientDoes::Probe {
            of: ProbeOf::Readiness,
            every_ms: 200,
        },
    ]
}

/// One of everything, at times of this seed's own.
fn everything(seed: u64) -> Scenario {
    let shift = u32::try_from(seed % 100).unwrap_or_default();
    let clients = clients().into_iter().map(|does| Client {
        gap_ms: 10 + shift % 3,
        does,
        ..Client::default()
    });
    let hook = |after, takes_ms, does| Hook {
        after,
        takes_ms,
        does,
        timeout_ms: None,
    };
    Scenario {
        seed,
        link: Link {
            latency_ms: shift % 4,
            ..Link::default()
        },
        plan: Budget {
            lame_duck_ms: 300,
            drain_ms: 2_000,
            drain_spread_ms: 200,
            ..Budget::default()
        },
        start: Start {
            call: Call::Run,
            ..Start::default()
        },
        hooks: vec![
            hook(0, 20, HookDoes::Ok),
            hook(0, 20, HookDoes::Panic),
            hook(0b1, 5, HookDoes::Fail),
            hook(0b10, 0, HookDoes::Hang),
            hook(0b11, 100, HookDoes::Block),
        ],
        workers: vec![
            Worker::default(),
            Worker {
                takes_ms: 100,
                does: WorkerDoes::Hang,
            },
        ],
        callbacks: vec![Callback {
            on: Moment::Stopping,
            does: CallbackDoes::Panic,
        }],
        clients: clients.collect(),
        acts: vec![Act {
            gap_ms: 1_000 + 7 * shift,
            does: ActDoes::Signal(Signal::Sigterm),
        }],
        ..Scenario::default()
    }
}

/// How many seeds are compared.
const SEEDS: u64 = 20;

/// Set where this test runs as the other process of itself.
const CHILD: &str = "LAMPLIGHTER_SIM_OTHER_PROCESS";

/// What stands before a hash in what the other process prints.
const MARK: &str = "trace: ";

fn trace(seed: u64) -> String {
    let run = Memory::with_wire().run(&everything(seed), &mut ());
    run.map_or_else(|error| error.to_string(), |run| run.text())
}

fn hashes() -> Vec<String> {
    let traces = (0..SEEDS).map(trace);
    traces
        .map(|trace| format!("{:016x}", wire_hash(trace.as_bytes())))
        .collect()
}

#[test]
fn a_scenario_with_one_of_everything_runs_to_its_end() {
    let run = Memory::default().run(&everything(0), &mut ()).unwrap();
    assert_eq!(run.end, RunEnd::Done, "{}", run.text());
    let report = run.report.unwrap();
    assert!(report.is_complete());
    assert_eq!(report.connections().open, 0);
}

#[test]
fn the_same_scenario_gives_the_same_bytes_again_and_another_one_gives_others() {
    let first = hashes();
    let again = hashes();
    assert_eq!(first, again);
    let mut different = first;
    different.sort();
    different.dedup();
    assert_eq!(different.len(), SEEDS as usize);
    // What passed on the wire is part of it.
    assert!(trace(0).contains("wire#1        read "), "{}", trace(0));
}

#[test]
fn another_process_gives_the_same_bytes() {
    if std::env::var_os(CHILD).is_some() {
        let mut out = io::stdout();
        for hash in hashes() {
            writeln!(out, "{MARK}{hash}").unwrap();
        }
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "another_process_gives_the_same_bytes",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    // The harness of the tests may have left its own words on the first line.
    let theirs: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.split_once(MARK).map(|(_, hash)| hash))
        .collect();
    assert_eq!(theirs, hashes(), "{printed}");
}
