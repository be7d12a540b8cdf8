//! What goes wrong with a request, told together with the request.
//!
//! **Invariant:** the message says who was asked for what, and everything that is known of the cause.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A request that got no whole answer.
///
/// ```text
/// GET /orders over HTTP/1.1 to 127.0.0.1:40123: cannot connect: Connection refused (os error 111)
/// ```
#[derive(Debug)]
pub struct ClientError {
    request: Arc<str>,
    failure: ClientFailure,
}

/// What went wrong with a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientFailure {
    /// It is no request: its path is none, say.
    Request(http::Error),
    /// Nobody could be reached.
    Connect(io::Error),
    /// The connection, or the stream of it, ended before the answer did, or was none of HTTP.
    Http(hyper::Error),
    /// A part of the answer had not come by then.
    TimedOut(Duration),
    /// The body has more bytes than this.
    TooLong(usize),
    /// The body is no JSON of the type that was asked for.
    Json(serde_json::Error),
    /// The connection did not become a WebSocket, or was no good one.
    #[cfg(feature = "websocket")]
    WebSocket(Box<tokio_tungstenite::tungstenite::Error>),
}

impl ClientError {
    pub(super) const fn new(request: Arc<str>, failure: ClientFailure) -> Self {
        Self { request, failure }
    }

    /// The request: its method and path, the version of HTTP, and to whom it was sent.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.request
    }

    /// What went wrong.
    #[must_use]
    pub const fn failure(&self) -> &ClientFailure {
        &self.failure
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.failure)
    }
}

impl fmt::Display for ClientFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => write!(f, "no request: {error}"),
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Http(error) => {
                write!(f, "{error}")?;
                // The words of hyper alone do not say why.
                let mut source = error.source();
                while let Some(error) = source {
                    write!(f, ": {error}")?;
                    source = error.source();
                }
                Ok(())
            }
            Self::TimedOut(limit) => write!(f, "nothing came for {limit:?}"),
            Self::TooLong(limit) => write!(f, "the body is longer than {limit} bytes"),
            Self::Json(error) => write!(f, "the body is not the JSON that was expected: {error}"),
            #[cfg(feature = "websocket")]
            Self::WebSocket(error) => write!(f, "no WebSocket: {error}"),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            ClientFailure::Request(error) => Some(error),
            ClientFailure::Connect(error) => Some(error),
            ClientFailure::Http(error) => Some(error),
            ClientFailure::TimedOut(_) | ClientFailure::TooLong(_) => None,
            ClientFailure::Json(error) => Some(error),
            #[cfg(feature = "websocket")]
            ClientFailure::WebSocket(error) => Some(error),
        }
    }
}
