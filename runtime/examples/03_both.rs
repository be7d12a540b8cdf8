//! Plain routes and gRPC on one port, told apart by content type: `curl http://127.0.0.1:5000/`, and
//! `grpcurl -plaintext -d '{"name": "World"}' 127.0.0.1:5000 greeter.v1.Greeter/SayHello`
#![expect(clippy::print_stdout, reason = "it says where it is ready")]

use axum::{Router, routing::get};
use futures_util::stream::{self, Empty};
use greeter::v1::greeter_server::{Greeter, GreeterServer};
use greeter::v1::{SayHelloRequest, SayHelloResponse, StreamHelloRequest, StreamHelloResponse};
use lamplighter::{App, Healthcheck, HttpHealth, Reflection, Report, Server};
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

    type StreamHelloStream = Empty<Result<StreamHelloResponse, Status>>;

    async fn stream_hello(
        &self,
        _: Request<StreamHelloRequest>,
    ) -> Result<Response<Self::StreamHelloStream>, Status> {
        Ok(Response::new(stream::empty()))
    }
}

fn main() -> Report {
    let plain = Router::new().route("/", get(|| async { "Hello, World!\n" }));
    let app = App::new(plain).grpc(Routes::new(GreeterServer::new(Hello)));
    let server = Server::from_env(app)
        .protocol(Healthcheck::new().http(HttpHealth::default()))
        .protocol(Reflection::new([greeter::DESCRIPTORS]));
    server.on_ready(|ready| println!("ready on http://{}", ready.addr()));
    lamplighter::block_on(server.run())
}
