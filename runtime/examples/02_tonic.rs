//! A tonic service alone, with health and reflection:
//! `grpcurl -plaintext -d '{"name": "World"}' 127.0.0.1:5000 greeter.v1.Greeter/SayHello`
#![expect(clippy::print_stdout, reason = "it says where it is ready")]

use std::pin::Pin;

use futures_util::{Stream, stream};
use greeter::v1::greeter_server::{Greeter, GreeterServer};
use greeter::v1::{SayHelloRequest, SayHelloResponse, StreamHelloRequest, StreamHelloResponse};
use lamplighter::{Healthcheck, Reflection, Report, Server};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn say_hello(
        &self,
        request: Request<SayHelloRequest>,
    ) -> Result<Response<SayHelloResponse>, Status> {
        let message = format!("Hello, {}!", request.into_inner().name);
        Ok(Response::new(SayHelloResponse { message }))
    }

    type StreamHelloStream =
        Pin<Box<dyn Stream<Item = Result<StreamHelloResponse, Status>> + Send>>;

    async fn stream_hello(
        &self,
        request: Request<StreamHelloRequest>,
    ) -> Result<Response<Self::StreamHelloStream>, Status> {
        let message = format!("Hello, {}!", request.into_inner().name);
        let once = stream::iter([Ok(StreamHelloResponse { message })]);
        Ok(Response::new(Box::pin(once)))
    }
}

fn main() -> Report {
    let server = Server::from_env(Routes::new(GreeterServer::new(Hello)))
        .protocol(Healthcheck::new())
        .protocol(Reflection::new([greeter::DESCRIPTORS]));
    server.on_ready(|ready| println!("ready on http://{}", ready.addr()));
    lamplighter::block_on(server.run())
}
