//! The gRPC half of the quickstart: `greeter.v1.Greeter`.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use greeter::v1::greeter_server::{Greeter, GreeterServer};
use greeter::v1::{SayHelloRequest, SayHelloResponse, StreamHelloRequest, StreamHelloResponse};
use lamplighter::ShutdownSignal;
use tokio::time::sleep;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// `greeter.v1.Greeter`.
struct Hello;

/// The services of the quickstart.
pub(crate) fn routes() -> Routes {
    Routes::new(GreeterServer::new(Hello))
}

#[tonic::async_trait]
impl Greeter for Hello {
    async fn say_hello(
        &self,
        request: Request<SayHelloRequest>,
    ) -> Result<Response<SayHelloResponse>, Status> {
        let message = hello(&request.get_ref().name);
        Ok(Response::new(SayHelloResponse { message }))
    }

    type StreamHelloStream =
        Pin<Box<dyn Stream<Item = Result<StreamHelloResponse, Status>> + Send>>;

    /// A message every 100 ms until the server drains, then the end.
    async fn stream_hello(
        &self,
        request: Request<StreamHelloRequest>,
    ) -> Result<Response<Self::StreamHelloStream>, Status> {
        let message = hello(&request.get_ref().name);
        let signal = ShutdownSignal::current().ok_or_else(|| Status::internal("no server"))?;
        let hellos = stream::unfold(message, |message| async move {
            sleep(Duration::from_millis(100)).await;
            let response = StreamHelloResponse {
                message: message.clone(),
            };
            Some((Ok(response), message))
        });
        let hellos = hellos.take_until(Box::pin(signal.draining_owned()));
        Ok(Response::new(Box::pin(hellos)))
    }
}

fn hello(name: &str) -> String {
    format!("Hello, {name}!")
}
