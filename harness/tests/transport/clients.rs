//! Clients that others wrote, calling one after the other through a lame duck: each moves once, and
//! loses nothing.
//!
//! Most run in real time, since clients have timers of their own.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response};
use axum::routing::{get, post};
use futures_util::future::join_all;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use lamplighter::ConnectionEnd::Graceful;
use lamplighter::{Plan, Report, Server, ServerHandle};
use lamplighter_harness::{TestServer, within};
use tokio::net::TcpStream;
use tokio::time::advance;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::secs;
use crate::stage::{self, Stage};

const LAME_DUCK: Duration = secs(1);

/// A gRPC answer with an empty message: a frame of no bytes, and trailers that say that all is well.
///
/// The message is read first, as every gRPC server does: h2 ends a connection with the thousandth
/// message that comes when its stream is over.
async fn say(_: Bytes) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [
        Frame::data(Bytes::from_static(&[0; 5])),
        Frame::trailers(trailers),
    ];
    let frames = stream::iter(frames.map(Ok::<_, Infallible>));
    let mut answer = Response::new(Body::new(StreamBody::new(frames)));
    let grpc = HeaderValue::from_static("application/grpc");
    answer.headers_mut().insert("content-type", grpc);
    answer
}

async fn server() -> TestServer {
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/test.v1.Echo/Say", post(say));
    let plan = Plan::new().lame_duck(LAME_DUCK).drain_timeout(secs(3600));
    TestServer::start(Server::new(app).plan(plan)).await
}

/// What a client went through until nobody listened any more.
#[derive(Clone, Copy, Debug, Default)]
struct Journey {
    answered: u64,
    /// Streams that a GOAWAY named as not begun.
    refused: u64,
    connections: u64,
}

/// Calls one after the other on one connection of the h2 crate, and on a new one once that goes
/// away, until nobody listens.
async fn calls_by_h2(addr: SocketAddr) -> Journey {
    let mut journey = Journey::default();
    while let Ok(stream) = TcpStream::connect(addr).await {
        journey.connections += 1;
        let Ok((mut client, connection)) = h2::client::handshake(stream).await else {
            continue;
        };
        let connection = tokio::spawn(connection);
        while let Ok(ready) = client.clone().ready().await {
            client = ready;
            let request = Request::get(format!("http://{addr}/")).body(()).unwrap();
            let Ok((answer, _)) = client.send_request(request, true) else {
                break;
            };
            match read(answer).await {
                Ok(text) => {
                    assert_eq!(text, "hello");
                    journey.answered += 1;
                }
                Err(error) => {
                    assert!(error.is_go_away() && error.is_remote(), "{error:?}");
                    assert_eq!(error.reason(), Some(h2::Reason::NO_ERROR));
                    journey.refused += 1;
                }
            }
        }
        drop(client);
        within("the connection to end", connection)
            .await
            .unwrap()
            .unwrap();
    }
    journey
}

async fn read(answer: h2::client::ResponseFuture) -> Result<Bytes, h2::Error> {
    let mut body = answer.await?.into_body();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data?);
    }
    Ok(text.into())
}

/// Calls one after the other on one channel of tonic's, until it finds nobody.
async fn calls_by_tonic(addr: SocketAddr) -> Journey {
    let channel = Endpoint::from_shared(format!("http://{addr}"))
        .unwrap()
        .connect_lazy();
    let mut client = Grpc::new(channel);
    let mut journey = Journey::default();
    loop {
        match call(&mut client).await {
            Ok(()) => journey.answered += 1,
            Err(status) if was_not_begun(&status) => journey.refused += 1,
            Err(status) => {
                let nobody = TcpStream::connect(addr).await.is_err();
                assert!(nobody, "{status:?}");
                return journey;
            }
        }
    }
}

/// Whether the client knows that the server has not begun its call: GOAWAY says so, or the call never
/// left, since its connection was on its way out.
fn was_not_begun(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_go_away()
                && error.is_remote()
                && error.reason() == Some(h2::Reason::NO_ERROR);
        }
        source = error.source();
    }
    status.code() == Code::Cancelled
}

async fn call(client: &mut Grpc<Channel>) -> Result<(), Status> {
    if let Err(error) = client.ready().await {
        return Err(Status::unavailable(error.to_string()));
    }
    let path = http::uri::PathAndQuery::from_static("/test.v1.Echo/Say");
    client
        .unary(tonic::Request::new(()), path, Empty)
        .await
        .map(drop)
}

/// Messages without a byte.
#[derive(Clone, Copy)]
struct Empty;

impl Codec for Empty {
    type Encode = ();
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Empty {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), Status> {
        Ok(())
    }
}

impl Decoder for Empty {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
}

/// Waits until so many connections have come.
async fn comes(server: &ServerHandle, connections: u64) {
    let come = async {
        while server.report().connections().accepted < connections {
            tokio::task::yield_now().await;
        }
    };
    within("the clients to connect", come).await;
}

/// Sends so many clients through a lame duck; gives back what each went through.
async fn through_a_lame_duck<F>(
    clients: usize,
    calls: fn(SocketAddr) -> F,
) -> (Vec<Journey>, Report)
where
    F: Future<Output = Journey> + Send + 'static,
{
    let server = server().await;
    let journeys: Vec<_> = (0..clients)
        .map(|_| tokio::spawn(calls(server.addr())))
        .collect();
    comes(server.handle(), clients as u64).await;
    let report = server.stop().await;
    let journeys = within("the clients to find nobody", join_all(journeys)).await;
    let journeys = journeys.into_iter().map(Result::unwrap).collect();
    (journeys, report)
}

/// Nothing that was begun is lost, nothing that was answered had been refused, each client has moved
/// once.
#[track_caller]
fn assert_nothing_is_lost(journeys: &[Journey], report: &Report) {
    assert!(report.is_clean(), "{report}");
    assert!(report.total() >= LAME_DUCK, "{report}");
    let connections = report.connections();
    let answered: u64 = journeys.iter().map(|journey| journey.answered).sum();
    assert_eq!(
        (connections.tally.begun, connections.tally.answered),
        (answered, answered),
        "{journeys:?}"
    );
    let clients = journeys.len() as u64;
    assert!(
        connections.accepted <= 2 * clients,
        "{journeys:?}, {connections:?}"
    );
    // One GOAWAY for each connection, and at most one call of a client's at a time.
    let refused: u64 = journeys.iter().map(|journey| journey.refused).sum();
    assert!(refused <= 2 * clients, "{journeys:?}");
}

/// This one has no timer, so that time can wait until it has moved. It never rests, so that time has to
/// be told to go on.
#[tokio::test(start_paused = true)]
async fn a_client_of_the_h2_crate_moves_once_and_loses_nothing() {
    let stage = Stage::with_lame_duck().await;
    let calls = tokio::spawn(calls_by_h2(stage.addr));
    comes(&stage.handle, 1).await;
    stage.enters_lame_duck().await;
    // Everybody is told to go in the first half of it.
    advance(stage::LAME_DUCK / 2).await;
    comes(&stage.handle, 2).await;
    advance(stage::LAME_DUCK / 2).await;
    let journey = within("the client to find nobody", calls).await.unwrap();
    assert_eq!(journey.connections, 2);
    let over = stage.over().await.ended([Graceful, Graceful]);
    let tally = over.report.connections().tally;
    assert_eq!(
        (tally.begun, tally.answered),
        (journey.answered, journey.answered),
        "{journey:?}"
    );
    assert_eq!(over.report.total(), stage::LAME_DUCK);
}

#[tokio::test]
async fn twenty_clients_of_the_h2_crate_move_once_and_lose_nothing() {
    let (journeys, report) = through_a_lame_duck(20, calls_by_h2).await;
    assert_nothing_is_lost(&journeys, &report);
}

#[tokio::test]
async fn a_client_of_tonic_moves_once_and_loses_nothing() {
    let (journeys, report) = through_a_lame_duck(1, calls_by_tonic).await;
    assert_nothing_is_lost(&journeys, &report);
}

#[tokio::test]
async fn twenty_clients_of_tonic_move_once_and_lose_nothing() {
    let (journeys, report) = through_a_lame_duck(20, calls_by_tonic).await;
    assert_nothing_is_lost(&journeys, &report);
}
