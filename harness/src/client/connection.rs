//! One connection of a client, of either version of HTTP, and what its requests look like.
//!
//! **Invariant:** it lives as long as somebody may still use it: the client, or an answer on its way.

use std::future::Future;

use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::door::Door;
use super::error::ClientFailure;
use super::{BoxBody, Version};

pub(super) enum Connection {
    Http1(http1::SendRequest<BoxBody>),
    Http2(http2::SendRequest<BoxBody>),
}

impl Connection {
    pub(super) async fn open(door: &Door, version: Version) -> Result<Self, ClientFailure> {
        let io = TokioIo::new(door.open().await.map_err(ClientFailure::Connect)?);
        // What becomes of the connection its requests tell.
        match version {
            Version::Http1 => {
                let (sender, connection) =
                    http1::handshake(io).await.map_err(ClientFailure::Http)?;
                drop(tokio::spawn(connection));
                Ok(Self::Http1(sender))
            }
            Version::Http2 => {
                let shaken = http2::handshake(TokioExecutor::new(), io).await;
                let (sender, connection) = shaken.map_err(ClientFailure::Http)?;
                drop(tokio::spawn(connection));
                Ok(Self::Http2(sender))
            }
        }
    }

    /// Whether another request may be sent on it, once its turn has come.
    pub(super) async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    pub(super) fn send(
        &mut self,
        request: Request<BoxBody>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + Send + use<> {
        let sent = match self {
            Self::Http1(sender) => Sent::Http1(sender.send_request(request)),
            Self::Http2(sender) => Sent::Http2(sender.send_request(request)),
        };
        async move {
            match sent {
                Sent::Http1(answer) => answer.await,
                Sent::Http2(answer) => answer.await,
            }
        }
    }
}

enum Sent<A, B> {
    Http1(A),
    Http2(B),
}

impl Version {
    /// The request as this version has it on the wire.
    pub(super) fn prepare(
        self,
        mut request: Request<BoxBody>,
        door: &Door,
    ) -> Result<Request<BoxBody>, ClientFailure> {
        let uri = request.uri();
        let path = uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let authority = match uri.authority() {
            Some(authority) => authority.to_string(),
            None => door.authority(),
        };
        match self {
            Self::Http1 => {
                if !request.headers().contains_key(HOST) {
                    let host = HeaderValue::try_from(authority);
                    let host = host.map_err(|error| ClientFailure::Request(error.into()))?;
                    request.headers_mut().insert(HOST, host);
                }
                *request.version_mut() = http::Version::HTTP_11;
                *request.uri_mut() = path.into();
            }
            Self::Http2 => {
                let whole = Uri::builder().scheme(Scheme::HTTP).authority(authority);
                let whole = whole.path_and_query(path).build();
                *request.uri_mut() = whole.map_err(ClientFailure::Request)?;
                *request.version_mut() = http::Version::HTTP_2;
            }
        }
        Ok(request)
    }
}
