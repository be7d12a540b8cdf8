//! One request on its way to its answer (floor 2).
//!
//! An HTTP/1 answer whose request has a rest that nobody wants is held for one poll: hyper then reads what
//! is there of the rest, and where that is not all it announces in the answer's head that the connection
//! ends, as RFC 9112, 9.6, asks. Once the head is written it ends the connection without a word, and a
//! client that takes it for open loses the next request. Who keeps the body to read it after the answer,
//! and gives up on it then, does that to its clients all the same: nobody can know in time.
//!
//! **Invariant:** an answer that is held makes hyper poll again, and its request is let go of before.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{BoxError, Incoming};
use crate::os::clock::Alarm;
use crate::os::tasks::panic_message;
use crate::transport::answer_head::{announce, prepare, tunnel_of, upgrades};
use crate::transport::body::{AnswerBody, Held, Hold, cancelled, refused};
use crate::transport::flag;
use crate::transport::infrastructure::{self, InfrastructureBody};
use crate::transport::own_answer::{Reason, Tongue};
use crate::transport::parting;
use crate::transport::route;
use crate::transport::tunnel;

pin_project! {
    /// A request on its way to its answer.
    pub(in crate::transport) struct Answering<S, F, B> {
        #[pin]
        pub(super) step: Step<S, F, B>,
        pub(super) tongue: Tongue,
        // When the call has no time left; of gRPC alone.
        pub(super) alarm: Option<Alarm>,
        // Dropped after the application's future, which may take its time.
        pub(super) hold: Held,
    }
}

pin_project! {
    #[project = StepProj]
    pub(super) enum Step<S, F, B> {
        Beginning { service: S, request: Option<Request<Incoming>> },
        Calling { #[pin] future: F },
        Infrastructure { future: infrastructure::Answer },
        /// HTTP/1: made, and held until hyper has seen that nobody wants the rest of the request. Seldom,
        /// so that it has a place of its own.
        Answered { answer: Option<Box<Result<Answer<B>, BoxError>>> },
        Refused { reason: Reason },
        /// Beyond the end of an HTTP/2 connection: not begun, and not counted so.
        Beyond,
    }
}

impl<S, F, B> Answering<S, F, B> {
    /// The answer to a stream that is not begun any more.
    #[cold]
    pub(super) const fn beyond() -> Self {
        Self {
            step: Step::Beyond,
            tongue: Tongue::Http,
            alarm: None,
            hold: Held::none(),
        }
    }
}

impl<S, B> Future for Answering<S, S::Future, B>
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
                    begins(&hold);
                    let mut answer = reason.answer(*this.tongue, hold);
                    announce(&mut answer);
                    return Poll::Ready(Ok(answer));
                }
            }
            StepProj::Beyond => return Poll::Ready(Err(refused())),
            StepProj::Answered { answer } => {
                let answer = answer.take().map(|answer| *answer);
                return Poll::Ready(answer.map_or_else(
                    || Err(cancelled()),
                    |answer| {
                        this.hold.take().map_or_else(
                            || Err(cancelled()),
                            |hold| Ok(finish(answer, *this.tongue, hold)),
                        )
                    },
                ));
            }
            StepProj::Beginning { .. }
            | StepProj::Calling { .. }
            | StepProj::Infrastructure { .. } => {}
        }
        if is_cut(this.hold) {
            return Poll::Ready(Err(cancelled()));
        }
        let number = this.hold.get().map_or(0, |hold| hold.exchange().number());
        let polled = route::polling(number, || {
            catch_unwind(AssertUnwindSafe(|| {
                poll_application(this.step.as_mut(), cx)
            }))
        });
        let answered = match polled {
            Ok(Poll::Pending) => {
                if let Some(hold) = this.hold.get() {
                    hold.exchange().waits(cx);
                }
                // Who begins to wait while everything is cut hears it here.
                if is_cut(this.hold) {
                    return Poll::Ready(Err(cancelled()));
                }
                if let Some(alarm) = this.alarm
                    && alarm.as_mut().poll(cx).is_ready()
                {
                    // What the call holds is let go of here, and may panic in that. Answered in the
                    // next poll, so that hyper has seen what became of the request.
                    let late = Step::Refused {
                        reason: Reason::Late,
                    };
                    drop(catch_unwind(AssertUnwindSafe(|| this.step.set(late))));
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            Ok(Poll::Ready(answered)) => answered.map_err(Into::into),
            Err(payload) => Err(HandlerPanicked(panic_message(payload.as_ref())).into()),
        };
        if may_end_unannounced(this.hold, &answered) {
            // The request is let go of here. hyper sees that when it polls next, before it writes the
            // head: reads what is there of the rest, or announces that the connection ends.
            let answer = Some(Box::new(answered));
            this.step.set(Step::Answered { answer });
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(hold) = this.hold.take() else {
            return Poll::Ready(Err(cancelled()));
        };
        if parting::is_due(hold.exchange()) {
            // What the call holds is not to stay with its stream.
            let gone = Step::Beyond;
            drop(catch_unwind(AssertUnwindSafe(|| this.step.set(gone))));
        }
        Poll::Ready(Ok(finish(answered, *this.tongue, hold)))
    }
}

/// Whether hyper might end the connection after this answer without having said so in its head: some of
/// the request's body may still be to come, and nobody has announced the close. What takes the connection
/// away from HTTP ends nothing.
#[inline]
fn may_end_unannounced<B>(held: &Held, answered: &Result<Answer<B>, BoxError>) -> bool {
    held.get().is_some_and(|hold| {
        let account = hold.exchange().account();
        hold.is_http1()
            && account.upload.has_rest()
            && !account.has(flag::CLOSING)
            && !matches!(answered, Ok(Answer::Application(answer)) if upgrades(hold, answer.status()))
    })
}

/// The answer as it leaves, from what the application made of its request.
#[inline]
fn finish<B>(
    answered: Result<Answer<B>, BoxError>,
    tongue: Tongue,
    hold: Hold,
) -> Response<AnswerBody<B>>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    begins(&hold);
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
            let exchange = hold.exchange();
            exchange.fails(&*error);
            Reason::Failed.answer(tongue, hold)
        }
    };
    announce(&mut answer);
    answer
}

/// From here on hyper has an answer to this request.
#[inline]
fn begins(hold: &Hold) {
    if hold.is_http1() {
        hold.exchange().account().seen.answer_begins();
    }
}

/// An answer, and whose it is.
pub(super) enum Answer<B> {
    Application(Response<B>),
    Infrastructure(Response<InfrastructureBody>),
}

#[derive(Debug, thiserror::Error)]
#[error("the handler panicked: {0}")]
struct HandlerPanicked(String);

/// On HTTP/2 a request that is cut says so by itself; on HTTP/1 its connection is cut.
fn is_cut(held: &Held) -> bool {
    held.get()
        .is_some_and(|hold| !hold.is_http1() && hold.exchange().account().has(flag::FORCED))
}

#[inline]
fn poll_application<S, B>(
    mut step: Pin<&mut Step<S, S::Future, B>>,
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
            StepProj::Answered { .. } | StepProj::Refused { .. } | StepProj::Beyond => {
                return Poll::Pending;
            }
        };
        step.set(Step::Calling { future });
    }
}
