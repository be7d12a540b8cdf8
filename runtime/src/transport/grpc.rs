//! What the gRPC halves of infrastructure and application share (floor 2).
//!
//! **Invariant:** a request is told to be gRPC by its content type alone.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::shutdown_signal::ShutdownSignal;

/// Whether this is gRPC: `application/grpc`, also with the name of a codec or with parameters
/// (gRPC over HTTP/2, "Requests"). gRPC-Web is another protocol.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    rest_of_kind(headers).is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Whether this is gRPC-Web, as bytes or as text.
#[cfg(feature = "grpc-web")]
pub(super) fn is_grpc_web(headers: &HeaderMap) -> bool {
    rest_of_kind(headers).is_some_and(|rest| rest.starts_with(b"-web"))
}

fn rest_of_kind(headers: &HeaderMap) -> Option<&[u8]> {
    let kind = headers.get(CONTENT_TYPE)?.as_bytes();
    kind.strip_prefix(b"application/grpc")
}

pin_project! {
    /// The body of a request that ends, as if the peer had ended it, when the server drains: what
    /// has come until then is still handed out.
    pub(super) struct UntilDraining<B> {
        #[pin]
        body: B,
        signal: ShutdownSignal,
        draining: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    }
}

impl<B> UntilDraining<B> {
    pub(super) const fn new(body: B, signal: ShutdownSignal) -> Self {
        Self {
            body,
            signal,
            draining: None,
        }
    }
}

impl<B: Body> Body for UntilDraining<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let signal = this.signal;
        this.draining
            .get_or_insert_with(|| Box::pin(signal.clone().draining_owned()))
            .as_mut()
            .poll(cx)
            .map(|()| None)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_content_type_is_grpc_or_it_is_not() {
        for (kind, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpc-web-text+proto", false),
            ("application/grpcs", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(is_grpc(&headers), expected, "{kind}");
            #[cfg(feature = "grpc-web")]
            assert_eq!(is_grpc_web(&headers), kind.contains("-web"), "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
