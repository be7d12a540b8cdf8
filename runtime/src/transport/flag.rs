//! What answers have to know about their connection: single bits of one atomic (floor 2).
//!
//! **Invariant:** a flag that is raised stays raised.

/// Application requests are served; without it they get 503.
pub(super) const SERVING: u16 = 1;
/// HTTP/1 answers carry `Connection: close`.
pub(super) const CLOSING: u16 = 1 << 1;
/// No new upgrades.
pub(super) const DRAINING: u16 = 1 << 2;
/// Where nothing is begun and nothing left to read, reading ends.
pub(super) const READING_ENDS: u16 = 1 << 3;
/// What is in flight is being cut.
pub(super) const FORCED: u16 = 1 << 4;
/// An answer with `Connection: close` went out.
pub(super) const ANNOUNCED: u16 = 1 << 5;
/// The answer being sent turns the connection over to the application.
pub(super) const UPGRADING: u16 = 1 << 6;
/// The peer has ended its side.
pub(super) const PEER_ENDED: u16 = 1 << 7;
/// Late requests are not begun: they get 503.
pub(super) const REJECTING: u16 = 1 << 8;
/// The last request that this connection is to carry has begun.
pub(super) const SPENT: u16 = 1 << 9;
/// HTTP/2: streams that are opened from here on are refused.
pub(super) const REFUSING: u16 = 1 << 10;
/// HTTP/2: the application has taken over a stream.
pub(super) const TUNNELS: u16 = 1 << 11;
/// HTTP/2: the peer has answered the PING behind GOAWAY.
pub(super) const AGREED: u16 = 1 << 12;
/// The conversation is over, whatever the tasks of its streams still do.
pub(super) const OVER: u16 = 1 << 13;
/// Our side of the connection has ended.
pub(super) const SIDE_ENDED: u16 = 1 << 14;
/// HTTP/1: a request of HTTP/1.0 came, whose answer may have no end but that of its connection.
pub(super) const HTTP_1_0: u16 = 1 << 15;
