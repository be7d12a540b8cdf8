//! The application: any tower service, erased once per connection, and what becomes of its answers
//! (floor 2).
//!
//! **Invariant:** per request there is no box and no virtual call of ours.
//! **Invariant:** what goes wrong inside the application is logged, never sent.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use http::{Method, Request, Response, Version};
use http_body::Body;
use tower_service::Service;

use super::account::Account;
use super::body::{AnswerBody, Held, Hold};
use super::conversation::{Conversation, Http1, Http2, Streams};
use super::deadline;
use super::flag;
use super::host;
use super::in_flight::Exchange;
use super::infrastructure::{self, Infrastructure};
use super::io::ConnectionIo;
use super::limits::Limits;
use super::own_answer::{Reason, Tongue};
use super::stalled;
use super::upgrade;
use crate::os::tasks::panic_message;

mod answering;

use answering::{Answering, Step};

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
    fn http2(
        &self,
        io: ConnectionIo,
        parts: &Parts<'_>,
        streams: Streams,
    ) -> Pin<Box<dyn Conversation>>;
}

/// What a conversation is made of, beside its bytes.
pub(crate) struct Parts<'a> {
    pub(super) account: &'a Arc<Account>,
    pub(super) limits: &'a Limits,
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

    fn http2(
        &self,
        io: ConnectionIo,
        parts: &Parts<'_>,
        streams: Streams,
    ) -> Pin<Box<dyn Conversation>> {
        let site = Site::new(&self.0, parts, false);
        Box::pin(Http2::new(io, site, parts.limits, streams))
    }
}

/// The application as one connection serves it.
pub(super) struct Site<S> {
    service: Arc<S>,
    account: Arc<Account>,
    infrastructure: Option<Arc<Infrastructure>>,
    http1: bool,
}

impl<S> Site<S> {
    fn new(service: &Arc<S>, parts: &Parts<'_>, http1: bool) -> Self {
        Self {
            service: Arc::clone(service),
            account: Arc::clone(parts.account),
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
    type Future = Answering<S, S::Future, B>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if self.account.has(flag::REFUSING) {
            self.account.refused(1);
            return Answering::beyond();
        }
        let exchange = Exchange::begin(&self.account, request.method());
        // Whoever speaks gRPC does so by POST; nobody else is asked for more.
        let tongue = if exchange.is_post() {
            Tongue::of(request.version(), request.headers())
        } else {
            Tongue::Http
        };
        let alarm = if tongue == Tongue::Http {
            None
        } else {
            deadline::of(request.headers())
        };
        let hold = if self.http1 {
            if request.version() == Version::HTTP_10 {
                self.account.raise(flag::HTTP_1_0);
            }
            let body = request.body();
            let has_body = !Body::is_end_stream(body);
            self.account.seen.request_begins(has_body);
            let len = if has_body {
                body.size_hint().exact()
            } else {
                Some(0)
            };
            self.account.upload.begins(len);
            Hold::Sole(exchange)
        } else {
            // Asked whether it is at its end, h2 would take its lock.
            let has_body = request.body().size_hint().exact() != Some(0);
            let upload = has_body && request.method() != Method::CONNECT;
            Hold::Shared(Arc::new(exchange.with_upload(upload)))
        };
        Answering {
            step: self.step(&hold, request),
            tongue,
            alarm,
            hold: Held::new(hold),
        }
    }
}

impl<S: Clone> Site<S> {
    /// Who answers this request: infrastructure, in every phase; else the application, or we in its
    /// stead.
    // As a call of its own it would have what it gives copied once more, for each request.
    #[inline(always)]
    fn step<F, B>(&self, hold: &Hold, request: Request<Incoming>) -> Step<S, F, B> {
        if self.http1 && host::is_missing_or_ambiguous(&request) {
            let reason = Reason::NoHost;
            return Step::Refused { reason };
        }
        if let Some(infrastructure) = &self.infrastructure
            && let Some(endpoint) = infrastructure.endpoint(&request)
        {
            let stream = hold.stream();
            let endless = endpoint.is_endless();
            let mut future = infrastructure.answer(endpoint, request, stream);
            if stream.is_some() && endless {
                future = infrastructure::marked(future, stalled::expect_endless());
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
            Err(payload) => {
                let message = panic_message(payload.as_ref());
                hold.exchange().fails(&ClonePanicked(message));
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
            && (self.account.has(flag::REJECTING) || upgrade::is_asked_for(request))
        {
            Some(Reason::Draining)
        } else {
            None
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the application panicked as it was cloned for a request: {0}")]
struct ClonePanicked(String);
