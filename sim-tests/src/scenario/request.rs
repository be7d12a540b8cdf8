//! A request as data: what its client sends, and what its handler does.
//!
//! A request carries its two numbers and nothing else; the handler looks up in the scenario what it
//! has to do. So a request whose handler does something else is the same bytes on the wire.
//!
//! **Invariant:** plain data.

use std::fmt;

use super::paste::{paste_enum, paste_struct};

/// A request.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Request {
    /// Since the request before it was answered or, where they go side by side, sent; the first one's
    /// since the connection was made.
    pub gap_ms: u32,
    /// How long its handler takes until it does what it does.
    pub takes_ms: u32,
    /// Bytes of its body.
    pub send_bytes: u32,
    /// Bytes of its answer's body.
    pub receive_bytes: u32,
    /// What its handler does.
    pub does: HandlerDoes,
}

paste_struct!(Request {
    gap_ms,
    takes_ms,
    send_bytes,
    receive_bytes,
    does
});

/// What a handler does, once its time has passed. All but those that never answer have read the whole
/// body of the request by then.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum HandlerDoes {
    /// It answers 200, or the status OK.
    #[default]
    Answer,
    /// It answers without having read any of the body.
    AnswerUnread,
    /// It panics.
    Panic,
    /// It answers, and panics in the middle of the body.
    PanicInBody,
    /// It never answers.
    Hang,
    /// It calls `stop()`, waits for what that gives it, and answers.
    Stop,
    /// It calls `force()`, and answers.
    Force,
    /// It calls `drain()`, waits for what that gives it, and answers.
    Drain,
    /// It waits until it hears that time is up, then answers.
    HearCancelled,
    /// It starts a task that nobody knows of and that holds on to nothing, and answers.
    Spawn {
        /// How long the task lives.
        ms: u32,
    },
    /// It answers with a stream: a piece of a hundredth of the body's bytes, one byte at the least,
    /// again and again, until it hears what it listens to; then it ends the stream as one that is
    /// whole.
    Stream {
        /// From piece to piece.
        every_ms: u32,
        /// What it listens to.
        hears: Hears,
    },
}

paste_enum!(HandlerDoes {
    Answer, AnswerUnread, Panic, PanicInBody, Hang, Stop, Force, Drain, HearCancelled,
    Spawn { ms }, Stream { every_ms, hears },
});

/// What a stream listens to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Hears {
    /// That it should please finish.
    #[default]
    Draining,
    /// That time is up.
    Cancelled,
    /// Nothing: it never ends by itself.
    Nothing,
}

paste_enum!(Hears {
    Draining,
    Cancelled,
    Nothing
});

/// Which request: of which client, and the how-manieth. Both count from zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// Which client.
    pub client: u16,
    /// Its how-manieth request.
    pub request: u16,
}

impl RequestId {
    /// The header that carries it where the path cannot: gRPC metadata. Its value is as
    /// [`Display`](fmt::Display) writes it.
    pub const HEADER: &'static str = "sim-request";

    /// The path of it as a plain request: `/C/R`.
    #[must_use]
    pub fn path(self) -> String {
        format!("/{self}")
    }

    /// Reads `C/R`, with or without a slash before it and anything after a further one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('/').unwrap_or(text).split('/');
        let client = parts.next()?.parse().ok()?;
        let request = parts.next()?.parse().ok()?;
        Some(Self { client, request })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.client, self.request)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
