//! What a stop does to each kind of connection, in each phase, as a client on a real socket sees it.
//!
//! Time is virtual and stands still unless a test lets it pass ([`stage::Stage::passes`]), while the
//! kernel works in real time. So how long a connection held a stop is exact.
//!
//! **Invariant:** every test ends with the accounts: each connection in exactly one end, each request
//! answered, cut or aborted, and nothing left of the server ([`stage::Stage::over`]).

#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot go on fails its test"
)]

#[path = "transport/app.rs"]
mod app;
#[path = "transport/behind.rs"]
mod behind;
#[path = "transport/clients.rs"]
mod clients;
#[path = "transport/early.rs"]
mod early;
#[path = "transport/given_up.rs"]
mod given_up;
#[path = "transport/heads.rs"]
mod heads;
#[path = "transport/http2.rs"]
mod http2;
#[path = "transport/idle.rs"]
mod idle;
#[path = "transport/in_flight.rs"]
mod in_flight;
#[path = "transport/kernel.rs"]
mod kernel;
#[path = "transport/leftovers.rs"]
mod leftovers;
#[path = "transport/over.rs"]
mod over;
#[path = "transport/readers.rs"]
mod readers;
#[path = "transport/silent.rs"]
mod silent;
#[path = "transport/stage.rs"]
mod stage;
#[path = "transport/streams.rs"]
mod streams;
#[path = "transport/threads.rs"]
mod threads;
#[path = "transport/unsent.rs"]
mod unsent;
#[path = "transport/websockets.rs"]
mod websockets;

use std::time::Duration;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A whole answer with this body that announces the close.
fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The last stream of the first GOAWAY of two: every stream that was or will be.
const EVERY_STREAM: u32 = 0x7fff_ffff;

/// What an HTTP/2 connection is told that goes away in order, after this stream.
const fn goes_away_after(stream: u32) -> [(u32, u32); 2] {
    [(EVERY_STREAM, 0), (stream, 0)]
}

/// CANCEL of RFC 9113, 7.
const CANCEL: u32 = 8;
