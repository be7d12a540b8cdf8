//! Simulated clients: what a [`ClientDoes`] does on a network, and what it sees of the server.
//!
//! They run on tokio's clock and over whatever can be dialled: the same ones in memory, in a simulated
//! network and on real sockets. HTTP/1.1, WebSockets and half-said words are written by hand, since
//! that is cheap and sees everything; HTTP/2 is h2's client, gRPC tonic's, behind a tap that sees their
//! frames, and a client that owes a frame is h2's with that frame left out.
//!
//! **Invariant:** dropping a client's future drops all that it had: it has no task that outlives it.
//! **Invariant:** the bytes that a client sends are a function of its scenario and of what it was sent.

mod answer;
mod asked;
mod eyes;
mod frames;
mod grpc;
mod half;
mod http1;
mod http2;
mod manners;
mod nursery;
mod probe;
mod slow;
mod socket;
mod tap;
mod websocket;

use crate::host::Dial;
use crate::scenario::{Client, ClientDoes};
use crate::trace::{ClientSaw, Trace};

use self::eyes::Eyes;
use self::manners::Manners;
use self::socket::Socket;

/// Does what the client with this number does, from now on: its gap is over.
///
/// Resolves when the client is done: it got what it wanted, or the server ended its connection, or let
/// it have none. A client that waits for a server that never ends it waits for ever; the world drops
/// it then.
///
/// Everything that it sees goes into the trace: first [`Dialled`](ClientSaw::Dialled), last
/// [`Done`](ClientSaw::Done), and for every request that it [`Asked`](ClientSaw::Asked) either
/// [`Answered`](ClientSaw::Answered) or [`Lost`](ClientSaw::Lost).
///
/// # Cancel safety
///
/// Dropping the future drops the client's connections, as the end of its process does.
pub async fn run<D: Dial>(number: u16, client: Client, dial: D, trace: Trace) {
    let eyes = Eyes::new(number, trace);
    match &client.does {
        ClientDoes::Http1 { requests } => http1::kept_alive(&eyes, &dial, requests).await,
        ClientDoes::Idle { requests } => http1::idle(&eyes, &dial, requests).await,
        ClientDoes::Http2 { requests } => Box::pin(http2::asks(&eyes, &dial, requests)).await,
        ClientDoes::NoSettingsAck => {
            Box::pin(http2::misbehaves(&eyes, &dial, Manners::NoSettingsAck)).await;
        }
        ClientDoes::NoPong => Box::pin(http2::misbehaves(&eyes, &dial, Manners::NoPong)).await,
        ClientDoes::Grpc { calls } => Box::pin(grpc::calls(&eyes, &dial, calls)).await,
        ClientDoes::Watch => Box::pin(grpc::watches(&eyes, &dial)).await,
        ClientDoes::Websocket { messages, every_ms } => {
            Box::pin(websocket::talks(&eyes, &dial, *messages, *every_ms)).await;
        }
        ClientDoes::Events { .. } => http1::events(&eyes, &dial, &client.does).await,
        ClientDoes::Silent => half::says(&eyes, &dial, b"").await,
        ClientDoes::HalfHead => half::says(&eyes, &dial, half::HEAD).await,
        ClientDoes::HalfPreface => half::says(&eyes, &dial, half::PREFACE).await,
        ClientDoes::SlowReader {
            chunk, every_ms, ..
        } => slow::reads(&eyes, &dial, *chunk, *every_ms).await,
        ClientDoes::SlowWriter {
            bytes,
            chunk,
            every_ms,
        } => slow::writes(&eyes, &dial, *bytes, *chunk, *every_ms).await,
        ClientDoes::ResetMid { after_bytes, .. } => slow::resets(&eyes, &dial, *after_bytes).await,
        ClientDoes::Probe { of, every_ms } => probe::asks(&eyes, &dial, *of, *every_ms).await,
        // Only a simulation knows what its visitors do.
        ClientDoes::Own { .. } => {}
    }
    eyes.saw(ClientSaw::Done);
}

/// A connection; `None`, once that was seen, if there is none to be had.
async fn dialled<D: Dial>(eyes: &Eyes, dial: &D) -> Option<D::Io> {
    eyes.saw(ClientSaw::Dialled);
    match dial.dial().await {
        Ok(io) => {
            eyes.saw(ClientSaw::Connected);
            Some(io)
        }
        Err(error) => {
            eyes.saw(ClientSaw::Refused(error.kind()));
            None
        }
    }
}

/// As [`dialled`], with what is read and written by hand.
async fn connected<D: Dial>(eyes: &Eyes, dial: &D) -> Option<Socket<D::Io>> {
    dialled(eyes, dial).await.map(Socket::new)
}
