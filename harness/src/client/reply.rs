//! What a server has answered to a client: the head at once, the body as it comes.
//!
//! **Invariant:** every wait for a part of the body is bounded, and a whole body in its size as well.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::Clock;
use super::error::{ClientError, ClientFailure};
use crate::patience::fail;

/// How long a body may be that is taken as a whole: far more than a test compares, far less than would
/// use up a machine.
const WHOLE: usize = 16 * 1024 * 1024;

/// The answer to a request of a [`Client`](crate::Client): its head, and the body to be read.
///
/// Dropped before its end, it gives the rest up: over HTTP/2 the stream is reset, over HTTP/1.1 the
/// connection is closed.
pub struct Reply {
    head: Parts,
    body: Incoming,
    request: Arc<str>,
    clock: Clock,
    trailers: Option<HeaderMap>,
}

impl Reply {
    pub(super) fn new(answer: Response<Incoming>, request: Arc<str>, clock: Clock) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            head,
            body,
            request,
            clock,
            trailers: None,
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.head.status
    }

    /// All header fields.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The value of a header field; `None` if there is no such field, or it is no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The fields that came after the body, once it has been read to its end by
    /// [`chunk`](Self::chunk); `None` if there were none.
    #[must_use]
    pub const fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// The next part of the body, as it came; `None` at its end.
    ///
    /// # Panics
    ///
    /// If neither comes in time, or the body is cut, with the [`ClientError`].
    #[track_caller]
    pub fn chunk(&mut self) -> impl Future<Output = Option<Bytes>> + Send {
        let here = Location::caller();
        async move { or_fail(here, self.try_chunk().await) }
    }

    /// As [`chunk`](Self::chunk), for a test that wants to see it fail.
    ///
    /// # Errors
    ///
    /// If neither a part nor the end comes in time, or the body is cut.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn try_chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        let (body, trailers) = (&mut self.body, &mut self.trailers);
        let part = self.clock.bound(async move {
            while let Some(frame) = body.frame().await {
                match frame.map_err(ClientFailure::Http)?.into_data() {
                    // A frame of HTTP/2 may end the stream, and hold nothing else.
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(frame) => *trailers = frame.into_trailers().ok(),
                }
            }
            Ok(None)
        });
        part.await
            .map_err(|failure| ClientError::new(Arc::clone(&self.request), failure))
    }

    /// The whole body, or what is left of it.
    ///
    /// # Panics
    ///
    /// As [`try_bytes`](Self::try_bytes) fails.
    #[track_caller]
    pub fn bytes(self) -> impl Future<Output = Bytes> + Send {
        let here = Location::caller();
        async move { or_fail(here, self.try_bytes().await) }
    }

    /// As [`bytes`](Self::bytes), for a test that wants to see it fail.
    ///
    /// # Errors
    ///
    /// If a part does not come in time; if the body is cut; if it is longer than 16 MiB, which are
    /// to be read part by part.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the body up.
    pub async fn try_bytes(mut self) -> Result<Bytes, ClientError> {
        let mut whole = BytesMut::new();
        while let Some(part) = self.try_chunk().await? {
            if whole.len() + part.len() > WHOLE {
                return Err(ClientError::new(
                    self.request,
                    ClientFailure::TooLong(WHOLE),
                ));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    /// The whole body as text; what is no UTF-8 is replaced.
    ///
    /// # Panics
    ///
    /// As [`try_bytes`](Self::try_bytes) fails.
    #[track_caller]
    pub fn text(self) -> impl Future<Output = String> + Send {
        let bytes = self.bytes();
        async move { String::from_utf8_lossy(&bytes.await).into_owned() }
    }

    /// The whole body, read as JSON.
    ///
    /// # Panics
    ///
    /// As [`try_json`](Self::try_json) fails.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(self) -> impl Future<Output = T> + Send {
        let here = Location::caller();
        async move { or_fail(here, self.try_json().await) }
    }

    /// As [`json`](Self::json), for a test that wants to see it fail.
    ///
    /// # Errors
    ///
    /// Those of [`try_bytes`](Self::try_bytes); if the body is no JSON, or not that of a `T`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the body up.
    pub async fn try_json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let request = Arc::clone(&self.request);
        let bytes = self.try_bytes().await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::new(request, ClientFailure::Json(error)))
    }
}

fn or_fail<T>(here: &Location<'_>, result: Result<T, ClientError>) -> T {
    result.unwrap_or_else(|error| fail(here, &error.to_string()))
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("request", &self.request)
            .field("status", &self.head.status)
            .field("headers", &self.head.headers)
            .finish_non_exhaustive()
    }
}
