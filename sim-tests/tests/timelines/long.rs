//! What lasts: streams, gRPC, a watch of the health, a WebSocket, a worker.

use lamplighter_sim::{
    Budget, ClientDoes, HandlerDoes, Hears, Request, Scenario, Worker, WorkerDoes,
};

use crate::stage::{client, sigterm, takes, timeline};

fn stream(hears: Hears) -> Request {
    Request {
        does: HandlerDoes::Stream {
            every_ms: 200,
            hears,
        },
        ..takes(0)
    }
}

#[test]
fn streams() {
    let events = |hears| ClientDoes::Events {
        every_ms: 200,
        hears,
    };
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 1_000,
            ..Budget::default()
        },
        clients: vec![
            client(0, events(Hears::Draining)),
            client(0, events(Hears::Cancelled)),
            client(0, events(Hears::Nothing)),
        ],
        acts: vec![sigterm(500)],
        ..Scenario::default()
    };
    let description = "Three streams: one ends when it is asked to, one when time is up, and one, that \
                       listens to nothing, is cut.";
    timeline("streams", description, &scenario);
}

#[test]
fn http2() {
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 1_000,
            ..Budget::default()
        },
        clients: vec![client(
            0,
            ClientDoes::Http2 {
                requests: vec![takes(10), takes(400), stream(Hears::Nothing)],
            },
        )],
        acts: vec![sigterm(100)],
        ..Scenario::default()
    };
    let description = "One HTTP/2 connection: told by GOAWAY in two steps, what is in flight is \
                       answered, and of a stream that does not end only that stream is reset.";
    timeline("http2", description, &scenario);
}

#[test]
fn grpc() {
    let scenario = Scenario {
        clients: vec![
            client(
                0,
                ClientDoes::Grpc {
                    calls: vec![takes(400), stream(Hears::Draining)],
                },
            ),
            client(0, ClientDoes::Watch),
        ],
        acts: vec![sigterm(300)],
        ..Scenario::default()
    };
    let description = "gRPC: a call is answered, a stream that hears of the drain ends with the status \
                       OK, and a watch of the health is told NOT_SERVING and ends.";
    timeline("grpc", description, &scenario);
}

#[test]
fn websocket() {
    let scenario = Scenario {
        clients: vec![client(
            0,
            ClientDoes::Websocket {
                messages: 10,
                every_ms: 200,
            },
        )],
        acts: vec![sigterm(500)],
        ..Scenario::default()
    };
    let description = "A WebSocket hears of the drain and is closed with 1001.";
    timeline("websocket", description, &scenario);
}

#[test]
fn workers() {
    let scenario = Scenario {
        plan: Budget {
            drain_ms: 1_000,
            ..Budget::default()
        },
        workers: vec![
            Worker {
                takes_ms: 100,
                does: WorkerDoes::HearDraining,
            },
            Worker {
                takes_ms: 0,
                does: WorkerDoes::Hang,
            },
        ],
        acts: vec![sigterm(50)],
        ..Scenario::default()
    };
    let description = "Workers count as work: one finishes when it is asked to, one does not and is \
                       ended with what is left.";
    timeline("workers", description, &scenario);
}
