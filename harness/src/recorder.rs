//! A recorder: keeps what a server tells of itself, and compares its order with what was expected.
//!
//! **Invariant:** it loses nothing from the moment on at which it was attached.

mod order;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use lamplighter::{Events, Server, ServerEvent, ServerEventKind as Event, ServerHandle};

use crate::patience::{PATIENCE, bounded, fail};

/// Records the events of one server, and the calls of its callbacks.
///
/// Events and calls are kept as text, the way a timeline shows them, single spaces between words:
/// `stopping SIGTERM`, `phase draining`, `hook database ok`.
#[derive(Debug)]
pub struct Recorder {
    events: Events,
    read: Vec<ServerEvent>,
    calls: Calls,
}

/// The calls of callbacks, in order.
type Calls = Arc<Mutex<Vec<String>>>;

impl Recorder {
    /// Records a server from now on, its callbacks too.
    #[must_use]
    pub fn attach(server: &Server) -> Self {
        Self::attach_to(&server.handle())
    }

    /// Records a server from now on, its callbacks too.
    #[must_use]
    pub fn attach_to(server: &ServerHandle) -> Self {
        let calls = Calls::default();
        let note = |calls: &Calls| {
            let calls = Arc::clone(calls);
            move |call: String| {
                calls
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(call)
            }
        };
        let call = note(&calls);
        server.on_start(move || call(String::from("start")));
        let call = note(&calls);
        server.on_ready(move |_| call(String::from("ready")));
        let call = note(&calls);
        server.on_stopping(move |cause| call(format!("stopping {cause}")));
        let call = note(&calls);
        server.on_stop(move |_| call(String::from("stop")));
        let call = note(&calls);
        server.on_error(move |error| call(format!("error {error}")));
        Self {
            events: server.events(),
            read: Vec::new(),
            calls,
        }
    }

    /// What the callbacks were called with so far.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }

    /// Reads on until an event of this text has come; resolves with it. Events before it are kept.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or if the events ended first; with all that came.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> impl Future<Output = ServerEvent> {
        let here = Location::caller();
        async move {
            loop {
                match bounded(PATIENCE, self.events.next()).await {
                    Some(Some(event)) => {
                        self.read.push(event.clone());
                        if line(&event.kind) == text {
                            return event;
                        }
                    }
                    Some(None) => fail(here, &format!("no {text:?}; {}", self.so_far())),
                    None => fail(
                        here,
                        &format!("waited {PATIENCE:?} for {text:?}; {}", self.so_far()),
                    ),
                }
            }
        }
    }

    /// Everything there was, once the last event of the server has come.
    ///
    /// # Panics
    ///
    /// If it has not after [`PATIENCE`], with all that came.
    #[track_caller]
    pub fn finish(mut self) -> impl Future<Output = Record> {
        let here = Location::caller();
        async move {
            loop {
                match bounded(PATIENCE, self.events.next()).await {
                    Some(Some(event)) => self.read.push(event),
                    Some(None) => {
                        let calls = self.calls();
                        let events = self.read;
                        return Record { events, calls };
                    }
                    None => fail(
                        here,
                        &format!("waited {PATIENCE:?} for the last event; {}", self.so_far()),
                    ),
                }
            }
        }
    }

    fn so_far(&self) -> Record {
        Record {
            events: self.read.clone(),
            calls: self.calls(),
        }
    }
}

/// All that a server has told of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// Its events, in order.
    pub events: Vec<ServerEvent>,
    /// What its callbacks were called with, in order.
    pub calls: Vec<String>,
}

impl Record {
    /// The events as text.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.events.iter().map(|event| line(&event.kind)).collect()
    }

    /// The events that callbacks are told of as well, as text.
    #[must_use]
    pub fn announced(&self) -> Vec<String> {
        let announced = self.events.iter().filter(|event| {
            matches!(
                event.kind,
                Event::Start | Event::Ready | Event::Stopping(_) | Event::Error(_) | Event::Stop
            )
        });
        announced.map(|event| line(&event.kind)).collect()
    }

    /// How many events have this text.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|line| *line == text).count()
    }

    /// Asserts that these events came in this order, with or without others between them.
    ///
    /// # Panics
    ///
    /// If one did not come after those before it, with what was expected, what came instead, and the
    /// whole record.
    #[track_caller]
    pub fn assert_order<'a>(&self, expected: impl IntoIterator<Item = &'a str>) {
        let expected: Vec<&str> = expected.into_iter().collect();
        if let Err(told) = order::check(&self.lines(), &expected) {
            fail(Location::caller(), &format!("{told}\n{self}"));
        }
    }

    /// Asserts that the callbacks were called with exactly this, and that the events say the same.
    ///
    /// # Panics
    ///
    /// If not, with everything that came.
    #[track_caller]
    pub fn assert_announced(&self, expected: &[&str]) {
        let here = Location::caller();
        if self.calls != expected {
            fail(
                here,
                &format!("callbacks were to be called with {expected:?}; {self}"),
            );
        }
        let announced = self.announced();
        if announced != expected {
            fail(
                here,
                &format!("events were to be {expected:?} and are {announced:?}; {self}"),
            );
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events:")?;
        for event in &self.events {
            write!(f, "\n  {:>12.3?}  {}", event.at, line(&event.kind))?;
        }
        write!(f, "\ncallbacks: {:?}", self.calls)
    }
}

/// An event in one line, single spaces between words.
fn line(event: &Event) -> String {
    let text = event.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
