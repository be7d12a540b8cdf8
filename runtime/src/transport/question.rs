//! The questions of a call to health or reflection, which no drain waits for once they are there
//! (floor 2).
//!
//! **Invariant:** until its first question has come a call is a request like any other: a drain waits for
//! it, and force cuts it. From then on it is infrastructure's.
//! **Invariant:** a question that has come to its end is handed out, whatever the server does.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::BoxError;
use super::in_flight::{By, Exchange};
use super::own_answer::Reason;
use super::shutdown_signal::ShutdownSignal;
use crate::os::clock::{Alarm, alarm};

pin_project! {
    /// The body of a request that ends, as if the peer had ended it, when the server drains: what
    /// has come until then is still handed out.
    ///
    /// A question of which nothing has come, or a part, is on its way: it is waited for, and fails as
    /// unavailable when [`ON_ITS_WAY`] is over.
    pub(super) struct Questions<B> {
        #[pin]
        body: B,
        signal: ShutdownSignal,
        came: Came,
        // Of its stream; none where there is none.
        exchange: Option<Weak<Exchange>>,
        draining: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        patience: Option<Alarm>,
    }
}

/// How long a server that drains waits for the rest of a question. A head that has begun to come has this
/// time, too, and for the same reason: some round trips of a bad line.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

impl<B> Questions<B> {
    pub(super) fn new(body: B, signal: ShutdownSignal, exchange: Option<&Arc<Exchange>>) -> Self {
        Self {
            body,
            signal,
            came: Came::default(),
            exchange: exchange.map(Arc::downgrade),
            draining: None,
            patience: None,
        }
    }
}

impl<B> Body for Questions<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
            {
                this.came.add(data);
            }
            if frame.is_none() || this.came.is_whole() {
                becomes_infrastructure(this.exchange);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if !this.signal.is_draining() {
            let signal = this.signal;
            let draining = this
                .draining
                .get_or_insert_with(|| Box::pin(signal.clone().draining_owned()));
            ready!(draining.as_mut().poll(cx));
        }
        if this.came.is_whole() {
            return Poll::Ready(None);
        }
        let patience = this.patience.get_or_insert_with(|| alarm(ON_ITS_WAY));
        ready!(patience.as_mut().poll(cx));
        let status = tonic::Status::unavailable(Reason::Draining.text());
        Poll::Ready(Some(Err(status.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// No drain waits for it any more.
fn becomes_infrastructure(exchange: &mut Option<Weak<Exchange>>) {
    let exchange = exchange.take().and_then(|exchange| exchange.upgrade());
    if let Some(exchange) = exchange {
        exchange.serves_infrastructure();
        // Whoever polls this holds it, too.
        Exchange::settle_last(exchange, By::Stream);
    }
}

/// How far the messages have come, each behind five bytes: a flag, and its length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
#[derive(Debug, Default)]
struct Came {
    any: bool,
    prefix: [u8; 5],
    /// How much of the prefix is there, while it is not whole.
    begun: usize,
    /// How much of the message is to come.
    left: usize,
}

impl Came {
    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let missing = self.prefix.get_mut(self.begun..).unwrap_or_default();
            let taken = missing.len().min(bytes.len());
            let (now, rest) = bytes.split_at(taken);
            missing
                .iter_mut()
                .zip(now)
                .for_each(|(to, from)| *to = *from);
            bytes = rest;
            self.begun += taken;
            if self.begun == self.prefix.len() {
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length) as usize;
                self.begun = 0;
                self.any = true;
            }
        }
    }

    /// Whether something has come, and nothing of it in part.
    const fn is_whole(&self) -> bool {
        self.any && self.begun == 0 && self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_whole_with_its_last_byte() {
        let stream = b"\0\0\0\0\x02hi\0\0\0\0\0";
        let whole: Vec<usize> = (0..=stream.len())
            .filter(|&cut| {
                let (first, rest) = stream.split_at(cut);
                let (mut came, mut bytewise) = (Came::default(), Came::default());
                came.add(first);
                first.chunks(1).for_each(|byte| bytewise.add(byte));
                assert_eq!(came.is_whole(), bytewise.is_whole(), "{cut}");
                bytewise.add(rest);
                assert!(bytewise.is_whole(), "{cut}");
                came.is_whole()
            })
            .collect();
        assert_eq!(whole, [7, 12]);
    }
}
