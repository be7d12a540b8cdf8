//! What a probe sees: bytes, HTTP/2 frames, and how a connection ended.
//!
//! **Invariant:** nothing that came is left out but frames that no test asks about.

use bytes::Bytes;

/// What came out of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// Bytes, as one read gave them. On HTTP/2 only what is no frame.
    Bytes(Bytes),
    /// HTTP/2: a head, of a response or of trailers.
    Headers {
        /// The stream that it belongs to.
        stream: u32,
        /// The response's status; `None` for trailers.
        status: Option<u16>,
        /// Whether the stream ends with it.
        last: bool,
    },
    /// HTTP/2: a piece of a body.
    Data {
        /// The stream that it belongs to.
        stream: u32,
        /// The piece.
        data: Bytes,
        /// Whether the stream ends with it.
        last: bool,
    },
    /// HTTP/2: RST_STREAM.
    Reset {
        /// The stream that was reset.
        stream: u32,
        /// The error code.
        code: u32,
    },
    /// HTTP/2: GOAWAY.
    #[non_exhaustive]
    GoAway {
        /// The last stream that may still be answered; 2³¹ - 1 in the first of two.
        last_stream: u32,
        /// The error code; 0 for a graceful close.
        code: u32,
        /// What the server says besides, for a person.
        debug: Bytes,
    },
    /// HTTP/2: SETTINGS, or their acknowledgement.
    Settings {
        /// Whether it acknowledges ours.
        ack: bool,
    },
    /// HTTP/2: PING, or its answer.
    Ping {
        /// Whether it answers ours.
        ack: bool,
        /// The eight bytes.
        data: [u8; 8],
    },
    /// HTTP/2: WINDOW_UPDATE.
    WindowUpdate {
        /// The stream; 0 for the connection.
        stream: u32,
        /// By how much.
        increment: u32,
    },
    /// The server has ended its side.
    Fin,
    /// The connection was reset.
    Rst,
}

impl Seen {
    /// Whether nothing can come after it.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Fin | Self::Rst)
    }
}
