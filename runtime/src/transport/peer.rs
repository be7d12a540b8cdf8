//! Who is at the other end of a request's connection (floor 2).
//!
//! **Invariant:** a peer is what the operating system said, never what a header claims.

use std::sync::Arc;

use super::scope::current_peer;
use crate::os::listener::Addr;

/// The other end of the connection that a request came by.
///
/// An axum extractor (feature `axum`), or [`Peer::current`] anywhere while a request is polled.
/// Behind a proxy this is the proxy: headers such as `X-Forwarded-For` are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    addr: Arc<Addr>,
}

impl Peer {
    pub(crate) fn new(addr: Addr) -> Self {
        Self {
            addr: Arc::new(addr),
        }
    }

    /// The peer whose request is being polled. `None` elsewhere, tasks spawned by a handler
    /// included.
    #[must_use]
    pub fn current() -> Option<Self> {
        current_peer()
    }

    /// Its address.
    #[must_use]
    pub fn addr(&self) -> &Addr {
        &self.addr
    }
}

#[cfg(feature = "axum")]
mod extract {
    use super::Peer;
    use crate::transport::outside::OutsideServer;
    use axum::extract::{FromRequestParts, OptionalFromRequestParts};
    use http::request::Parts;
    use std::convert::Infallible;

    impl<S: Send + Sync> FromRequestParts<S> for Peer {
        type Rejection = OutsideServer;

        async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, OutsideServer> {
            Self::current().ok_or(OutsideServer)
        }
    }

    impl<S: Send + Sync> OptionalFromRequestParts<S> for Peer {
        type Rejection = Infallible;

        async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
            Ok(Self::current())
        }
    }
}
