//! One application of plain routes and gRPC, on one port, asked by tonic's own clients and by hand.
//!
//! **Invariant:** no test sleeps; what takes time takes virtual time.
#![expect(
    clippy::unwrap_used,
    reason = "what a client of a test cannot do fails that test"
)]

#[path = "app/calls.rs"]
mod calls;
#[path = "app/deadlines.rs"]
mod deadlines;
#[path = "app/http1.rs"]
mod http1;
#[path = "app/named.rs"]
mod named;
#[path = "app/reflection.rs"]
mod reflection;
#[path = "app/stops.rs"]
mod stops;
#[path = "app/web.rs"]
mod web;

use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use greeter::v1::greeter_client::GreeterClient;
use greeter::v1::greeter_server::{Greeter, GreeterServer};
use greeter::v1::{SayHelloRequest, SayHelloResponse, StreamHelloRequest, StreamHelloResponse};
use lamplighter::{App, Server, ShutdownSignal, WithGrpc};
use lamplighter_harness::{Gate, TestServer, within};
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Says hello; "gate" waits at the gate, "panic" panics, "deaf" streams until it is cut.
struct Polite {
    gate: Gate,
}

type Hellos = Pin<Box<dyn Stream<Item = Result<StreamHelloResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Greeter for Polite {
    async fn say_hello(
        &self,
        request: Request<SayHelloRequest>,
    ) -> Result<Response<SayHelloResponse>, Status> {
        let name = request.into_inner().name;
        match name.as_str() {
            "gate" => self.gate.pass().await,
            "panic" => std::panic::resume_unwind(Box::new("a secret")),
            _ => {}
        }
        let message = format!("Hello, {name}!");
        Ok(Response::new(SayHelloResponse { message }))
    }

    type StreamHelloStream = Hellos;

    async fn stream_hello(
        &self,
        request: Request<StreamHelloRequest>,
    ) -> Result<Response<Hellos>, Status> {
        let name = request.into_inner().name;
        let hello = |message: String| Ok(StreamHelloResponse { message });
        let first = stream::iter([hello(format!("Hello, {name}!"))]);
        let rest = stream::pending();
        let Some(signal) = ShutdownSignal::current() else {
            return Err(Status::internal("no server polls this"));
        };
        let deaf = name == "deaf";
        let heard = async move {
            if deaf {
                std::future::pending::<()>().await;
            }
            signal.draining().await;
        };
        let hellos = first.chain(rest).take_until(Box::pin(heard));
        Ok(Response::new(Box::pin(hellos)))
    }
}

fn routes(gate: &Gate) -> Routes {
    let gate = gate.clone();
    Routes::new(GreeterServer::new(Polite { gate }))
}

fn plain() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn app(gate: &Gate) -> App<WithGrpc<Router>> {
    App::new(plain()).grpc(routes(gate))
}

async fn started(gate: &Gate) -> TestServer {
    TestServer::start(Server::new(app(gate)).listen("127.0.0.1:0")).await
}

fn client(server: &TestServer) -> GreeterClient<Channel> {
    GreeterClient::new(server.grpc())
}

async fn hello(client: &mut GreeterClient<Channel>, name: &str) -> Result<String, Status> {
    let request = SayHelloRequest { name: name.into() };
    let answer = within("an answer", client.say_hello(request)).await?;
    Ok(answer.into_inner().message)
}

/// Stops the server, cleanly.
async fn ends_well(server: TestServer) {
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
}
