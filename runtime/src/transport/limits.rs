//! What a connection may cost before it is refused or closed (floor 2).
//!
//! **Invariant:** a limit protects from peers; none of them ends work that has begun, but the grace
//! of an aged connection where one is set.

use std::time::Duration;

use lamplighter_lifecycle::connection::{Retirement, Times};

/// The defences of a server against slow, greedy and broken peers. All are on by default, but
/// [`max_connections`](Self::max_connections) and those that end a connection for its age or its
/// requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    header_read_timeout: Option<Duration>,
    max_header_bytes: usize,
    max_concurrent_streams: u32,
    max_connections: Option<usize>,
    date_header: bool,
    retirement: Retirement,
}

impl Limits {
    /// How long a connection may take from accept to its first complete request head, and from the
    /// first byte of every further HTTP/1 head to its last. Then it is closed without an answer.
    ///
    /// 10 s: more than a client on a bad line needs for a few kilobytes, and a tenth of what a slow
    /// attacker would like. It does not bound how long a connection idles between requests; one that
    /// has said that it speaks HTTP/2 counts as idle, with or without a request. `None` waits for
    /// ever.
    ///
    /// Zero is refused at the start: such a server would close whoever has not spoken yet.
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

    /// How many connections may be open at once, those of all listeners together.
    ///
    /// `None`, the default, is no limit but that of the process's descriptors. At the limit nothing
    /// is accepted until a connection is gone: clients wait in the kernel's queue (1024 long), which
    /// they cannot tell from a slow network, and readiness is untouched. Idle connections count, so
    /// clients that keep theirs alive can keep others waiting. As the server stops, those who wait
    /// in the queue are accepted beyond the limit and answered.
    ///
    /// Zero is refused at the start: such a server would never answer.
    #[must_use]
    pub const fn max_connections(mut self, connections: Option<usize>) -> Self {
        self.max_connections = connections;
        self
    }

    /// Whether answers carry a `Date` header. On by default, as RFC 9110 asks of servers with a
    /// clock.
    #[must_use]
    pub const fn date_header(mut self, on: bool) -> Self {
        self.date_header = on;
        self
    }

    /// How long a connection may live before its peer is asked to open another one.
    ///
    /// `None`, the default: for ever. Behind a balancer that balances connections, such as a
    /// Kubernetes service in front of gRPC, an age is what lets clients find new servers. Each
    /// connection's own is up to a tenth shorter or longer, so that those opened together do not
    /// all come back together. HTTP/2 peers get GOAWAY in two steps and lose nothing; HTTP/1 ones
    /// get `Connection: close` with the next answer, and one that idles is closed a second later.
    /// Handlers are not told, since the server goes on: what is in flight finishes, within
    /// [`max_connection_age_grace`](Self::max_connection_age_grace). Zero asks every client as soon
    /// as it speaks.
    #[must_use]
    pub const fn max_connection_age(mut self, age: Option<Duration>) -> Self {
        self.retirement.max_age = age;
        self
    }

    /// How long what is in flight may take on a connection that has reached its age, or its number
    /// of requests, before it is cut.
    ///
    /// `None`, the default: as long as it takes. Streams and upgraded connections that never end by
    /// themselves need one, or no limit ever reaches them. What is cut so counts among the cut
    /// requests, and not against the outcome of a later stop. While a stop is under way it goes on
    /// to count.
    #[must_use]
    pub const fn max_connection_age_grace(mut self, grace: Option<Duration>) -> Self {
        self.retirement.grace = grace;
        self
    }

    /// How many requests a connection may carry before its peer is asked to open another one.
    ///
    /// `None`, the default: any number. On HTTP/1 the answer to the last one carries
    /// `Connection: close`. On HTTP/2 it brings GOAWAY, and streams that the peer opens before it
    /// has heard of that are served as well. Zero counts as one.
    #[must_use]
    pub const fn max_requests_per_connection(mut self, requests: Option<u64>) -> Self {
        self.retirement.max_requests = match requests {
            Some(0) => Some(1),
            requests => requests,
        };
        self
    }

    /// What a start refuses.
    ///
    /// # Errors
    ///
    /// A limit under which nothing could be served.
    pub(crate) const fn check(&self) -> Result<(), LimitsError> {
        if let Some(0) = self.max_connections {
            return Err(LimitsError::NoConnections);
        }
        match self.header_read_timeout {
            Some(Duration::ZERO) => Err(LimitsError::NoTimeForHeads),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) const fn connections(&self) -> Option<usize> {
        self.max_connections
    }

    pub(crate) fn times(&self, drain_spread: Duration) -> Times {
        Times {
            head_timeout: self.header_read_timeout,
            drain_spread,
            retirement: self.retirement,
            ..Times::default()
        }
    }

    /// The number of the last request of a connection; a number that none reaches if there is none.
    pub(super) const fn last_request(&self) -> u64 {
        match self.retirement.max_requests {
            Some(requests) => requests,
            None => u64::MAX,
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

/// A limit that a server could not serve anybody under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// No connection may be open.
    #[error("max_connections is 0, allowed is 1 or more, or None for no limit")]
    NoConnections,
    /// No head may take any time.
    #[error("header_read_timeout is 0, allowed is more than that, or None for no limit")]
    NoTimeForHeads,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_timeout: Some(Duration::from_secs(10)),
            max_header_bytes: 32 * 1024,
            max_concurrent_streams: 200,
            max_connections: None,
            date_header: true,
            retirement: Retirement::default(),
        }
    }
}

const LEAST_HEADER_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_under_which_nobody_is_served_are_refused_by_name() {
        let refused = |limits: Limits| limits.check().map_err(|error| error.to_string());
        assert_eq!(refused(Limits::default()), Ok(()));
        let none = Limits::default().max_connections(Some(0));
        assert_eq!(
            refused(none),
            Err("max_connections is 0, allowed is 1 or more, or None for no limit".to_owned())
        );
        let none = Limits::default().header_read_timeout(Some(Duration::ZERO));
        assert_eq!(
            refused(none),
            Err(
                "header_read_timeout is 0, allowed is more than that, or None for no limit"
                    .to_owned()
            )
        );
        let least = Limits::default()
            .max_connections(Some(1))
            .header_read_timeout(Some(Duration::from_nanos(1)));
        assert_eq!(refused(least), Ok(()));
        let unlimited = Limits::default()
            .max_connections(None)
            .header_read_timeout(None);
        assert_eq!(refused(unlimited), Ok(()));
    }
}
