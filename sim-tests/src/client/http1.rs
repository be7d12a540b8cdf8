//! HTTP/1.1 clients that keep their connection: one request after another.
//!
//! **Invariant:** a request is asked only after the one before it was sent and answered, and on a
//! connection that the server has neither ended nor said it closes.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::asked::{Asked, Then, look_on};
use super::connected;
use super::eyes::Eyes;
use super::socket::Socket;
use crate::host::Dial;
use crate::scenario::{ClientDoes, Request, millis};

/// Asks, and goes away when all is answered.
pub(super) async fn kept_alive<D: Dial>(eyes: &Eyes, dial: &D, requests: &[Request]) {
    let Some(mut socket) = connected(eyes, dial).await else {
        return;
    };
    let (next, then) = asks(eyes, &mut socket, requests).await;
    if then == Then::Next {
        socket.finish().await;
    }
    look_on(eyes, &mut socket, next).await;
}

/// Asks, and stays.
pub(super) async fn idle<D: Dial>(eyes: &Eyes, dial: &D, requests: &[Request]) {
    let Some(mut socket) = connected(eyes, dial).await else {
        return;
    };
    let (next, _) = asks(eyes, &mut socket, requests).await;
    look_on(eyes, &mut socket, next).await;
}

/// Reads a stream to its end.
pub(super) async fn events<D: Dial>(eyes: &Eyes, dial: &D, does: &ClientDoes) {
    let request = does.request(0);
    kept_alive(eyes, dial, request.as_slice()).await;
}

/// One request after another, as far as the connection goes: the number of the next one, and what
/// becomes of the connection.
async fn asks<Io: AsyncRead + AsyncWrite + Unpin>(
    eyes: &Eyes,
    socket: &mut Socket<Io>,
    requests: &[Request],
) -> (u16, Then) {
    let mut next = 0;
    for request in requests {
        if let Some(then) = waits(eyes, socket, request.gap_ms).await {
            return (next, then);
        }
        let asked = Asked::ask(eyes, socket, next, request);
        let then = asked.settled(eyes, socket).await;
        next += 1;
        if then != Then::Next {
            return (next, then);
        }
    }
    (next, Then::Next)
}

/// Waits for the time of the next request, and until the one before it is sent; what becomes of the
/// connection, if the server has something to say about that.
async fn waits<Io: AsyncRead + AsyncWrite + Unpin>(
    eyes: &Eyes,
    socket: &mut Socket<Io>,
    gap_ms: u32,
) -> Option<Then> {
    let mut came = socket.came_unless_sent().await;
    if came.is_none() && gap_ms > 0 {
        came = socket.came_until(Instant::now() + millis(gap_ms)).await;
    }
    match came? {
        // Nobody has asked: it is the last that the server has to say.
        Ok(()) => Some(Then::Closes),
        Err(end) => {
            eyes.saw_end(end);
            Some(Then::Ended)
        }
    }
}
