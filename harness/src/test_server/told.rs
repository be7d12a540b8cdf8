//! What a server has told of itself so far, and waiting for what it has not told yet.
//!
//! **Invariant:** everything from before the start on is kept, whoever asks and however late.

use std::fmt::Write;
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use lamplighter::{Events, Phase, Server, ServerEvent, ServerEventKind};
use tokio::task::unconstrained;

use super::TestServer;
#[cfg(doc)]
use crate::patience::PATIENCE;
use crate::patience::fail;

/// How many events a failed wait shows: the last ones.
const SHOWN: usize = 50;

/// The events of a server from before its start. Clones are the same ones.
#[derive(Clone, Debug)]
pub(super) struct Told(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    events: Events,
    read: Vec<ServerEvent>,
}

impl Told {
    /// From now on.
    pub(super) fn by(server: &Server) -> Self {
        let events = server.events();
        let read = Vec::new();
        Self(Arc::new(Mutex::new(Kept { events, read })))
    }

    /// Looks at everything that has come.
    fn so_far<T>(&self, look: impl FnOnce(&[ServerEvent]) -> T) -> T {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { events, read } = &mut *kept;
        while let Some(event) = ready(events) {
            read.push(event);
        }
        look(read)
    }

    /// The last events so far, one a line, for a person.
    pub(super) fn lines(&self) -> String {
        self.so_far(|events| {
            let mut text = String::from("events so far:");
            let hidden = events.len().saturating_sub(SHOWN);
            if hidden > 0 {
                // Writing to a string does not fail.
                let _ok = write!(text, "\n  ({hidden} before these)");
            }
            for event in events.iter().skip(hidden) {
                let at = event.at.as_secs_f64() * 1000.0;
                let _ok = write!(text, "\n  {at:>11.3} ms  {}", event.kind);
            }
            text
        })
    }
}

/// The next event, if it has come.
fn ready(events: &mut Events) -> Option<ServerEvent> {
    // A task has a budget, after which everything seems to be pending.
    let next = pin!(unconstrained(events.next()));
    match next.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    }
}

impl TestServer {
    /// Everything that the server has told of itself so far, from the start on: phases, connections,
    /// hooks, signals.
    ///
    /// [`ServerHandle::events`](lamplighter::ServerHandle::events) is the stream of what comes.
    #[must_use]
    pub fn events(&self) -> Vec<ServerEvent> {
        self.told.so_far(<[ServerEvent]>::to_vec)
    }

    /// Resolves with the first event that matches, at once if it has come already. `what` is waited
    /// for in the words of the test.
    ///
    /// ```
    /// # use axum::{Router, routing::get};
    /// # use lamplighter_harness::TestServer;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lamplighter::ServerEventKind as Event;
    ///
    /// # let app = Router::new().route("/", get(|| async { "hello" }));
    /// let server = TestServer::spawn(app).await;
    /// server.get("/").await;
    /// let closed = |event: &Event| matches!(event, Event::ConnectionClosed { .. });
    /// server.event("the end of the connection", closed).await;
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or what the builder was told, and once the server's last event has come;
    /// with what was waited for, and the events so far.
    #[track_caller]
    pub fn event<M>(&self, what: &str, matching: M) -> impl Future<Output = ServerEvent> + use<M>
    where
        M: Fn(&ServerEventKind) -> bool,
    {
        let here = Location::caller();
        let (told, what) = (self.told.clone(), what.to_owned());
        let (waiting, patience) = (self.home.waiting(), self.patience);
        // Subscribed before the past is looked at: nothing falls between.
        let mut news = self.handle().events();
        async move {
            let matches = |event: &&ServerEvent| matching(&event.kind);
            if let Some(event) = told.so_far(|events| events.iter().find(matches).cloned()) {
                return event;
            }
            let next = async {
                loop {
                    match news.next().await {
                        Some(event) if matching(&event.kind) => return Some(event),
                        Some(_) => {}
                        None => return None,
                    }
                }
            };
            match waiting.bounded(patience, next).await {
                Some(Some(event)) => event,
                Some(None) => fail(
                    here,
                    &format!("the server has ended without {what}; {}", told.lines()),
                ),
                None => fail(
                    here,
                    &format!("waited {patience:?} for {what}; {}", told.lines()),
                ),
            }
        }
    }

    /// Resolves once the server is in this phase, or past it.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or what the builder was told, saying which phase it is in, and what has
    /// happened so far.
    #[track_caller]
    pub fn reached(&self, phase: Phase) -> impl Future<Output = ()> + use<> {
        let here = Location::caller();
        let (handle, told) = (self.handle().clone(), self.told.clone());
        let (waiting, patience) = (self.home.waiting(), self.patience);
        async move {
            let reached = waiting.bounded(patience, handle.reached(phase)).await;
            if reached.is_none() {
                let (report, now) = (handle.report(), handle.phase());
                let told = told.lines();
                fail(
                    here,
                    &format!("waited {patience:?} for {phase}; it is {now}; {report}; {told}"),
                );
            }
        }
    }
}
