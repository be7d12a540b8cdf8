//! The endpoints that are no part of the application: health and reflection (floor 2).
//!
//! They are asked before the application and its layers get to see a request, answer in every phase,
//! and are refused nothing.
//!
//! **Invariant:** a request of the application pays for the comparison of its path, and for nothing
//! else. **Invariant:** none of these exchanges is counted as work that a drain waits for: each ends by
//! itself, and has the time for it that its connection has to part.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use tower_service::Service;

#[cfg(feature = "grpc")]
use super::health::grpc::HealthMethod;
use super::health::http::Question;
use super::health::{Health, http::HttpHealth};
use super::in_flight::Exchange;
#[cfg(feature = "grpc")]
use super::question::Questions;
#[cfg(feature = "grpc")]
use super::reflection::{Answering, ReflectionMethod};
#[cfg(feature = "grpc")]
use super::route::name_call;
use super::service::sealed::{Erase, Erased};
use super::service::{BoxError, Incoming};
use super::shutdown_signal::ShutdownSignal;
use super::stalled::Stall;

/// The body of an answer of infrastructure.
pub(super) type InfrastructureBody = UnsyncBoxBody<Bytes, BoxError>;

/// An answer that is being made.
pub(super) type Answer = Pin<Box<dyn Future<Output = Response<InfrastructureBody>> + Send>>;

/// The same answer, whose body says whether what it gave was taken.
pub(super) fn marked(answer: Answer, stall: Stall) -> Answer {
    Box::pin(async move {
        let answer = answer.await;
        answer.map(|body| Marked { body, stall }.boxed_unsync())
    })
}

struct Marked {
    body: InfrastructureBody,
    stall: Stall,
}

impl Body for Marked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.stall.polled(frame.is_ready());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a server answers beside its application.
pub(crate) struct Infrastructure {
    pub(super) health: Health,
    pub(super) signal: ShutdownSignal,
    pub(super) http: Option<HttpHealth>,
    #[cfg(feature = "grpc")]
    pub(super) grpc_health: bool,
    #[cfg(feature = "grpc")]
    pub(super) reflection: Option<Answering>,
}

/// Which endpoint a request is for.
pub(super) enum Endpoint {
    Http(Question),
    #[cfg(feature = "grpc")]
    Health(HealthMethod),
    #[cfg(feature = "grpc")]
    Reflection(ReflectionMethod),
    /// One of the two, by a version of HTTP that gRPC does not exist for.
    #[cfg(feature = "grpc")]
    NeedsHttp2,
}

impl Endpoint {
    /// Whether its answer ends with the server, and not before.
    pub(super) const fn is_endless(&self) -> bool {
        #[cfg(feature = "grpc")]
        if matches!(self, Self::Health(HealthMethod::Watch)) {
            return true;
        }
        false
    }

    /// Whether what is asked stands in the body, and may come behind the head.
    const fn has_questions(&self) -> bool {
        match self {
            Self::Http(_) => false,
            #[cfg(feature = "grpc")]
            Self::NeedsHttp2 => false,
            #[cfg(feature = "grpc")]
            Self::Health(_) | Self::Reflection(_) => true,
        }
    }
}

impl Infrastructure {
    /// The same, as the admin listener answers.
    pub(crate) fn for_admin(&self) -> Arc<Self> {
        Arc::new(Self {
            http: self.http.as_ref().map(HttpHealth::for_admin),
            health: self.health.clone(),
            signal: self.signal.clone(),
            #[cfg(feature = "grpc")]
            grpc_health: self.grpc_health,
            #[cfg(feature = "grpc")]
            reflection: self.reflection.clone(),
        })
    }

    /// The endpoint that a request is for; `None` if it is the application's.
    #[inline]
    pub(super) fn endpoint<B>(&self, request: &Request<B>) -> Option<Endpoint> {
        let path = request.uri().path();
        if let Some(http) = &self.http
            && let Some(question) = http.question(path)
        {
            return Some(Endpoint::Http(question));
        }
        #[cfg(feature = "grpc")]
        if path.starts_with("/grpc.") {
            return self.grpc_endpoint(request);
        }
        None
    }

    #[cfg(feature = "grpc")]
    fn grpc_endpoint<B>(&self, request: &Request<B>) -> Option<Endpoint> {
        if !super::grpc::is_grpc(request) {
            return None;
        }
        let path = request.uri().path();
        let endpoint = if self.grpc_health
            && let Some(method) = HealthMethod::of(path)
        {
            Endpoint::Health(method)
        } else {
            let method = ReflectionMethod::of(path)?;
            self.reflection.as_ref()?;
            Endpoint::Reflection(method)
        };
        Some(if super::grpc::needs_http2(request) {
            Endpoint::NeedsHttp2
        } else {
            endpoint
        })
    }

    /// Answers a request, whose stream is told when no drain waits for it any more.
    pub(super) fn answer(
        self: &Arc<Self>,
        endpoint: Endpoint,
        request: Request<Incoming>,
        exchange: Option<&Arc<Exchange>>,
    ) -> Answer {
        if let Some(exchange) = exchange
            && !endpoint.has_questions()
        {
            exchange.serves_infrastructure();
        }
        let this = Arc::clone(self);
        match endpoint {
            Endpoint::Http(question) => Box::pin(async move {
                let Some(http) = &this.http else {
                    return Response::new(InfrastructureBody::default());
                };
                let method = request.method();
                let answer = http.answer(&this.health, question, method).await;
                answer.map(|json| {
                    Full::new(json)
                        .map_err(|never| match never {})
                        .boxed_unsync()
                })
            }),
            #[cfg(feature = "grpc")]
            Endpoint::Health(method) => {
                let request = request.map(|body| this.questions(body, exchange));
                let (health, signal) = (this.health.clone(), this.signal.clone());
                Box::pin(async move {
                    // The text of an unknown one is the client's.
                    if method != HealthMethod::Unknown {
                        name_call(request.uri());
                    }
                    boxed(method.answer(health, signal, request).await)
                })
            }
            #[cfg(feature = "grpc")]
            Endpoint::NeedsHttp2 => Box::pin(ready(boxed(super::grpc::refused_version()))),
            #[cfg(feature = "grpc")]
            Endpoint::Reflection(method) => {
                let request = request.map(|body| this.questions(body, exchange));
                Box::pin(async move {
                    if method != ReflectionMethod::Unknown {
                        name_call(request.uri());
                    }
                    match &this.reflection {
                        Some(services) => boxed(services.answer(method, request).await),
                        None => boxed(tonic::Status::unimplemented("").into_http()),
                    }
                })
            }
        }
    }

    #[cfg(feature = "grpc")]
    fn questions(&self, body: Incoming, exchange: Option<&Arc<Exchange>>) -> Questions<Incoming> {
        Questions::new(body, self.signal.clone(), exchange)
    }
}

#[cfg(feature = "grpc")]
fn boxed(answer: Response<tonic::body::Body>) -> Response<InfrastructureBody> {
    answer.map(|body| body.map_err(Into::into).boxed_unsync())
}

/// An application that has nothing: what a listener serves that is there for infrastructure alone.
pub(crate) fn nothing_else() -> Erased {
    Nothing.erase()
}

#[derive(Clone, Copy)]
struct Nothing;

impl Service<Request<Incoming>> for Nothing {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Empty<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        let mut answer = Response::new(Empty::new());
        *answer.status_mut() = StatusCode::NOT_FOUND;
        ready(Ok(answer))
    }
}
