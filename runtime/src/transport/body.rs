//! The body of an answer, as it leaves: the application's or our own, watched to its last byte
//! (floor 2).
//!
//! **Invariant:** an answer counts as made only when its body has ended or needs none.
//! **Invariant:** bytes that wait in HTTP/2's queues keep their request in flight.

use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::account::Account;
use super::flag;
use super::in_flight::{By, Exchange};
use super::infrastructure::InfrastructureBody;
use super::parting;
use super::service::BoxError;
use super::spawning;
use crate::os::tasks::panic_message;

mod failed;

use failed::{BodyFailed, BodyPanicked, is_of_its_request};

/// A request's hold on its connection's account, for as long as it is in flight.
pub(super) enum Hold {
    /// HTTP/1: hyper drops the body when it has taken over its last byte, and then flushes.
    Sole(Exchange),
    /// HTTP/2: every chunk in h2's queues holds it too.
    Shared(Arc<Exchange>),
}

impl Hold {
    #[inline]
    pub(super) fn exchange(&self) -> &Exchange {
        match self {
            Self::Sole(exchange) => exchange,
            Self::Shared(exchange) => exchange,
        }
    }

    /// HTTP/2: what holds the request.
    pub(super) const fn stream(&self) -> Option<&Arc<Exchange>> {
        match self {
            Self::Sole(_) => None,
            Self::Shared(exchange) => Some(exchange),
        }
    }

    pub(super) const fn is_http1(&self) -> bool {
        matches!(self, Self::Sole(_))
    }

    fn for_chunk(&self) -> Option<Arc<Exchange>> {
        match self {
            Self::Sole(_) => None,
            Self::Shared(exchange) => Some(Arc::clone(exchange)),
        }
    }

    fn release(self) {
        match self {
            Self::Sole(exchange) => exchange.settle(By::Connection),
            Self::Shared(exchange) => Exchange::leave(exchange),
        }
    }
}

/// A [`Hold`] that is released when dropped.
pub(super) struct Held(Option<Hold>);

impl Held {
    pub(super) const fn new(hold: Hold) -> Self {
        Self(Some(hold))
    }

    /// Holds nothing.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) const fn get(&self) -> Option<&Hold> {
        self.0.as_ref()
    }

    pub(super) const fn take(&mut self) -> Option<Hold> {
        self.0.take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(hold) = self.0.take() {
            if hold.exchange().is_tunnel() {
                // hyper is done with its head, and would have spawned it by now.
                drop(spawning::take());
            }
            hold.release();
        }
    }
}

pin_project! {
    /// The body of an answer.
    pub(super) struct AnswerBody<B> {
        #[pin]
        content: Content<B>,
        // Dropped after the application's body, which may take its time.
        hold: Held,
        no_content: bool,
        // How many requests of the connection had broken off when this was polled last.
        broken: u32,
    }
}

pin_project! {
    #[project = ContentProj]
    enum Content<B> {
        Application { #[pin] body: B },
        Infrastructure { body: InfrastructureBody },
        Own { text: Option<Bytes> },
    }
}

impl<B> AnswerBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// The application's body; `no_content` if the answer is one that never has any.
    pub(super) fn application(body: B, hold: Hold, no_content: bool) -> Self {
        let broken = hold.exchange().account().broken.requests();
        let body = Self {
            content: Content::Application { body },
            hold: Held::new(hold),
            no_content,
            broken,
        };
        body.begin()
    }

    /// What an endpoint of our own answers, perhaps for long.
    pub(super) fn infrastructure(body: InfrastructureBody, hold: Hold, no_content: bool) -> Self {
        let body = Self {
            content: Content::Infrastructure { body },
            hold: Held::new(hold),
            no_content,
            broken: 0,
        };
        body.begin()
    }

    /// A text of our own.
    pub(super) fn own(text: &'static str, hold: Hold) -> Self {
        let text = Bytes::from_static(text.as_bytes());
        let body = Self {
            content: Content::Own {
                text: (!text.is_empty()).then_some(text),
            },
            hold: Held::new(hold),
            no_content: false,
            broken: 0,
        };
        body.begin()
    }

    /// The account of an HTTP/1 connection; `None` on HTTP/2.
    pub(super) fn http1_account(&self) -> Option<&Account> {
        let hold = self.hold.get()?;
        hold.is_http1().then(|| &**hold.exchange().account())
    }

    /// On HTTP/1 hyper knows when an answer is complete, and fails the connection if it is not. On
    /// HTTP/2 it is complete when the body says so.
    fn begin(self) -> Self {
        if let Some(hold) = self.hold.get() {
            let exchange = hold.exchange();
            if hold.is_http1() && exchange.account().has(flag::UPGRADING) {
                exchange.upgrade();
            } else if hold.is_http1() || self.is_end_stream() {
                exchange.finish();
                if let Hold::Shared(exchange) = hold
                    && parting::is_due(exchange)
                {
                    // hyper hands the head over, and drops this, in the very poll that it was made in.
                    parting::announce(Arc::clone(exchange));
                }
            }
        }
        self
    }
}

/// Lets go of a body that has given its last frame, where its stream may stay for longer than its answer
/// takes (`parting`). It may panic in that.
#[cold]
fn leave<B>(mut content: Pin<&mut Content<B>>, held: &mut Held) {
    let gone = Content::Own { text: None };
    drop(catch_unwind(AssertUnwindSafe(|| content.set(gone))));
    if let Some(Hold::Shared(exchange)) = held.take() {
        parting::announce(exchange);
    }
}

impl<B> Body for AnswerBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Chunk<B::Data>;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(hold) = this.hold.get() else {
            return Poll::Ready(None);
        };
        let exchange = hold.exchange();
        if exchange.account().has(flag::FORCED) {
            return Poll::Ready(Some(Err(cancelled())));
        }
        let polled = match this.content.as_mut().project() {
            ContentProj::Own { text } => {
                exchange.finish();
                let frame = text.take().map(|text| {
                    Ok(Frame::data(Chunk {
                        data: Data::Own(text),
                        hold: hold.for_chunk(),
                    }))
                });
                if parting::is_due(exchange) {
                    leave(this.content, this.hold);
                }
                return Poll::Ready(frame);
            }
            ContentProj::Application { body } => polled(body, cx, Data::Application),
            ContentProj::Infrastructure { body } => polled(Pin::new(body), cx, Data::Own),
        };
        let (frame, ended) = match polled {
            Ok(polled) => polled,
            Err(panicked) => {
                exchange.fails(&panicked);
                return Poll::Ready(Some(Err(panicked.into())));
            }
        };
        if frame.is_pending() {
            *this.broken = exchange.account().broken.requests();
            exchange.waits(cx);
            if exchange.account().has(flag::FORCED) {
                return Poll::Ready(Some(Err(cancelled())));
            }
        }
        let frame = ready!(frame);
        if let Some(Err(error)) = &frame
            && !is_of_its_request(error.as_ref(), exchange, hold.is_http1(), *this.broken)
        {
            exchange.fails(&BodyFailed(error.to_string()));
        }
        let last = match &frame {
            None => true,
            Some(Ok(frame)) => ended || frame.is_trailers(),
            Some(Err(_)) => false,
        };
        if last {
            exchange.finish();
        }
        let frame = frame.map(|frame| {
            frame.map(|frame| {
                frame.map_data(|data| Chunk {
                    hold: if data.has_remaining() {
                        hold.for_chunk()
                    } else {
                        None
                    },
                    data,
                })
            })
        });
        if last && parting::is_due(exchange) {
            leave(this.content, this.hold);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        if self.no_content {
            return true;
        }
        match &self.content {
            Content::Application { body } => body.is_end_stream(),
            Content::Infrastructure { body } => body.is_end_stream(),
            Content::Own { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Application { body } => body.size_hint(),
            Content::Infrastructure { body } => body.size_hint(),
            Content::Own { text } => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}

/// A frame of a body, and whether the body has ended with it.
type Polled<D> = (Poll<Option<Result<Frame<Data<D>>, BoxError>>>, bool);

/// Polls a body, which may panic.
#[inline]
fn polled<B, D>(
    mut body: Pin<&mut B>,
    cx: &mut Context<'_>,
    data: fn(B::Data) -> Data<D>,
) -> Result<Polled<D>, BodyPanicked>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    catch_unwind(AssertUnwindSafe(|| {
        let frame = body.as_mut().poll_frame(cx);
        let frame = frame.map(|frame| {
            frame.map(|frame| frame.map(|frame| frame.map_data(data)).map_err(Into::into))
        });
        (frame, body.is_end_stream())
    }))
    .map_err(|payload| BodyPanicked(panic_message(payload.as_ref())))
}

/// What HTTP/2 peers of a cut stream get to know: it is over, and not because of them.
pub(super) fn cancelled() -> BoxError {
    h2::Error::from(h2::Reason::CANCEL).into()
}

/// What HTTP/2 peers of a stream get to know that was not begun: it is safe to send it again.
pub(super) fn refused() -> BoxError {
    h2::Error::from(h2::Reason::REFUSED_STREAM).into()
}

/// Some bytes of a body.
pub(super) struct Chunk<D: Buf> {
    data: Data<D>,
    hold: Option<Arc<Exchange>>,
}

enum Data<D> {
    Application(D),
    Own(Bytes),
}

impl<D: Buf> Data<D> {
    #[inline]
    fn has_remaining(&self) -> bool {
        match self {
            Self::Application(data) => data.has_remaining(),
            Self::Own(data) => data.has_remaining(),
        }
    }
}

impl<D: Buf> Buf for Chunk<D> {
    #[inline]
    fn remaining(&self) -> usize {
        match &self.data {
            Data::Application(data) => data.remaining(),
            Data::Own(data) => data.remaining(),
        }
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match &self.data {
            Data::Application(data) => data.chunk(),
            Data::Own(data) => data.chunk(),
        }
    }

    #[inline]
    fn advance(&mut self, cnt: usize) {
        match &mut self.data {
            Data::Application(data) => data.advance(cnt),
            Data::Own(data) => data.advance(cnt),
        }
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        match &self.data {
            Data::Application(data) => data.chunks_vectored(dst),
            Data::Own(data) => data.chunks_vectored(dst),
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        match &mut self.data {
            Data::Application(data) => data.copy_to_bytes(len),
            Data::Own(data) => data.copy_to_bytes(len),
        }
    }
}

impl<D: Buf> Drop for Chunk<D> {
    fn drop(&mut self) {
        if let Some(exchange) = self.hold.take() {
            // Sent chunks are dropped by the connection's task, which flushes afterwards.
            if self.has_remaining() {
                exchange.lose();
            }
            Exchange::settle_last(exchange, By::Connection);
        }
    }
}
