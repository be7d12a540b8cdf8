//! A plain service with those of tonic beside it (floor 2).
//!
//! **Invariant:** the plain service is ready before it is called; tonic's always are.
//! **Invariant:** gRPC that did not come by HTTP/2 gets to neither of them.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tonic::service::Routes;
use tower_service::Service;

use super::body::AppBody;
use crate::transport::grpc::{is_grpc, needs_http2, refused_version};
use crate::transport::route::name_call;

/// A plain service with the services of tonic beside it. See `App::grpc`.
#[derive(Clone, Debug)]
pub struct WithGrpc<S, G = Routes> {
    plain: S,
    grpc: G,
    takes: Takes,
}

/// What goes to tonic.
#[derive(Clone, Copy, Debug)]
enum Takes {
    Grpc,
    #[cfg(feature = "grpc-web")]
    GrpcAndWeb,
}

impl Takes {
    #[inline]
    fn of<B>(self, request: &Request<B>) -> Whose {
        if is_grpc(request) {
            return if needs_http2(request) {
                Whose::Nobodys
            } else {
                Whose::Tonics
            };
        }
        match self {
            Self::Grpc => Whose::Plain,
            #[cfg(feature = "grpc-web")]
            Self::GrpcAndWeb if crate::transport::grpc::is_grpc_web(request) => Whose::Tonics,
            #[cfg(feature = "grpc-web")]
            Self::GrpcAndWeb => Whose::Plain,
        }
    }
}

/// Who answers a request.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Plain,
    Tonics,
    Nobodys,
}

impl<S> WithGrpc<S> {
    pub(super) const fn new(plain: S, grpc: Routes) -> Self {
        Self {
            plain,
            grpc,
            takes: Takes::Grpc,
        }
    }
}

#[cfg(feature = "grpc-web")]
impl<S, G> WithGrpc<S, G> {
    pub(super) const fn new_web(plain: S, grpc: G) -> Self {
        Self {
            plain,
            grpc,
            takes: Takes::GrpcAndWeb,
        }
    }
}

impl<S, G, R, B> Service<Request<R>> for WithGrpc<S, G>
where
    S: Service<Request<R>, Response = Response<B>>,
    G: Service<Request<R>, Response = Response<tonic::body::Body>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    type Response = Response<AppBody<B>>;
    type Error = S::Error;
    type Future = AppFuture<S::Future, G::Future, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.plain.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<R>) -> Self::Future {
        let call = match self.takes.of(&request) {
            Whose::Plain => Call::Plain {
                future: self.plain.call(request),
            },
            Whose::Tonics => {
                name_call(request.uri());
                Call::Grpc {
                    future: self.grpc.call(request),
                }
            }
            Whose::Nobodys => Call::Refused,
        };
        AppFuture {
            call,
            body: PhantomData,
        }
    }
}

pin_project! {
    /// The answer of a `WithGrpc`, while it is being made.
    pub struct AppFuture<P, G, B> {
        #[pin]
        call: Call<P, G>,
        body: PhantomData<fn() -> B>,
    }
}

pin_project! {
    #[project = CallProj]
    enum Call<P, G> {
        Plain { #[pin] future: P },
        Grpc { #[pin] future: G },
        Refused,
    }
}

impl<P, G, B> std::fmt::Debug for AppFuture<P, G, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppFuture").finish_non_exhaustive()
    }
}

impl<P, G, B, E> Future for AppFuture<P, G, B>
where
    P: Future<Output = Result<Response<B>, E>>,
    G: Future<Output = Result<Response<tonic::body::Body>, Infallible>>,
{
    type Output = Result<Response<AppBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().call.project() {
            CallProj::Plain { future } => {
                future.poll(cx).map_ok(|answer| answer.map(AppBody::plain))
            }
            CallProj::Grpc { future } => future.poll(cx).map(|answer| match answer {
                Ok(answer) => Ok(answer.map(AppBody::grpc)),
                Err(never) => match never {},
            }),
            CallProj::Refused => Poll::Ready(Ok(refused_version().map(AppBody::grpc))),
        }
    }
}
