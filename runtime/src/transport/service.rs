//! The application: any tower service, erased once per connection, and what becomes of its answers
//! (floor 2).
//!
//! **Invariant:** per request there is no box and no virtual call of ours.
//! **Invariant:** what goes wrong inside the application is logged, never sent.

use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::UPGRADE;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::account::Account;
use super::answer_head::{announce, prepare, tunnel_of};
use super::body::{AnswerBody, Held, Hold, cancelled, refused};
use super::conversation::{Conversation, Http1, Http2, Streams};
use super::flag;
use super::in_flight::Exchange;
use super::infrastructure::{self, Infrastructure, InfrastructureBody};
use super::io::ConnectionIo;
use super::limits::Limits;
use super::own_answer::{Reason, Tongue};
use super::seen::Seen;
use super::stalled;
use super::tunnel;
use crate::os::log;

/// The body of a request, as hyper reads it.
pub type Incoming = hyper::body::Incoming;

/// Any error, boxed, as tower has it.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

pub(crate) mod sealed {
    use super::{
        Arc, Body, BoxError, Incoming, Request, Response, ServeConnection, Service, Typed,
    };

    /// Forgets the application's type.
    #[expect(
        unnameable_types,
        reason = "it seals `Application`: whoever could name it could implement it"
    )]
    pub trait Erase {
        #[doc(hidden)]
        fn erase(self) -> Erased;
    }

    /// An application whose type is forgotten.
    #[expect(
        unnameable_types,
        reason = "it appears in the sealed trait alone, which nobody outside calls"
    )]
    #[derive(Clone)]
    pub struct Erased(pub(crate) Arc<dyn ServeConnection>);

    impl std::fmt::Debug for Erased {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Erased").finish_non_exhaustive()
        }
    }

    impl<S, B> Erase for S
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        fn erase(self) -> Erased {
            Erased(Arc::new(Typed(Arc::new(self))))
        }
    }
}

/// Serves connections, whatever the application's type is.
#[expect(
    private_interfaces,
    reason = "erased applications are handed about on the floor above, and used on this one"
)]
pub(crate) trait ServeConnection: Send + Sync {
    /// Begins to speak HTTP/1.
    fn http1(&self, io: ConnectionIo, parts: &Parts<'_>) -> Pin<Box<dyn Conversation>>;
    /// Begins to speak HTTP/2.
    fn http2(&self, io: ConnectionIo, parts: &Parts<'_>) -> Pin<Box<dyn Conversation>>;
}

/// What a conversation is made of, beside its bytes.
pub(crate) struct Parts<'a> {
    pub(super) account: &'a Arc<Account>,
    pub(super) seen: &'a Arc<Seen>,
    pub(super) limits: &'a Limits,
    pub(super) streams: &'a Streams,
    pub(super) infrastructure: Option<&'a Arc<Infrastructure>>,
}

/// Shared with every connection, so that the application is cloned for requests alone.
pub(super) struct Typed<S>(Arc<S>);

impl<S, B> ServeConnection for Typed<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn http1(&self, io: ConnectionIo, parts: &Parts<'_>) -> Pin<Box<dyn Conversation>> {
        Box::pin(Http1::new(
            io,
            Site::new(&self.0, parts, true),
            parts.limits,
        ))
    }

    fn http2(&self, io: ConnectionIo, parts: &Parts<'_>) -> Pin<Box<dyn Conversation>> {
        let site = Site::new(&self.0, parts, false);
        Box::pin(Http2::new(io, site, parts.limits, parts.streams.clone()))
    }
}

/// The application as one connection serves it.
pub(super) struct Site<S> {
    service: Arc<S>,
    account: Arc<Account>,
    seen: Arc<Seen>,
    infrastructure: Option<Arc<Infrastructure>>,
    http1: bool,
}

impl<S> Site<S> {
    fn new(service: &Arc<S>, parts: &Parts<'_>, http1: bool) -> Self {
        Self {
            service: Arc::clone(service),
            account: Arc::clone(parts.account),
            seen: Arc::clone(parts.seen),
            infrastructure: parts.infrastructure.cloned(),
            http1,
        }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Site<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = BoxError;
    type Future = Answering<S, S::Future>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if self.account.has(flag::REFUSING) {
            self.account.refused(1);
            return Answering::beyond();
        }
        let exchange = Exchange::begin(&self.account, request.method());
        // Whoever speaks gRPC does so by POST; nobody else is asked for more.
        let tongue = if exchange.is_post() {
            Tongue::of(request.headers())
        } else {
            Tongue::Http
        };
        let hold = if self.http1 {
            self.seen
                .request_begins(!Body::is_end_stream(request.body()));
            Hold::Sole(exchange)
        } else {
            Hold::Shared(Arc::new(exchange))
        };
        Answering {
            step: self.step(&hold, request),
            tongue,
            hold: Held::new(hold),
        }
    }
}

impl<S: Clone> Site<S> {
    /// Who answers this request: infrastructure, in every phase; else the application, or we in its
    /// stead.
    // As a call of its own it would have what it gives copied once more, for each request.
    #[inline(always)]
    fn step<F>(&self, hold: &Hold, request: Request<Incoming>) -> Step<S, F> {
        if let Some(infrastructure) = &self.infrastructure
            && let Some(endpoint) = infrastructure.endpoint(&request)
        {
            let mut future = infrastructure.answer(endpoint, request);
            if !hold.is_http1() {
                hold.exchange().serves_infrastructure();
                future = infrastructure::marked(future, stalled::expect_infrastructure());
            }
            return Step::Infrastructure { future };
        }
        if let Some(reason) = self.refusal(&request) {
            return Step::Refused { reason };
        }
        // The application's own code, outside of the future that it makes.
        match catch_unwind(AssertUnwindSafe(|| S::clone(&self.service))) {
            Ok(service) => Step::Beginning {
                service,
                request: Some(request),
            },
            Err(_) => {
                log::error!(target: "lamplighter::transport", error = %ClonePanicked, "request failed");
                Step::Refused {
                    reason: Reason::Failed,
                }
            }
        }
    }
}

impl<S> Site<S> {
    /// Why this request is not for the application; `None` if it is.
    #[inline]
    fn refusal<B>(&self, request: &Request<B>) -> Option<Reason> {
        if !self.account.has(flag::SERVING) {
            Some(Reason::NotReady)
        } else if self.account.has(flag::DRAINING)
            && (self.account.has(flag::REJECTING) || asks_for_upgrade(request))
        {
            Some(Reason::Draining)
        } else {
            None
        }
    }
}

fn asks_for_upgrade<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE)
}

pin_project! {
    /// A request on its way to its answer.
    pub(super) struct Answering<S, F> {
        #[pin]
        step: Step<S, F>,
        tongue: Tongue,
        // Dropped after the application's future, which may take its time.
        hold: Held,
    }
}

pin_project! {
    #[project = StepProj]
    enum Step<S, F> {
        Beginning { service: S, request: Option<Request<Incoming>> },
        Calling { #[pin] future: F },
        Infrastructure { future: infrastructure::Answer },
        Refused { reason: Reason },
        /// Beyond the end of an HTTP/2 connection: not begun, and not counted so.
        Beyond,
    }
}

impl<S, F> Answering<S, F> {
    /// The answer to a stream that is not begun any more.
    #[cold]
    const fn beyond() -> Self {
        Self {
            step: Step::Beyond,
            tongue: Tongue::Http,
            hold: Held::none(),
        }
    }
}

impl<S, B> Future for Answering<S, S::Future>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<AnswerBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.step.as_mut().project() {
            StepProj::Refused { reason } => {
                if let Some(hold) = this.hold.take() {
                    let mut answer = reason.answer(*this.tongue, hold);
                    announce(&mut answer);
                    return Poll::Ready(Ok(answer));
                }
            }
            StepProj::Beyond => return Poll::Ready(Err(refused())),
            StepProj::Beginning { .. }
            | StepProj::Calling { .. }
            | StepProj::Infrastructure { .. } => {}
        }
        if is_cut(this.hold) {
            return Poll::Ready(Err(cancelled()));
        }
        let polled = catch_unwind(AssertUnwindSafe(|| poll_application(this.step, cx)));
        let answered = match polled {
            Ok(Poll::Pending) => {
                if let Some(hold) = this.hold.get() {
                    hold.exchange().waits(cx);
                }
                // Who begins to wait while everything is cut hears it here.
                return if is_cut(this.hold) {
                    Poll::Ready(Err(cancelled()))
                } else {
                    Poll::Pending
                };
            }
            Ok(Poll::Ready(answered)) => answered.map_err(Into::into),
            Err(_) => Err(HandlerPanicked.into()),
        };
        let Some(hold) = this.hold.take() else {
            return Poll::Ready(Err(cancelled()));
        };
        let mut answer = match answered {
            Ok(Answer::Infrastructure(answer)) => {
                let (head, body) = answer.into_parts();
                let no_content = prepare(&hold, head.status);
                Response::from_parts(head, AnswerBody::infrastructure(body, hold, no_content))
            }
            Ok(Answer::Application(answer)) => {
                let (head, body) = answer.into_parts();
                let no_content = prepare(&hold, head.status);
                let tunnel = tunnel_of(&hold, head.status);
                let body = AnswerBody::application(body, hold, no_content);
                if let Some(exchange) = tunnel {
                    tunnel::opens(&exchange);
                }
                Response::from_parts(head, body)
            }
            Err(error) => {
                log::error!(target: "lamplighter::transport", error = %error, "request failed");
                Reason::Failed.answer(*this.tongue, hold)
            }
        };
        announce(&mut answer);
        Poll::Ready(Ok(answer))
    }
}

/// An answer, and whose it is.
enum Answer<B> {
    Application(Response<B>),
    Infrastructure(Response<InfrastructureBody>),
}

#[derive(Debug, thiserror::Error)]
#[error("the handler panicked")]
struct HandlerPanicked;

#[derive(Debug, thiserror::Error)]
#[error("the application panicked as it was cloned for a request")]
struct ClonePanicked;

/// On HTTP/2 a request that is cut says so by itself; on HTTP/1 its connection is cut.
fn is_cut(held: &Held) -> bool {
    held.get()
        .is_some_and(|hold| !hold.is_http1() && hold.exchange().account().has(flag::FORCED))
}

#[inline]
fn poll_application<S, B>(
    mut step: Pin<&mut Step<S, S::Future>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Answer<B>, S::Error>>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    loop {
        let future = match step.as_mut().project() {
            StepProj::Beginning { service, request } => {
                ready!(service.poll_ready(cx))?;
                match request.take() {
                    Some(request) => service.call(request),
                    None => return Poll::Pending,
                }
            }
            StepProj::Calling { future } => {
                return future.poll(cx).map_ok(Answer::Application);
            }
            StepProj::Infrastructure { future } => {
                let answer = ready!(future.as_mut().poll(cx));
                return Poll::Ready(Ok(Answer::Infrastructure(answer)));
            }
            StepProj::Refused { .. } | StepProj::Beyond => return Poll::Pending,
        };
        step.set(Step::Calling { future });
    }
}
