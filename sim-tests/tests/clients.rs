//! What each simulated client does, and what it sees of the server of its scenario.
//!
//! **Invariant:** all that a client saw is compared, in order, so that a line too many fails as one too
//! few does.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that cannot go on fails its test"
)]

#[path = "clients/accounts.rs"]
mod accounts;
#[path = "clients/http1.rs"]
mod http1;
#[path = "clients/http2.rs"]
mod http2;
#[path = "clients/long.rs"]
mod long;
#[path = "clients/rude.rs"]
mod rude;
#[path = "clients/stage.rs"]
mod stage;

use lamplighter::Signal;
use lamplighter_sim::{Act, ActDoes, Budget, Client, ClientDoes, Link, Request, Scenario};

/// One client on a line that takes no time, and a SIGTERM after so long; the drain that follows may take
/// two seconds.
fn one(does: ClientDoes, stop_ms: u32) -> Scenario {
    Scenario {
        link: Link {
            latency_ms: 0,
            ..Link::default()
        },
        plan: Budget {
            drain_ms: 2_000,
            ..Budget::default()
        },
        clients: vec![Client {
            does,
            ..Client::default()
        }],
        acts: vec![Act {
            gap_ms: stop_ms,
            does: ActDoes::Signal(Signal::Sigterm),
        }],
        ..Scenario::default()
    }
}

/// A request that takes this long to be answered.
fn taking(takes_ms: u32) -> Request {
    Request {
        takes_ms,
        ..Request::default()
    }
}
