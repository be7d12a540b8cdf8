//! One connection speaking HTTP/1 or HTTP/2, as its task drives it (floor 2).
//!
//! **Invariant:** hyper is the only one who parses and writes HTTP; nothing here does.
//! **Invariant:** hyper's HTTP/1 is never asked to shut down gracefully: it looks only at its parser,
//! and would drop a request that waits in the kernel.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tower_service::Service;

use super::account::Account;
use super::io::ConnectionIo;
use super::limits::Limits;
use super::scope::{self, ServerScope};
use super::service::{BoxError, Incoming, Site};
use super::spawning::{self, Purpose};
use super::{stalled, tunnel};
use crate::os::log::Home;
use crate::os::tasks::Tasks;

/// A connection that speaks HTTP.
pub(crate) trait Conversation: Send {
    /// Drives it; ready when hyper is done with the connection.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>>;

    /// Sends GOAWAY on HTTP/2; nothing on HTTP/1, whose answers announce the close.
    fn graceful_close(self: Pin<&mut Self>);

    /// Takes out what was read, and no request was made of; empty if nothing was but line breaks. To
    /// be asked after the end, once.
    fn left_over(self: Pin<&mut Self>) -> Bytes;
}

/// HTTP/1.
pub(super) struct Http1<S>
where
    Site<S>: hyper::service::HttpService<Incoming>,
{
    connection: Option<http1::UpgradeableConnection<TokioIo<ConnectionIo>, Site<S>>>,
}

impl<S, B> Http1<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    pub(super) fn new(io: ConnectionIo, site: Site<S>, limits: &Limits) -> Self {
        let connection = http1::Builder::new()
            // A client may end its side after its request and still wants the answer.
            .half_close(true)
            // The connection's own machine times heads, without a timer per request.
            .header_read_timeout(None)
            .max_header_size(limits.header_bytes())
            .auto_date_header(limits.has_date_header())
            .serve_connection(TokioIo::new(io), site)
            .with_upgrades();
        Self {
            connection: Some(connection),
        }
    }
}

impl<S, B> Conversation for Http1<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        match &mut self.connection {
            Some(connection) => Future::poll(Pin::new(connection), cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn graceful_close(self: Pin<&mut Self>) {}

    fn left_over(mut self: Pin<&mut Self>) -> Bytes {
        self.connection
            .take()
            .and_then(http1::UpgradeableConnection::into_parts)
            .map(|parts| parts.read_buf)
            .filter(|bytes| bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')))
            .unwrap_or_default()
    }
}

/// Whether hyper was done with a connection after it had written all that it was given.
///
/// A peer may say with GOAWAY what it has against us (RFC 9113, 6.8), and stay for what it asked for:
/// h2 serves that, ends in order, and only then hands on what the peer said.
pub(super) fn ends_in_order(result: &hyper::Result<()>) -> bool {
    let Err(error) = result else {
        return true;
    };
    error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(|error| error.is_go_away() && error.is_remote())
}

pin_project_lite::pin_project! {
    /// HTTP/2.
    pub(super) struct Http2<S>
    where
        Site<S>: hyper::service::HttpService<Incoming>,
    {
        #[pin]
        connection: http2::Connection<TokioIo<ConnectionIo>, Site<S>, Streams>,
    }
}

impl<S, B> Http2<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    pub(super) fn new(io: ConnectionIo, site: Site<S>, limits: &Limits, streams: Streams) -> Self {
        let list_size = u32::try_from(limits.header_bytes()).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(streams)
            .max_concurrent_streams(limits.streams())
            .max_header_list_size(list_size)
            .auto_date_header(limits.has_date_header())
            // WebSocket over HTTP/2 (RFC 8441).
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(io), site);
        Self { connection }
    }
}

impl<S, B> Conversation for Http2<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.project().connection.poll(cx)
    }

    fn graceful_close(self: Pin<&mut Self>) {
        self.project().connection.graceful_shutdown();
    }

    fn left_over(self: Pin<&mut Self>) -> Bytes {
        Bytes::new()
    }
}

/// Runs the streams of one HTTP/2 connection, each as a task of its own inside the connection's
/// scope.
#[derive(Clone)]
pub(crate) struct Streams(Arc<Spawner>);

struct Spawner {
    runtime: Handle,
    home: Home,
    scope: ServerScope,
    account: Arc<Account>,
}

impl Streams {
    pub(super) fn new(tasks: &Tasks, scope: ServerScope, account: Arc<Account>) -> Self {
        Self(Arc::new(Spawner {
            runtime: tasks.runtime().clone(),
            home: tasks.home().clone(),
            scope,
            account,
        }))
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "a stream is counted by its connection, which ends it; a list of all of them would \
                  be touched by every request of every connection"
    )]
    fn execute(&self, stream: F) {
        let Spawner {
            runtime,
            home,
            scope,
            account,
        } = &*self.0;
        let home = home.clone();
        let stall = match spawning::take() {
            None => None,
            Some(Purpose::Endless(stall)) => Some(stall),
            Some(Purpose::Tunnel(exchange)) => {
                runtime.spawn(home.hold(tunnel::carry(exchange, stream)));
                return;
            }
        };
        let stream = stalled::until_over(Arc::clone(account), stall, stream);
        runtime.spawn(home.hold(scope::scope(scope.clone(), stream)));
    }
}
