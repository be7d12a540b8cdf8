//! A health probe, as an orchestrator sends them: one question after another, on a connection each.
//!
//! **Invariant:** a question that takes longer than the time to the next one puts that one off; there are
//! never two at once.

use tokio::time::{Instant, sleep_until};

use super::asked::{Asked, Pieces, look_on};
use super::connected;
use super::eyes::Eyes;
use crate::host::Dial;
use crate::scenario::{ProbeOf, millis};
use crate::trace::ClientSaw;

/// Asks until it is refused.
pub(super) async fn asks<D: Dial>(eyes: &Eyes, dial: &D, of: ProbeOf, every_ms: u32) {
    let question: &[u8] = match of {
        ProbeOf::Readiness => b"GET /readyz HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n",
        ProbeOf::Liveness => b"GET /livez HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n",
    };
    let mut next = Instant::now();
    for number in 0_u16.. {
        sleep_until(next).await;
        next += millis(every_ms);
        let Some(mut socket) = connected(eyes, dial).await else {
            return;
        };
        socket.say(question);
        eyes.saw(ClientSaw::Asked(number));
        let asked = Asked::new(number, Pieces::Untold);
        asked.settled(eyes, &mut socket).await;
        look_on(eyes, &mut socket, number).await;
    }
}
