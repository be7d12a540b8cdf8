//! A client as data: when it comes, from where, and what it does to the server.
//!
//! **Invariant:** plain data.

use super::paste::{paste_enum, paste_struct};
use super::request::{HandlerDoes, Hears, Request};

/// A client.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// Since the client before it began; the first one's since the scenario's
    /// [origin](super::Origin).
    pub gap_ms: u32,
    /// Where it runs.
    pub home: Home,
    /// What it does.
    pub does: ClientDoes,
}

paste_struct!(Client { gap_ms, home, does });

/// Where a client runs. Worlds without hosts take both for the same.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Home {
    /// On the host that clients share.
    #[default]
    Shared,
    /// On a host of its own, which faults of the network can reach alone.
    Own,
}

paste_enum!(Home { Shared, Own });

/// What a client does. Unless said otherwise on one connection.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientDoes {
    /// HTTP/1.1: one request after another, kept alive. Ends when all are answered, or when the server
    /// has said that it closes.
    Http1 {
        /// Its requests.
        requests: Vec<Request>,
    },
    /// HTTP/2: every request at its gap, side by side. Ends when all are answered.
    Http2 {
        /// Its requests.
        requests: Vec<Request>,
    },
    /// gRPC: every call at its gap, side by side. Those whose handler streams are server-streaming
    /// ones, the others unary.
    Grpc {
        /// Its calls.
        calls: Vec<Request>,
    },
    /// Watches the server's health over gRPC until the watch ends.
    Watch,
    /// A WebSocket: sends text messages, each echoed; closes after the last one, or answers the
    /// server's close.
    Websocket {
        /// How many messages.
        messages: u16,
        /// From message to message.
        every_ms: u32,
    },
    /// Reads server-sent events until they end.
    Events {
        /// From event to event.
        every_ms: u32,
        /// What the handler listens to.
        hears: Hears,
    },
    /// Connects and says nothing.
    Silent,
    /// Sends half of an HTTP/1.1 head.
    HalfHead,
    /// Sends half of an HTTP/2 preface.
    HalfPreface,
    /// HTTP/2, and never acknowledges SETTINGS.
    NoSettingsAck,
    /// HTTP/2, and never answers PING.
    NoPong,
    /// HTTP/1.1, kept alive: these requests, then nothing, without going away.
    Idle {
        /// Its requests.
        requests: Vec<Request>,
    },
    /// HTTP/1.1: reads its answer slowly.
    SlowReader {
        /// Bytes of the answer's body.
        bytes: u32,
        /// The window of this client's connection instead of the link's.
        window: u32,
        /// How many bytes it reads at once.
        chunk: u32,
        /// From piece to piece.
        every_ms: u32,
    },
    /// HTTP/1.1: sends its request's body slowly.
    SlowWriter {
        /// Bytes of the request's body.
        bytes: u32,
        /// How many bytes it sends at once.
        chunk: u32,
        /// From piece to piece.
        every_ms: u32,
    },
    /// HTTP/1.1: resets the connection in the middle of its answer.
    ResetMid {
        /// Bytes of the answer's body.
        bytes: u32,
        /// How many bytes it reads before, head included.
        after_bytes: u32,
    },
    /// Asks for the server's health again and again, on a connection each, until it is refused.
    Probe {
        /// What it asks for.
        of: ProbeOf,
        /// From question to question.
        every_ms: u32,
    },
    /// What this visitor of a [simulation](crate::Simulation) does, by its place there.
    Own {
        /// Which visitor.
        visitor: u16,
    },
}

paste_enum!(ClientDoes {
    Http1 { requests }, Http2 { requests }, Grpc { calls }, Watch,
    Websocket { messages, every_ms }, Events { every_ms, hears },
    Silent, HalfHead, HalfPreface, NoSettingsAck, NoPong, Idle { requests },
    SlowReader { bytes, window, chunk, every_ms }, SlowWriter { bytes, chunk, every_ms },
    ResetMid { bytes, after_bytes }, Probe { of, every_ms }, Own { visitor },
});

impl Default for ClientDoes {
    fn default() -> Self {
        Self::Http1 {
            requests: vec![Request::default()],
        }
    }
}

/// What a probe asks for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum ProbeOf {
    /// Whether it should get traffic.
    #[default]
    Readiness,
    /// Whether it is alive.
    Liveness,
}

paste_enum!(ProbeOf {
    Readiness,
    Liveness
});

impl ProbeOf {
    /// The path that it asks.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Readiness => "/readyz",
            Self::Liveness => "/livez",
        }
    }
}

impl ClientDoes {
    /// Its request with this number, and what the handler of it does. Clients that are a single
    /// exchange have it as number 0; WebSockets and those that never make a request have none.
    #[must_use]
    pub fn request(&self, number: u16) -> Option<Request> {
        let first = |request: Request| (number == 0).then_some(request);
        match self {
            Self::Http1 { requests } | Self::Http2 { requests } | Self::Idle { requests } => {
                requests.get(usize::from(number)).copied()
            }
            Self::Grpc { calls } => calls.get(usize::from(number)).copied(),
            Self::Events { every_ms, hears } => first(Request {
                does: HandlerDoes::Stream {
                    every_ms: *every_ms,
                    hears: *hears,
                },
                ..Request::default()
            }),
            Self::SlowReader { bytes, .. } | Self::ResetMid { bytes, .. } => first(Request {
                receive_bytes: *bytes,
                ..Request::default()
            }),
            Self::SlowWriter { bytes, .. } => first(Request {
                send_bytes: *bytes,
                ..Request::default()
            }),
            // What these ask for once they speak HTTP/2 properly enough for it.
            Self::NoSettingsAck | Self::NoPong => first(Request::default()),
            Self::Watch
            | Self::Websocket { .. }
            | Self::Silent
            | Self::HalfHead
            | Self::HalfPreface
            | Self::Probe { .. }
            | Self::Own { .. } => None,
        }
    }

    /// The window of its connections, where it is not the link's.
    #[must_use]
    pub const fn window_bytes(&self) -> Option<u32> {
        if let Self::SlowReader { window, .. } = self {
            Some(*window)
        } else {
            None
        }
    }

    /// Whether it speaks gRPC to the application.
    #[must_use]
    pub const fn calls(&self) -> bool {
        matches!(self, Self::Grpc { .. })
    }
}
