//! HTTP/1.1 clients that make an exchange long: slow readers, slow writers, and those that leave in the
//! middle.
//!
//! **Invariant:** what such a client has not taken yet is the network's to hold, never its own.

use tokio::time::{Instant, sleep};

use super::asked::{Asked, Pieces, Then, head_of, look_on};
use super::connected;
use super::eyes::Eyes;
use crate::host::Dial;
use crate::scenario::{Request, millis};
use crate::trace::{Break, ClientSaw};

/// Takes `chunk` bytes, waits, and so on to the end of the answer.
pub(super) async fn reads<D: Dial>(eyes: &Eyes, dial: &D, chunk: u32, every_ms: u32) {
    let Some(mut socket) = connected(eyes, dial).await else {
        return;
    };
    let mut asked = Asked::ask(eyes, &mut socket, 0, &Request::default());
    let chunk = usize::try_from(chunk).unwrap_or(usize::MAX);
    loop {
        let came = socket.came_at_most(chunk).await;
        if let Err(end) = came {
            asked.ended(eyes, end);
            return;
        }
        match asked.take(eyes, &mut socket) {
            None => sleep(millis(every_ms)).await,
            Some(Then::Next) => break socket.finish().await,
            Some(Then::Closes | Then::Ended) => break,
        }
    }
    look_on(eyes, &mut socket, 1).await;
}

/// Sends `chunk` bytes of the request's body, waits, and so on to its end; stops when it is answered.
pub(super) async fn writes<D: Dial>(eyes: &Eyes, dial: &D, bytes: u32, chunk: u32, every_ms: u32) {
    let Some(mut socket) = connected(eyes, dial).await else {
        return;
    };
    socket.say(head_of(eyes, 0, bytes));
    eyes.saw(ClientSaw::Asked(0));
    let mut asked = Asked::new(0, Pieces::Untold);
    let mut left = bytes;
    let mut next = Instant::now() + millis(every_ms);
    while left > 0 {
        match socket.came_until(next).await {
            None => {
                next += millis(every_ms);
                let piece = left.min(chunk);
                socket.fill(u64::from(piece));
                left -= piece;
            }
            Some(Ok(())) => {
                if asked.take(eyes, &mut socket).is_some() {
                    // There is no way to take back the rest of a request but to end the connection.
                    socket.finish().await;
                    return look_on(eyes, &mut socket, 1).await;
                }
            }
            Some(Err(end)) => {
                asked.ended(eyes, end);
                return;
            }
        }
    }
    if asked.settled(eyes, &mut socket).await == Then::Next {
        socket.finish().await;
    }
    look_on(eyes, &mut socket, 1).await;
}

/// Takes `after_bytes` of what comes, and resets the connection; earlier, if that is the whole answer.
pub(super) async fn resets<D: Dial>(eyes: &Eyes, dial: &D, after_bytes: u32) {
    let Some(mut socket) = connected(eyes, dial).await else {
        return;
    };
    let mut asked = Asked::ask(eyes, &mut socket, 0, &Request::default());
    let mut left = usize::try_from(after_bytes).unwrap_or(usize::MAX);
    while left > 0 {
        let before = socket.inbox.len();
        if let Err(end) = socket.came_at_most(left).await {
            asked.ended(eyes, end);
            return;
        }
        left -= socket.inbox.len() - before;
        if asked.take(eyes, &mut socket).is_some() {
            return D::reset(socket.into_io());
        }
    }
    asked.lost(eyes, Break::Left);
    D::reset(socket.into_io());
}
