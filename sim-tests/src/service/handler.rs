//! A handler that does what the scenario says of its request, over whatever protocol it came.
//!
//! **Invariant:** whoever waits here also listens to the server, and writes down what it hears, first
//! that it drains, then that time is up.

use std::future::{Future, pending};
use std::pin::{Pin, pin};

use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use lamplighter::ShutdownSignal;

use super::body::ScriptBody;
use super::{Stage, panics, pass};
use crate::scenario::{HandlerDoes, Request, RequestId, millis};
use crate::trace::{HandlerSaw, Who};

/// What came with a request.
pub(super) enum Asked {
    /// Its body, over plain HTTP.
    Plain(Incoming),
    /// A message that was read already.
    Message,
}

/// A handler at work; written down as dropped if it does not get to the end of its answer.
pub(super) struct Script {
    stage: Stage,
    pub(super) id: RequestId,
    pub(super) does: Request,
    pub(super) signal: Option<ShutdownSignal>,
    /// How much of what the server says has been heard.
    pub(super) heard: Heard,
    over: bool,
}

/// How much a handler has heard of a stop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Heard {
    Nothing,
    Draining,
    Cancelled,
}

impl Request {
    /// Whether its answer is a stream.
    #[must_use]
    pub const fn streams(&self) -> bool {
        matches!(self.does, HandlerDoes::Stream { .. })
    }
}

impl Script {
    /// A handler was called.
    pub(super) fn begin(stage: Stage, id: RequestId, does: Request) -> Self {
        let script = Self {
            stage,
            id,
            does,
            signal: ShutdownSignal::current(),
            heard: Heard::Nothing,
            over: false,
        };
        script.saw(HandlerSaw::Begun);
        script
    }

    pub(super) fn saw(&self, what: HandlerSaw) {
        self.stage.trace.record(Who::Handler(self.id), what);
    }

    /// It ends here, in whichever way.
    pub(super) fn ends(&mut self, how: HandlerSaw) {
        self.over = true;
        self.saw(how);
    }

    /// Reads what was asked, and does what the scenario says up to the answer's body.
    pub(super) async fn run(mut self, asked: Asked) -> ScriptBody {
        if let Asked::Plain(body) = asked {
            if self.does.does == HandlerDoes::AnswerUnread {
                // Held as long as the handler works: a body let go is read no further.
                self.hear_until(pass(millis(self.does.takes_ms))).await;
                drop(body);
            } else {
                if !body.is_end_stream() {
                    self.hear_until(read(body)).await;
                }
                self.hear_until(pass(millis(self.does.takes_ms))).await;
            }
        } else {
            self.hear_until(pass(millis(self.does.takes_ms))).await;
        }
        self.act().await;
        self.saw(HandlerSaw::Answered);
        ScriptBody::of(self)
    }

    async fn act(&mut self) {
        // Set before the server can start.
        let server = self.stage.handle.get().cloned();
        match (self.does.does, server) {
            (HandlerDoes::Panic, _) => {
                self.ends(HandlerSaw::Panics);
                panics();
            }
            (HandlerDoes::Hang, _) => self.hear_until(pending()).await,
            (HandlerDoes::HearCancelled, _) => self.hear_cancelled().await,
            (HandlerDoes::Spawn { ms }, _) => drop(tokio::spawn(pass(millis(ms)))),
            (HandlerDoes::Stop, Some(server)) => {
                let stopping = server.stop();
                self.hear_until(async { drop(stopping.await) }).await;
            }
            (HandlerDoes::Force, Some(server)) => drop(server.force()),
            (HandlerDoes::Drain, Some(server)) => self.hear_until(server.drain()).await,
            (
                HandlerDoes::Stop
                | HandlerDoes::Force
                | HandlerDoes::Drain
                | HandlerDoes::Answer
                | HandlerDoes::AnswerUnread
                | HandlerDoes::PanicInBody
                | HandlerDoes::Stream { .. },
                _,
            ) => {}
        }
    }

    async fn hear_cancelled(&mut self) {
        if let Some(signal) = self.signal.clone() {
            self.hear_until(signal.cancelled()).await;
            self.hear(Heard::Cancelled);
        }
    }

    /// Waits for `future`, and meanwhile hears what the server says.
    pub(super) async fn hear_until(&mut self, future: impl Future<Output = ()>) {
        let mut future = pin!(future);
        let Some(signal) = self.signal.clone() else {
            return future.await;
        };
        while self.heard < Heard::Cancelled {
            let heard = tokio::select! {
                biased;
                heard = next(&signal, self.heard) => heard,
                () = &mut future => return,
            };
            self.hear(heard);
        }
        future.await;
    }

    /// The server has said so much.
    pub(super) fn hear(&mut self, heard: Heard) {
        if self.heard < Heard::Draining && heard >= Heard::Draining {
            self.saw(HandlerSaw::HeardDraining);
        }
        if self.heard < Heard::Cancelled && heard >= Heard::Cancelled {
            self.saw(HandlerSaw::HeardCancelled);
        }
        self.heard = self.heard.max(heard);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !self.over {
            self.saw(HandlerSaw::Dropped);
        }
    }
}

/// What the server says next.
pub(super) async fn next(signal: &ShutdownSignal, heard: Heard) -> Heard {
    match heard {
        Heard::Nothing => {
            signal.draining().await;
            Heard::Draining
        }
        Heard::Draining => {
            signal.cancelled().await;
            Heard::Cancelled
        }
        Heard::Cancelled => pending().await,
    }
}

/// As [`next`], owned.
pub(super) fn next_owned(
    signal: ShutdownSignal,
    heard: Heard,
) -> Pin<Box<dyn Future<Output = Heard> + Send>> {
    Box::pin(async move { next(&signal, heard).await })
}

async fn read(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}
