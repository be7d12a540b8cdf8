//! What a connection may cost before it is refused or closed (floor 2).
//!
//! **Invariant:** a limit protects from peers; none of them ends work that has begun.

use std::time::Duration;

use lamplighter_lifecycle::connection::Times;

/// The defences of a server against slow, greedy and broken peers. All are on by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    header_read_timeout: Option<Duration>,
    max_header_bytes: usize,
    max_concurrent_streams: u32,
    date_header: bool,
}

impl Limits {
    /// How long a connection may take from accept to its first complete request head, and from the
    /// first byte of every further HTTP/1 head to its last. Then it is closed without an answer.
    ///
    /// 10 s: more than a client on a bad line needs for a few kilobytes, and a tenth of what a slow
    /// attacker would like. It does not bound how long a connection idles between requests; one that
    /// has said that it speaks HTTP/2 counts as idle, with or without a request. `None` waits for
    /// ever.
    #[must_use]
    pub const fn header_read_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.header_read_timeout = timeout;
        self
    }

    /// The largest request head in bytes, request line included. Larger ones get 431.
    ///
    /// 32 KiB: four times the largest cookie jar that browsers send, and what common proxies in
    /// front let through. Less than 8 KiB counts as 8 KiB.
    #[must_use]
    pub const fn max_header_bytes(mut self, bytes: usize) -> Self {
        self.max_header_bytes = bytes;
        self
    }

    /// How many HTTP/2 streams one connection may have open at once. More are refused, retryably.
    ///
    /// 200: twice the least that RFC 9113 recommends, and no reason for a client to open a second
    /// connection.
    #[must_use]
    pub const fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.max_concurrent_streams = streams;
        self
    }

    /// Whether answers carry a `Date` header. On by default, as RFC 9110 asks of servers with a
    /// clock.
    #[must_use]
    pub const fn date_header(mut self, on: bool) -> Self {
        self.date_header = on;
        self
    }

    pub(crate) fn times(&self) -> Times {
        Times {
            head_timeout: self.header_read_timeout,
            ..Times::default()
        }
    }

    pub(super) const fn header_bytes(&self) -> usize {
        if self.max_header_bytes < LEAST_HEADER_BYTES {
            LEAST_HEADER_BYTES
        } else {
            self.max_header_bytes
        }
    }

    pub(super) const fn streams(&self) -> u32 {
        self.max_concurrent_streams
    }

    pub(super) const fn has_date_header(&self) -> bool {
        self.date_header
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_timeout: Some(Duration::from_secs(10)),
            max_header_bytes: 32 * 1024,
            max_concurrent_streams: 200,
            date_header: true,
        }
    }
}

const LEAST_HEADER_BYTES: usize = 8 * 1024;
