//! Calls: every kind, told apart by content type, each with the errors of its own protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use axum::http::uri::PathAndQuery;
use futures_util::stream;
use greeter::v1::StreamHelloRequest;
use greeter::v1::greeter_client::GreeterClient;
use lamplighter::{App, Server};
use lamplighter_harness::{Gate, Manners, Seen, TestServer, within};
use tonic::client::Grpc;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_server::{
    ServerReflection, ServerReflectionServer,
};
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::{app, client, ends_well, hello, plain, routes, started};

#[tokio::test]
async fn plain_requests_and_grpc_share_one_port() {
    let server = started(&Gate::new()).await;
    let mut client = client(&server);
    assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
    assert_eq!(server.get("/").await.text(), "hello");
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    let stream = probe.open_stream("/").await.unwrap();
    let answered = |seen: &Seen| matches!(seen, Seen::Headers { stream: of, status: Some(200), .. } if *of == stream);
    probe.until("the plain answer over HTTP/2", answered).await;
    // Whoever stays and does not read holds a stop for a grace.
    drop(probe);
    ends_well(server).await;
}

#[tokio::test]
async fn generated_clients_call_over_every_listener_and_in_process() {
    let builder = TestServer::builder().listen("[::1]:0").unix("unix");
    let server = builder.spawn(app(&Gate::new())).await;
    for channel in [server.grpc(), server.at("unix").grpc()] {
        let mut client = GreeterClient::new(channel);
        assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
    }
    let request = || StreamHelloRequest {
        name: "World".into(),
    };
    let mut client = GreeterClient::new(server.in_process());
    let mut hellos = client.stream_hello(request()).await.unwrap().into_inner();
    let first = within("a hello", hellos.message()).await.unwrap().unwrap();
    assert_eq!(first.message, "Hello, World!");
    // It is told of the end as every other.
    let stop = tokio::spawn(server.stop());
    assert!(within("the end", hellos.message()).await.unwrap().is_none());
    let report = within("the stop", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().tally.answered, 3, "{report}");
}

#[tokio::test]
async fn what_is_plain_and_unknown_is_an_honest_404() {
    let server = started(&Gate::new()).await;
    for path in [
        "/nothing",
        "/greeter.v1.Greeter/SayHello",
        "/greeter.v1.Greeter",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.head.header("grpc-status"), None, "{path}");
    }
    // gRPC is posted: whatever a GET has for a body, nobody has asked in the words of gRPC.
    let mut probe = server.probe().await;
    let get = "GET /greeter.v1.Greeter/SayHello HTTP/1.1\r\nhost: probe\r\n\
               content-type: application/grpc\r\n\r\n";
    probe.send(get).await.unwrap();
    let answer = probe.answer().await;
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.head.header("grpc-status"), None, "{answer:?}");
    // Like gRPC, and not it: nobody has opted into gRPC-Web.
    for kind in [
        "application/json",
        "application/grpc-web",
        "application/grpcs",
    ] {
        let mut probe = server.probe().await;
        let head = format!(
            "POST /greeter.v1.Greeter/SayHello HTTP/1.1\r\nhost: probe\r\n\
             content-type: {kind}\r\ncontent-length: 0\r\n\r\n"
        );
        probe.send(head).await.unwrap();
        assert_eq!(probe.answer().await.status(), 404, "{kind}");
    }
    ends_well(server).await;
}

#[tokio::test]
async fn what_is_grpc_and_unknown_is_unimplemented() {
    let server = started(&Gate::new()).await;
    let mut client = Grpc::new(server.grpc());
    for path in [
        "/greeter.v1.Greeter/SayGoodbye",
        "/orders.v1.Orders/Get",
        "/nothing",
    ] {
        client.ready().await.unwrap();
        let codec: ProstCodec<(), ()> = ProstCodec::default();
        let path = PathAndQuery::from_static(path);
        let refused = client.unary(Request::new(()), path, codec).await;
        assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    }
    ends_well(server).await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_connection_lives() {
    let server = started(&Gate::new()).await;
    let mut client = client(&server);
    let large = "x".repeat(5 * 1024 * 1024);
    let refused = hello(&mut client, &large).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
    assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 1, "{report}");
}

#[tokio::test]
async fn a_call_that_panics_is_an_internal_error_that_tells_nothing() {
    let server = started(&Gate::new()).await;
    let mut client = client(&server);
    let failed = hello(&mut client, "panic").await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal, "{failed:?}");
    // Said by the server in the words of gRPC, not made up by the client of an HTTP status.
    assert_eq!(failed.message(), "Internal Server Error", "{failed:?}");
    assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 1, "{report}");
}

#[tokio::test]
async fn the_services_of_tonic_alone_are_an_application_too() {
    let routes = routes(&Gate::new());
    let server = TestServer::start(Server::new(routes).listen("127.0.0.1:0")).await;
    let mut client = client(&server);
    assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
    let failed = hello(&mut client, "panic").await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal, "{failed:?}");
    ends_well(server).await;
}

/// Any service of both directions will do: this one says what it was told.
struct Echo;

#[tonic::async_trait]
impl ServerReflection for Echo {
    type ServerReflectionInfoStream = super::Pin<
        Box<dyn futures_util::Stream<Item = Result<ServerReflectionResponse, Status>> + Send>,
    >;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        use futures_util::StreamExt;
        let echo = |request: Result<ServerReflectionRequest, Status>| {
            Ok(ServerReflectionResponse {
                valid_host: request?.host,
                ..ServerReflectionResponse::default()
            })
        };
        Ok(Response::new(Box::pin(request.into_inner().map(echo))))
    }
}

#[tokio::test]
async fn a_call_streams_both_ways_at_once() {
    let routes = Routes::new(ServerReflectionServer::new(Echo));
    let app = App::new(plain()).grpc(routes);
    let server = TestServer::start(Server::new(app).listen("127.0.0.1:0")).await;
    let mut client = ServerReflectionClient::new(server.grpc());
    let (say, said) = tokio::sync::mpsc::unbounded_channel();
    let said = stream::unfold(said, |mut said| async {
        said.recv().await.map(|host| (host, said))
    });
    let answer = within("a head", client.server_reflection_info(said)).await;
    let mut heard = answer.unwrap().into_inner();
    // Each question goes out after the answer to the one before it has come.
    for host in ["one", "two", "three"] {
        let request = ServerReflectionRequest {
            host: host.into(),
            ..ServerReflectionRequest::default()
        };
        say.send(request).unwrap();
        let answer = within("the echo", heard.message()).await.unwrap().unwrap();
        assert_eq!(answer.valid_host, host);
    }
    drop(say);
    assert!(within("the end", heard.message()).await.unwrap().is_none());
    ends_well(server).await;
}

#[tokio::test]
async fn a_stream_ends_when_its_client_goes() {
    let server = started(&Gate::new()).await;
    let mut client = client(&server);
    let request = StreamHelloRequest {
        name: "World".into(),
    };
    let mut hellos = client.stream_hello(request).await.unwrap().into_inner();
    let first = within("a hello", hellos.message()).await.unwrap().unwrap();
    assert_eq!(first.message, "Hello, World!");
    assert_eq!(server.handle().in_flight(), 1);
    drop((hellos, client));
    ends_well(server).await;
}

/// Counts what passes.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU32>);

#[derive(Clone)]
struct Counted<S>(S, Arc<AtomicU32>);

impl<S> tower_layer::Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted(inner, Arc::clone(&self.0))
    }
}

impl<S: tower_service::Service<R>, R> tower_service::Service<R> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.call(request)
    }
}

#[tokio::test]
async fn a_layer_wraps_what_is_plain_and_what_is_grpc() {
    let counting = Counting::default();
    let app = app(&Gate::new()).layer(counting.clone());
    let server = TestServer::start(Server::new(app).listen("127.0.0.1:0")).await;
    assert_eq!(server.get("/").await.status(), 200);
    assert_eq!(counting.0.load(Ordering::SeqCst), 1);
    let mut client = client(&server);
    assert_eq!(hello(&mut client, "World").await.unwrap(), "Hello, World!");
    assert_eq!(counting.0.load(Ordering::SeqCst), 2);
    assert_eq!(server.get("/nothing").await.status(), 404);
    assert_eq!(counting.0.load(Ordering::SeqCst), 3);
    ends_well(server).await;
}
