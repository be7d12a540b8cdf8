//! Health over gRPC: the three methods of `grpc.health.v1.Health` (floor 2).
//!
//! **Invariant:** what is unknown is told apart from what is down: `Check` answers NOT_FOUND, `Watch`
//! SERVICE_UNKNOWN, as the protocol wants it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tonic::body::Body as TonicBody;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::Health;
use super::messages::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse, Status,
};
use super::watch::Answers;
use crate::transport::service::BoxError;
use crate::transport::shutdown_signal::ShutdownSignal;

/// A method of the health service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum HealthMethod {
    Check,
    List,
    Watch,
    /// One that this version does not have.
    Unknown,
}

/// The name of a service, and room for nothing else.
const LONGEST_REQUEST: usize = 4 * 1024;

/// How many components `List` may name: as many as the protocol's text allows before it has to
/// refuse.
const LONGEST_LIST: usize = 100;

impl HealthMethod {
    /// The method that is asked for; `None` if it is of another service.
    pub(in crate::transport) fn of(path: &str) -> Option<Self> {
        Some(match path.strip_prefix("/grpc.health.v1.Health/")? {
            "Check" => Self::Check,
            "List" => Self::List,
            "Watch" => Self::Watch,
            _ => Self::Unknown,
        })
    }

    /// Answers.
    pub(in crate::transport) async fn answer<B>(
        self,
        health: Health,
        signal: ShutdownSignal,
        request: Request<B>,
    ) -> Response<TonicBody>
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError> + Send,
    {
        match self {
            Self::Check => grpc().unary(Check(health), request).await,
            Self::List => grpc().unary(List(health), request).await,
            Self::Watch => {
                grpc()
                    .server_streaming(Watch(health, signal), request)
                    .await
            }
            Self::Unknown => tonic::Status::unimplemented("").into_http(),
        }
    }
}

fn grpc<Answer, Question>() -> Grpc<ProstCodec<Answer, Question>>
where
    Answer: prost::Message + Send + 'static,
    Question: prost::Message + Default + Send + 'static,
{
    Grpc::new(ProstCodec::default()).max_decoding_message_size(LONGEST_REQUEST)
}

/// A call that is being answered.
type Calling<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, tonic::Status>> + Send>>;

struct Check(Health);

impl Service<tonic::Request<HealthCheckRequest>> for Check {
    type Response = tonic::Response<HealthCheckResponse>;
    type Error = tonic::Status;
    type Future = Calling<HealthCheckResponse>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tonic::Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<HealthCheckRequest>) -> Self::Future {
        let health = self.0.clone();
        let component = request.into_inner().service;
        Box::pin(async move {
            match health.answer(&component).await {
                Status::ServiceUnknown => Err(tonic::Status::not_found("unknown service")),
                status @ (Status::Unknown | Status::Serving | Status::NotServing) => {
                    Ok(tonic::Response::new(status.into()))
                }
            }
        })
    }
}

struct List(Health);

impl Service<tonic::Request<HealthListRequest>> for List {
    type Response = tonic::Response<HealthListResponse>;
    type Error = tonic::Status;
    type Future = Calling<HealthListResponse>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tonic::Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: tonic::Request<HealthListRequest>) -> Self::Future {
        let health = self.0.clone();
        Box::pin(async move {
            let overall = health.assess().await;
            let components = health.components();
            if components.len() > LONGEST_LIST {
                let reason = "more than 100 services are known";
                return Err(tonic::Status::resource_exhausted(reason));
            }
            let statuses = components
                .into_iter()
                .map(|(name, status)| (name.to_string(), Status::from(status).into()))
                .chain([(String::new(), Status::from(overall).into())])
                .collect();
            Ok(tonic::Response::new(HealthListResponse { statuses }))
        })
    }
}

struct Watch(Health, ShutdownSignal);

impl Service<tonic::Request<HealthCheckRequest>> for Watch {
    type Response = tonic::Response<Answers>;
    type Error = tonic::Status;
    type Future = std::future::Ready<Result<tonic::Response<Answers>, tonic::Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tonic::Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<HealthCheckRequest>) -> Self::Future {
        let component = request.into_inner().service;
        let answers = Answers::new(self.0.clone(), self.1.clone(), component);
        std::future::ready(Ok(tonic::Response::new(answers)))
    }
}

impl Health {
    /// What a question for this component is answered with; the empty name asks for the server.
    pub(super) async fn answer(&self, component: &str) -> Status {
        if component.is_empty() {
            return self.assess().await.into();
        }
        self.status_of(component)
            .map_or(Status::ServiceUnknown, Status::from)
    }
}
