//! The gRPC half of the application: a unary and a server-streaming method, by hand.
//!
//! **Invariant:** the same handlers as over plain HTTP; only the words are gRPC's.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::{NamedService, ServerStreamingService, UnaryService};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::Stage;
use super::body::ScriptBody;
use super::handler::{Asked, Script};
use crate::scenario::RequestId;

/// The path of the unary method: a [`Chunk`] for a [`Chunk`].
pub const CALL: &str = "/sim.v1.Sim/Call";
/// The path of the server-streaming method: [`Chunk`]s for a [`Chunk`].
pub const STREAM: &str = "/sim.v1.Sim/Stream";

/// The message of both methods, both ways. Which request it is says the header
/// [`RequestId::HEADER`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Chunk {
    /// Any bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
}

/// The routes of the gRPC half.
pub(super) fn routes(stage: Stage) -> Routes {
    Routes::new(Sim(stage))
}

#[derive(Clone)]
struct Sim(Stage);

impl NamedService for Sim {
    const NAME: &'static str = "sim.v1.Sim";
}

impl Service<http::Request<Body>> for Sim {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let sim = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Chunk, Chunk>::default());
            Ok(match request.uri().path() {
                CALL => grpc.unary(sim, request).await,
                STREAM => grpc.server_streaming(sim, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

impl Sim {
    fn script(&self, metadata: &MetadataMap) -> Result<Script, Status> {
        let id = metadata.get(RequestId::HEADER);
        let id = id.and_then(|id| id.to_str().ok()).and_then(RequestId::read);
        let id = id.ok_or_else(|| Status::invalid_argument("which request?"))?;
        let does = self.0.scenario.request(id);
        let does = does.ok_or_else(|| Status::not_found("no such request"))?;
        Ok(Script::begin(self.0.clone(), id, does))
    }
}

type Answered<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

impl UnaryService<Chunk> for Sim {
    type Response = Chunk;
    type Future = Answered<Chunk>;

    fn call(&mut self, request: Request<Chunk>) -> Self::Future {
        let script = self.script(request.metadata());
        Box::pin(async move {
            let script = script?;
            let bytes = script.does.receive_bytes as usize;
            // Its pieces are taken at once: a unary answer is one message.
            let body = script.run(Asked::Message).await;
            let data = Pieces(body).all(bytes).await;
            Ok(Response::new(Chunk { data }))
        })
    }
}

impl ServerStreamingService<Chunk> for Sim {
    type Response = Chunk;
    type ResponseStream = Pieces;
    type Future = Answered<Pieces>;

    fn call(&mut self, request: Request<Chunk>) -> Self::Future {
        let script = self.script(request.metadata());
        Box::pin(async move {
            let body = script?.run(Asked::Message).await;
            Ok(Response::new(Pieces(body)))
        })
    }
}

/// The pieces of an answer's body as messages.
struct Pieces(ScriptBody);

impl Pieces {
    async fn all(mut self, bytes: usize) -> Bytes {
        let mut all = Vec::with_capacity(bytes);
        while let Some(piece) = std::future::poll_fn(|cx| self.0.poll_piece(cx)).await {
            all.extend_from_slice(&piece);
        }
        all.into()
    }
}

impl Stream for Pieces {
    type Item = Result<Chunk, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_piece(cx)
            .map(|piece| piece.map(|data| Ok(Chunk { data })))
    }
}
