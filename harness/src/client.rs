//! A client that behaves: HTTP/1.1 or HTTP/2 by hyper, to one server, over a socket or in memory.
//!
//! **Invariant:** nothing is sent twice: what fails is told, never tried again.
//! **Invariant:** whatever goes wrong is told together with the request that it went wrong with.

mod connection;
mod door;
mod error;
#[cfg(feature = "grpc")]
mod grpc;
mod memory;
mod reply;
#[cfg(feature = "websocket")]
mod websocket;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::Mutex;
use tower_service::Service;

pub(crate) use door::Door;
pub use error::{ClientError, ClientFailure};
#[cfg(feature = "grpc")]
pub(crate) use grpc::channel;
pub(crate) use memory::{Dialler, Memory};
pub use reply::Reply;
#[cfg(feature = "websocket")]
pub use websocket::WebSocket;

use self::connection::Connection;
use crate::patience::fail;
use crate::test_server::Waiting;

/// What a client sends.
type BoxBody = UnsyncBoxBody<Bytes, BoxError>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A client of one server, which speaks one version of HTTP.
///
/// It has one connection, made by its first request and kept: over HTTP/2 requests share it, over
/// HTTP/1.1 each waits until the answer before it has been read or dropped. Once the server has
/// closed it, the next request makes another one; [`connections`](Self::connections) counts them.
/// Clones are the same client.
///
/// Whatever it asks for, it waits for the head of the answer as long as its server's builder says
/// ([`PATIENCE`](crate::PATIENCE) unless told otherwise), by the real clock, and for each part of the
/// body again.
///
/// ```
/// use axum::{Json, Router, routing::post};
/// use lamplighter_harness::TestServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sum = |Json(numbers): Json<Vec<u32>>| async move { Json(numbers.iter().sum::<u32>()) };
/// let server = TestServer::spawn(Router::new().route("/sum", post(sum))).await;
/// let client = server.http2();
/// let reply = client.post_json("/sum", &[1, 2, 3]).await;
/// assert_eq!(reply.status(), 200);
/// assert_eq!(reply.json::<u32>().await, 6);
/// # }
/// ```
///
/// It is a tower service as well, without a bound of its own: `GreeterClient::new(server.http2())`, or
/// whatever else takes one. It works within a tokio runtime, which drives its connection.
#[derive(Clone)]
pub struct Client {
    door: Door,
    version: Version,
    clock: Clock,
    connection: Arc<Mutex<Option<Connection>>>,
    connections: Arc<AtomicUsize>,
}

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        })
    }
}

/// How long a client waits, and what the clock of its test does meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) waiting: Waiting,
    pub(crate) patience: Duration,
}

impl Clock {
    /// The output of `future`, or that it took too long.
    async fn bound<T>(
        self,
        future: impl Future<Output = Result<T, ClientFailure>>,
    ) -> Result<T, ClientFailure> {
        let bounded = self.waiting.bounded(self.patience, future).await;
        bounded.unwrap_or(Err(ClientFailure::TimedOut(self.patience)))
    }
}

impl Client {
    pub(crate) fn new(door: Door, version: Version, clock: Clock) -> Self {
        Self {
            door,
            version,
            clock,
            connection: Arc::default(),
            connections: Arc::default(),
        }
    }

    /// Asks for a path.
    ///
    /// # Panics
    ///
    /// If there is no answer in time, with the [`ClientError`].
    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Reply> + Send + use<> {
        self.answered(
            Location::caller(),
            self.ask(Method::GET, path, Bytes::new()),
        )
    }

    /// Posts this to a path.
    ///
    /// # Panics
    ///
    /// If there is no answer in time, with the [`ClientError`].
    #[track_caller]
    pub fn post<T: Into<Bytes>>(
        &self,
        path: &str,
        body: T,
    ) -> impl Future<Output = Reply> + Send + use<T> {
        self.answered(
            Location::caller(),
            self.ask(Method::POST, path, body.into()),
        )
    }

    /// Posts this value to a path, as JSON.
    ///
    /// # Panics
    ///
    /// If it has no form in JSON; if there is no answer in time, with the [`ClientError`].
    #[track_caller]
    pub fn post_json<T: serde::Serialize + ?Sized>(
        &self,
        path: &str,
        value: &T,
    ) -> impl Future<Output = Reply> + Send + use<T> {
        let here = Location::caller();
        let json = serde_json::to_vec(value)
            .unwrap_or_else(|error| fail(here, &format!("not to be said in JSON: {error}")));
        let request = self.ask(Method::POST, path, json.into());
        let request = request.map(|mut request| {
            let json = HeaderValue::from_static("application/json");
            request
                .headers_mut()
                .insert(http::header::CONTENT_TYPE, json);
            request
        });
        self.answered(here, request)
    }

    /// Sends a request. Its URI needs no more than a path.
    ///
    /// # Panics
    ///
    /// If there is no answer in time, with the [`ClientError`].
    #[track_caller]
    pub fn send<B>(&self, request: Request<B>) -> impl Future<Output = Reply> + Send + use<B>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        self.answered(Location::caller(), Ok(request))
    }

    /// As [`send`](Self::send), for a test that wants to see it fail.
    ///
    /// # Errors
    ///
    /// If there is no answer in time: nobody listens, or the connection ended first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the request up, wherever it is: over HTTP/2 its stream is reset, over
    /// HTTP/1.1 its connection is closed.
    pub fn try_send<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Reply, ClientError>> + Send + use<B>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let client = self.clone();
        let told = self.tells(request.method(), request.uri());
        async move {
            // Boxed, since it is large, and whatever awaits it would be larger.
            let exchange = Box::pin(client.exchange(boxed(request)));
            match client.clock.bound(exchange).await {
                Ok(answer) => Ok(Reply::new(answer, told, client.clock)),
                Err(failure) => Err(ClientError::new(told, failure)),
            }
        }
    }

    /// How many connections it has made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What a person is to know of a request.
    fn tells(&self, method: &Method, uri: &http::Uri) -> Arc<str> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{method} {path} over {} to {}", self.version, self.door).into()
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let request = Request::builder().method(method.clone()).uri(path);
        request.body(Full::new(body)).map_err(|error| {
            let told = format!("{method} {path:?} over {} to {}", self.version, self.door);
            ClientError::new(told.into(), ClientFailure::Request(error))
        })
    }

    fn answered<B>(
        &self,
        here: &'static Location<'static>,
        request: Result<Request<B>, ClientError>,
    ) -> impl Future<Output = Reply> + Send + use<B>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let sent = request.map(|request| self.try_send(request));
        async move {
            let answered = match sent {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            answered.unwrap_or_else(|error| fail(here, &error.to_string()))
        }
    }

    /// Sends a request over the connection there is, or a new one.
    async fn exchange(
        &self,
        request: Request<BoxBody>,
    ) -> Result<Response<Incoming>, ClientFailure> {
        let request = self.version.prepare(request, &self.door)?;
        let answer = {
            let mut held = self.connection.lock().await;
            let mut living = held.take();
            if let Some(connection) = &mut living
                && !connection.is_ready().await
            {
                living = None;
            }
            let mut connection = match living {
                Some(connection) => connection,
                None => {
                    let connection = Connection::open(&self.door, self.version).await?;
                    self.connections.fetch_add(1, Ordering::SeqCst);
                    connection
                }
            };
            let answer = connection.send(request);
            *held = Some(connection);
            answer
        };
        answer.await.map_err(ClientFailure::Http)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("door", &self.door)
            .field("version", &self.version)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Client
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ClientError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        // The connection is made, and its turn waited for, by the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = self.clone();
        let told = self.tells(request.method(), request.uri());
        let request = boxed(request);
        Box::pin(async move {
            let answer = client.exchange(request).await;
            answer.map_err(|failure| ClientError::new(told, failure))
        })
    }
}

fn boxed<B>(request: Request<B>) -> Request<BoxBody>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    request.map(|body| {
        let bytes = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        let body = body.map_frame(move |frame| frame.map_data(bytes));
        body.map_err(Into::into).boxed_unsync()
    })
}
