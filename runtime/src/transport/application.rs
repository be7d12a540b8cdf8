//! What a server can serve: the bound that users see (floor 2).
//!
//! **Invariant:** whatever fits is one: nothing is to be implemented for it, and nothing can be.

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::service::{BoxError, Incoming, sealed};

/// What a server serves: any tower service that takes a `Request<Incoming>` and answers with a
/// `Response`. An axum `Router` is one.
///
/// It is cloned once per request, and its `poll_ready` is honoured. Implemented for every type that
/// fits; it cannot be implemented otherwise. Whatever is one is such a service, so that it can be
/// wrapped in another one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service that Lamplighter can serve",
    label = "not a tower service from `Request<Incoming>` to `Response<_>`",
    note = "it has to be `Service<Request<lamplighter::Incoming>, Response = Response<B>>` and `Clone + Send + Sync + 'static`, its future `Send + 'static`, its error `Into<Box<dyn Error + Send + Sync>>`",
    note = "an axum `Router` is served as it is once its state is given (`with_state`); a `BoxCloneService` is not `Sync`: use `BoxCloneSyncService`",
    note = "a `lamplighter::Server` is none: it is run as it is, and in a test handed to `TestServer::start`"
)]
pub trait Application:
    Service<
        Request<Incoming>,
        Response = Response<<Self as Application>::Body>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + sealed::Erase
    + 'static
{
    /// The body of its answers.
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Application for S
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}
