//! Clients that say less than a request: nothing, or half of what has to come first.
//!
//! **Invariant:** none of them ever ends its side.

use super::asked::look_on;
use super::connected;
use super::eyes::Eyes;
use crate::host::Dial;

/// Half of the head of an HTTP/1.1 request.
pub(super) const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: si";

/// Half of the preface of HTTP/2 (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2";

/// Says this much, and waits for the server's end.
pub(super) async fn says<D: Dial>(eyes: &Eyes, dial: &D, words: &'static [u8]) {
    if let Some(mut socket) = connected(eyes, dial).await {
        socket.say(words);
        look_on(eyes, &mut socket, 0).await;
    }
}
