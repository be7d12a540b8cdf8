//! Several services as one: plain routes, and the services of tonic beside them (floor 2).
//!
//! **Invariant:** who answers is told by method and content type alone, so that a plain request never
//! gets an answer in the words of gRPC. **Invariant:** per request there is no box of ours.

#[cfg(feature = "grpc")]
mod body;
#[cfg(feature = "grpc")]
mod with_grpc;

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

#[cfg(feature = "grpc")]
pub use body::AppBody;
#[cfg(feature = "grpc")]
pub use with_grpc::{AppFuture, WithGrpc};

/// An application put together of several services, itself a tower service.
///
/// ```no_run
/// # #[cfg(feature = "grpc")] {
/// use axum::{Router, routing::get};
/// use lamplighter::{App, Server};
/// use tonic::service::Routes;
///
/// let plain = Router::new().route("/", get(|| async { "Hello, World!" }));
/// let grpc = Routes::default(); // .add_service(GreeterServer::new(MyGreeter))
/// let server = Server::new(App::new(plain).grpc(grpc));
/// # }
/// ```
///
/// What is plain goes to the plain service, whose 404 is an honest one; what is gRPC goes to tonic,
/// which answers UNIMPLEMENTED for what it does not know. How large messages may be is a setting of
/// each generated service (`max_decoding_message_size`, 4 MiB unless told).
#[derive(Clone, Copy, Debug)]
pub struct App<S> {
    service: S,
}

impl<S> App<S> {
    /// An application of this service alone, such as an axum `Router`.
    pub const fn new(plain: S) -> Self {
        Self { service: plain }
    }

    /// Wraps all that was put together so far in a layer: the last one is the first to see a request.
    ///
    /// It has to take requests as the server reads them, `Request<lamplighter::Incoming>`, as the
    /// layers of tower-http do; a middleware of axum wants a body of axum's, and belongs on the
    /// `Router`. Health and reflection, which belong to the server, are outside of every layer.
    #[must_use]
    pub fn layer<L: Layer<S>>(self, layer: L) -> App<L::Service> {
        App {
            service: layer.layer(self.service),
        }
    }

    /// Answers what is gRPC by the services of tonic, over HTTP/2 with or without TLS, and leaves the
    /// rest to what was put together so far.
    ///
    /// gRPC is what is posted with the content type `application/grpc`, with or without a codec's name.
    /// gRPC-Web is something else, and goes on as a plain request. gRPC that comes by HTTP/1, as from a
    /// proxy that does not speak HTTP/2 to its upstreams, is answered with 505 and begins nothing: its
    /// status could not be told.
    ///
    /// A call that names a timeout (`grpc-timeout`) gets no more than that, as every call of gRPC to a
    /// server: if its answer has not begun by then, it is dropped, and answered with DEADLINE_EXCEEDED.
    #[cfg(feature = "grpc")]
    #[must_use]
    pub fn grpc(self, routes: tonic::service::Routes) -> App<WithGrpc<S>> {
        App {
            service: WithGrpc::new(self.service, routes.prepare()),
        }
    }

    /// As [`grpc`](Self::grpc), and answers gRPC-Web as well, for browsers: over HTTP/1.1 and HTTP/2,
    /// in bytes and in text. Which origins may ask is for a layer to say, such as tower-http's
    /// `CorsLayer`.
    #[cfg(feature = "grpc-web")]
    #[must_use]
    pub fn grpc_web(
        self,
        routes: tonic::service::Routes,
    ) -> App<WithGrpc<S, tonic_web::GrpcWebService<tonic::service::Routes>>> {
        let web = tonic_web::GrpcWebLayer::new().layer(routes.prepare());
        App {
            service: WithGrpc::new_web(self.service, web),
        }
    }
}

impl<S, R> Service<R> for App<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> S::Future {
        self.service.call(request)
    }
}
