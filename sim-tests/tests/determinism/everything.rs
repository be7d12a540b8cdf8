//! One of everything: every kind of client, hook, worker and handler in one case.
//!
//! **Invariant:** a case that every world can carry out.

use lamplighter::Signal;
use lamplighter_sim::{
    Act, ActDoes, Budget, Call, Callback, CallbackDoes, Client, ClientDoes, HandlerDoes, Hears,
    Hook, HookDoes, Link, Moment, ProbeOf, Request, Scenario, Start, Worker, WorkerDoes,
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
            chunk: 400,
            every_ms: 20,
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
pub(crate) fn everything(seed: u64) -> Scenario {
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
            // Turmoil has no line without latency.
            latency_ms: 1 + shift % 3,
            ..Link::default()
        },
        plan: Budget {
            lame_duck_ms: 300,
            drain_ms: 2_000,
            hooks_ms: 600,
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
