//! What the gRPC halves of infrastructure and application share (floor 2).
//!
//! **Invariant:** a request is told to be gRPC by its method and its content type, and by nothing else.
//! **Invariant:** what is no POST pays for no look at its headers.
//! **Invariant:** no call is begun whose status could not be told: that stands in trailers, which HTTP/1
//! has for nobody who was not promised them.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::Full;

#[cfg(feature = "grpc-web")]
use super::content_type::without;
use super::content_type::{ends_kind, rest_of_kind};

/// Whether this is gRPC: a POST of `application/grpc`, also with the name of a codec or with parameters
/// (gRPC over HTTP/2, "Requests"). gRPC-Web is another protocol.
#[inline]
pub(super) fn is_grpc<B>(request: &Request<B>) -> bool {
    rest_of_post(request).is_some_and(ends_kind)
}

/// Whether a request that is gRPC has come by a version of HTTP that gRPC does not exist for.
#[inline]
pub(super) fn needs_http2<B>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_2
}

/// What such a request is answered with, in the words of HTTP and with what is spoken here (RFC 9110,
/// 15.6.6): a proxy that turned HTTP/2 into HTTP/1 is told, where the answer to the call would be one
/// without a status.
#[cold]
pub(super) fn refused_version() -> Response<tonic::body::Body> {
    let text = Full::from("gRPC needs HTTP/2; this is HTTP/1");
    let mut answer = Response::new(tonic::body::Body::new(text));
    *answer.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}

/// Whether this is gRPC-Web, as bytes or as text.
#[cfg(feature = "grpc-web")]
#[inline]
pub(super) fn is_grpc_web<B>(request: &Request<B>) -> bool {
    rest_of_post(request).is_some_and(|rest| without(rest, b"-web").is_some())
}

#[inline]
fn rest_of_post<B>(request: &Request<B>) -> Option<&[u8]> {
    if request.method() != Method::POST {
        return None;
    }
    rest_of_kind(request.headers())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_post_of_grpcs_content_type_is_grpc_and_nothing_else_is() {
        for (kind, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("Application/GRPC+Proto", true),
            ("APPLICATION/GRPC-WEB", false),
            ("application/grpc-web", false),
            ("application/grpc-web-text+proto", false),
            ("application/grpcs", false),
            ("application/json", false),
        ] {
            let mut request = Request::new(());
            request
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            assert!(!is_grpc(&request), "GET {kind}");
            *request.method_mut() = Method::POST;
            assert_eq!(is_grpc(&request), expected, "{kind}");
            #[cfg(feature = "grpc-web")]
            {
                let web = kind.to_ascii_lowercase().contains("-web");
                assert_eq!(is_grpc_web(&request), web, "{kind}");
            }
            request.headers_mut().clear();
            assert!(!is_grpc(&request));
        }
    }
}
