//! The body of an answer that is a plain service's or one of tonic's (floor 2).
//!
//! **Invariant:** it adds nothing: frames, sizes and ends are those of the body inside.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::transport::service::BoxError;

pin_project! {
    /// The body of an answer of an application with gRPC beside plain routes. The default is empty,
    /// as layers that answer themselves want it.
    pub struct AppBody<B> {
        #[pin]
        content: Content<B>,
    }
}

pin_project! {
    #[project = ContentProj]
    enum Content<B> {
        Plain { #[pin] body: B },
        Grpc { #[pin] body: tonic::body::Body },
        Empty,
    }
}

impl<B> AppBody<B> {
    pub(super) const fn plain(body: B) -> Self {
        Self {
            content: Content::Plain { body },
        }
    }

    pub(super) const fn grpc(body: tonic::body::Body) -> Self {
        Self {
            content: Content::Grpc { body },
        }
    }
}

impl<B> Default for AppBody<B> {
    fn default() -> Self {
        Self {
            content: Content::Empty,
        }
    }
}

impl<B> std::fmt::Debug for AppBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppBody").finish_non_exhaustive()
    }
}

impl<B> Body for AppBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().content.project() {
            ContentProj::Plain { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            ContentProj::Grpc { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            ContentProj::Empty => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Plain { body } => body.is_end_stream(),
            Content::Grpc { body } => body.is_end_stream(),
            Content::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Plain { body } => body.size_hint(),
            Content::Grpc { body } => body.size_hint(),
            Content::Empty => SizeHint::with_exact(0),
        }
    }
}
