//! Cases whose shape is always the same: those that the speed of a simulator is told for.
//!
//! **Invariant:** only their times depend on the seed. **Invariant:** no law is broken in them, and
//! nothing fails that is not said here.

use super::draw::Draw;
use super::swarm::Swarm;
use super::{Case, Scenario};
use crate::scenario::{
    Act, Budget, Client, ClientDoes, HandlerDoes, Hook, HookDoes, Link, Request,
};

impl Case {
    /// A small case: two clients with a request each, one hook, one signal. The server says 19 lines
    /// of it.
    #[must_use]
    pub fn small(seed: u64) -> Self {
        Self::measured(seed, |draw| {
            let clients = (0..2).map(|_| client(draw.between(0, 20), http1(draw.between(0, 50))));
            Scenario {
                clients: clients.collect(),
                hooks: vec![hook(0, draw.between(0, 50), HookDoes::Ok)],
                // When both are there.
                acts: vec![sigterm(draw.between(50, 100))],
                ..Scenario::default()
            }
        })
    }

    /// A typical case: eight clients of every manner, one of them with an answer of 128 KiB that it
    /// reads too slowly for the drain of 5 s, four hooks of which one fails, and a signal after a second.
    #[must_use]
    pub fn typical(seed: u64) -> Self {
        Self::measured(seed, |draw| {
            let mut soon = || draw.between(0, 20);
            let requests = |takes: [u32; 3]| takes.map(request).to_vec();
            let clients = vec![
                // In flight when the signal comes.
                client(soon(), http1(1_600)),
                client(
                    soon(),
                    ClientDoes::Http1 {
                        requests: requests([20, 0, 50]),
                    },
                ),
                client(
                    soon(),
                    ClientDoes::Http2 {
                        requests: requests([1_200, 30, 0]),
                    },
                ),
                client(
                    soon(),
                    ClientDoes::Grpc {
                        calls: requests([10, 10, 1_300]),
                    },
                ),
                client(soon(), ClientDoes::Watch),
                client(
                    soon(),
                    ClientDoes::Idle {
                        requests: requests([0, 0, 0]),
                    },
                ),
                client(900 + soon(), ClientDoes::HalfHead),
                client(
                    0,
                    ClientDoes::SlowReader {
                        bytes: 128 * 1024,
                        window: 16 * 1024,
                        chunk: 1024,
                        every_ms: 1_000,
                    },
                ),
            ];
            Scenario {
                link: Link {
                    latency_ms: 1,
                    ..Link::default()
                },
                plan: Budget {
                    drain_ms: 5_000,
                    ..Budget::default()
                },
                clients,
                hooks: vec![
                    hook(0, 100, HookDoes::Ok),
                    hook(0, 20, HookDoes::Fail),
                    hook(0b1, 50, HookDoes::Ok),
                    hook(0b10, 50, HookDoes::Ok),
                ],
                acts: vec![sigterm(1_000)],
                ..Scenario::default()
            }
        })
    }

    fn measured(seed: u64, scenario: impl FnOnce(&mut Draw) -> Scenario) -> Self {
        let mut draw = Draw::with(seed, Swarm::of([]));
        let scenario = Scenario {
            seed,
            ..scenario(&mut draw)
        };
        Self {
            seed,
            swarm: draw.swarm,
            scenario,
        }
    }
}

fn client(gap_ms: u32, does: ClientDoes) -> Client {
    Client {
        gap_ms,
        does,
        ..Client::default()
    }
}

fn http1(takes_ms: u32) -> ClientDoes {
    ClientDoes::Http1 {
        requests: vec![request(takes_ms)],
    }
}

fn request(takes_ms: u32) -> Request {
    Request {
        takes_ms,
        does: HandlerDoes::Answer,
        ..Request::default()
    }
}

fn hook(after: u16, takes_ms: u32, does: HookDoes) -> Hook {
    Hook {
        after,
        takes_ms,
        does,
        timeout_ms: None,
    }
}

fn sigterm(gap_ms: u32) -> Act {
    Act {
        gap_ms,
        ..Act::default()
    }
}
