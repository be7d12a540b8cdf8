//! What broke of a connection, so that a broken answer is laid at the right door (floor 2).
//!
//! An answer that sends back what its client sends breaks off when the client does, and the application
//! did nothing wrong. One that passes on what another server sends breaks off when that server does. The
//! errors are of the same types; only what became of the connection tells them apart.
//!
//! **Invariant:** known before hyper hears of it, and so before the application does.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What broke of one connection.
#[derive(Debug, Default)]
pub(super) struct Broken {
    connection: AtomicBool,
    requests: AtomicU32,
}

impl Broken {
    /// Its bytes come or go no more.
    #[cold]
    pub(super) fn connection_breaks(&self) {
        self.connection.store(true, Ordering::Release);
    }

    /// HTTP/2: its client has reset a stream in the middle of a request.
    #[cold]
    pub(super) fn request_breaks(&self) {
        self.requests.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether its bytes come or go no more.
    pub(super) fn has_connection_broken(&self) -> bool {
        self.connection.load(Ordering::Acquire)
    }

    /// HTTP/2: how many requests were reset in the middle: on which streams nobody is told.
    #[inline]
    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Acquire)
    }
}
