//! What the servers serve: one plain answer, and one call of the greeter.
//!
//! **Invariant:** the same for every server that is compared.

use axum::Router;
use axum::routing::get;
use greeter::v1::greeter_server::{Greeter, GreeterServer};
use greeter::v1::{SayHelloRequest, SayHelloResponse, StreamHelloRequest, StreamHelloResponse};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

pub(crate) fn plain() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

pub(crate) fn routes() -> Routes {
    Routes::new(GreeterServer::new(Polite))
}

struct Polite;

type Hellos = futures_util::stream::Empty<Result<StreamHelloResponse, Status>>;

#[tonic::async_trait]
impl Greeter for Polite {
    async fn say_hello(
        &self,
        request: Request<SayHelloRequest>,
    ) -> Result<Response<SayHelloResponse>, Status> {
        let message = format!("Hello, {}!", request.into_inner().name);
        Ok(Response::new(SayHelloResponse { message }))
    }

    type StreamHelloStream = Hellos;

    async fn stream_hello(
        &self,
        _: Request<StreamHelloRequest>,
    ) -> Result<Response<Hellos>, Status> {
        Ok(Response::new(futures_util::stream::empty()))
    }
}
