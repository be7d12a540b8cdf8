//! The stream of everything that happens to a server (floor 3).
//!
//! **Invariant:** lossless from the subscription on; it ends after the last event of the life.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lamplighter_lifecycle::{Event, Instant};
use tokio::sync::mpsc;

/// Something that happened to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerEvent {
    /// When: time since the server was started; zero before that.
    pub at: Duration,
    /// What.
    pub kind: Event,
}

/// Everything that happens to a server, from the subscription on.
///
/// Unbounded: a subscriber that does not read holds what it has not read. Dropping it ends the
/// subscription. Connections are told of one by one while somebody is subscribed.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::UnboundedReceiver<ServerEvent>,
}

impl Events {
    /// The next event; `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ServerEvent> {
        self.receiver.recv().await
    }
}

impl futures_core::Stream for Events {
    type Item = ServerEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServerEvent>> {
        self.receiver.poll_recv(cx)
    }
}

/// Everybody who is subscribed.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    senders: Vec<mpsc::UnboundedSender<ServerEvent>>,
    /// Nothing will be told any more.
    over: bool,
}

impl Subscribers {
    /// From now on; over at once if everything has been told.
    pub(crate) fn subscribe(&mut self) -> Events {
        let (sender, receiver) = mpsc::unbounded_channel();
        if !self.over {
            self.senders.push(sender);
        }
        Events { receiver }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    pub(crate) fn tell(&mut self, at: Instant, event: &Event) {
        let at = at.since(Instant::ZERO);
        self.senders.retain(|sender| {
            let kind = event.clone();
            sender.send(ServerEvent { at, kind }).is_ok()
        });
    }

    /// Ends every subscription, those to come included.
    pub(crate) fn end(&mut self) {
        self.over = true;
        self.senders.clear();
    }
}
