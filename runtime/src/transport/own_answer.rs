//! Answers in the application's stead, in the words of whoever asked (floor 2).
//!
//! **Invariant:** an answer of ours says what is the matter with the server, and nothing of what went on
//! inside it.

use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::Body;

use super::body::{AnswerBody, Hold};
use super::content_type;
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
    /// It was asked, and did not answer by the deadline that the client named.
    Late,
    /// The request does not say, or not clearly, for which host it is.
    NoHost,
}

/// What whoever asked understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    /// A status and a text.
    Http,
    /// gRPC's own status, in a head that is all of the answer.
    Grpc,
    /// The same for browsers, who take it in their own content types alone.
    GrpcWeb,
    /// The same, in text.
    GrpcWebText,
}

impl Tongue {
    /// That of a request with these headers, which came by this version of HTTP: there is no gRPC before
    /// HTTP/2, and a proxy that turned it into that understands HTTP alone.
    pub(super) fn of(version: Version, headers: &HeaderMap) -> Self {
        let Some(rest) = content_type::rest_of_kind(headers) else {
            return Self::Http;
        };
        let is = |more| content_type::without(rest, more).is_some_and(content_type::ends_kind);
        if content_type::ends_kind(rest) && version >= Version::HTTP_2 {
            Self::Grpc
        } else if is(b"-web-text") {
            Self::GrpcWebText
        } else if is(b"-web") {
            Self::GrpcWeb
        } else {
            Self::Http
        }
    }

    /// The content type of gRPC's status.
    const fn grpc_kind(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Http | Self::Grpc => "application/grpc",
            Self::GrpcWeb => "application/grpc-web+proto",
            Self::GrpcWebText => "application/grpc-web-text+proto",
        })
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
                if matches!(self, Self::NotReady | Self::Draining) {
                    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                }
                if self == Self::NoHost {
                    // Over HTTP/1 alone, where whoever sends such a request may have meant two of them.
                    headers.insert(CONNECTION, HeaderValue::from_static("close"));
                }
                answer
            }
            Tongue::Grpc | Tongue::GrpcWeb | Tongue::GrpcWebText => {
                let mut answer = Response::new(AnswerBody::own("", hold));
                let headers = answer.headers_mut();
                headers.insert(CONTENT_TYPE, tongue.grpc_kind());
                headers.insert("grpc-status", self.grpc_status());
                headers.insert("grpc-message", HeaderValue::from_static(self.text()));
                answer
            }
        }
    }

    /// What it says of itself.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::NotReady => "Server is not ready",
            Self::Draining => "Server is draining",
            Self::Failed => "Internal Server Error",
            Self::Late => "Deadline exceeded",
            Self::NoHost => "An HTTP/1.1 request has one Host, and it is a host",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::NotReady | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::NoHost => StatusCode::BAD_REQUEST,
        }
    }

    /// `UNAVAILABLE`, which clients may try again elsewhere or later, `INTERNAL`, which is also what
    /// gRPC's clients make of a 400, or `DEADLINE_EXCEEDED`.
    const fn grpc_status(self) -> HeaderValue {
        match self {
            Self::NotReady | Self::Draining => HeaderValue::from_static("14"),
            Self::Failed | Self::NoHost => HeaderValue::from_static("13"),
            Self::Late => HeaderValue::from_static("4"),
        }
    }
}

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_speaks_a_kind_of_grpc_is_answered_in_that_kind() {
        for (kind, tongue, answered) in [
            ("application/grpc", Tongue::Grpc, "application/grpc"),
            ("application/grpc+proto", Tongue::Grpc, "application/grpc"),
            ("Application/GRPC", Tongue::Grpc, "application/grpc"),
            (
                "application/gRPC-Web",
                Tongue::GrpcWeb,
                "application/grpc-web+proto",
            ),
            (
                "application/grpc-web",
                Tongue::GrpcWeb,
                "application/grpc-web+proto",
            ),
            (
                "application/grpc-web-text+proto",
                Tongue::GrpcWebText,
                "application/grpc-web-text+proto",
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(Tongue::of(Version::HTTP_2, &headers), tongue, "{kind}");
            assert_eq!(tongue.grpc_kind(), answered, "{kind}");
        }
    }

    #[test]
    fn everybody_else_is_answered_in_http() {
        let mut headers = HeaderMap::new();
        assert_eq!(Tongue::of(Version::HTTP_2, &headers), Tongue::Http);
        for kind in [
            "application/json",
            "application/grpcs",
            "application/grpc.v2",
            "application/grpc-webx",
            "application/grpc-web-texts",
        ] {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(
                Tongue::of(Version::HTTP_2, &headers),
                Tongue::Http,
                "{kind}"
            );
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        assert_eq!(Tongue::of(Version::HTTP_11, &headers), Tongue::Http);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/grpc-web"),
        );
        assert_eq!(Tongue::of(Version::HTTP_11, &headers), Tongue::GrpcWeb);
    }
}
