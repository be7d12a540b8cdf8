//! Answers in the application's stead, in the words of whoever asked (floor 2).
//!
//! **Invariant:** an answer of ours says what is the matter with the server, and nothing of what went on
//! inside it.

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;

use super::body::{AnswerBody, Hold};
use super::service::BoxError;

/// Why the application does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is not asked before the server is ready.
    NotReady,
    /// It is not asked any more.
    Draining,
    /// It was asked, and gave up.
    Failed,
}

/// What whoever asked understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    /// A status and a text.
    Http,
    /// gRPC's own status, in a head that is all of the answer.
    Grpc,
}

impl Tongue {
    /// That of a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let grpc = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if grpc { Self::Grpc } else { Self::Http }
    }
}

impl Reason {
    /// The answer that says so in `tongue`.
    pub(super) fn answer<B>(self, tongue: Tongue, hold: Hold) -> Response<AnswerBody<B>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        match tongue {
            Tongue::Http => {
                let mut answer = Response::new(AnswerBody::own(self.text(), hold));
                *answer.status_mut() = self.status();
                let headers = answer.headers_mut();
                headers.insert(CONTENT_TYPE, PLAIN);
                if self != Self::Failed {
                    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                }
                answer
            }
            Tongue::Grpc => {
                let mut answer = Response::new(AnswerBody::own("", hold));
                let headers = answer.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                headers.insert("grpc-status", self.grpc_status());
                headers.insert("grpc-message", HeaderValue::from_static(self.text()));
                answer
            }
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NotReady => "Server is not ready",
            Self::Draining => "Server is draining",
            Self::Failed => "Internal Server Error",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::NotReady | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// `UNAVAILABLE`, which clients may try again elsewhere or later, or `INTERNAL`.
    const fn grpc_status(self) -> HeaderValue {
        match self {
            Self::NotReady | Self::Draining => HeaderValue::from_static("14"),
            Self::Failed => HeaderValue::from_static("13"),
        }
    }
}

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
