//! The body of an answer, made as it is taken.
//!
//! **Invariant:** its bytes are of one static piece: a large answer costs no memory.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::handler::{Heard, Script, next_owned};
use super::panics;
use crate::scenario::{HandlerDoes, Hears, millis};
use crate::trace::HandlerSaw;

static PIECE: [u8; 16 * 1024] = [b'.'; 16 * 1024];

/// The body of an answer.
pub(super) struct ScriptBody {
    makes: Makes,
    /// The handler whose answer it is; `None` if it is nobody's, or all of it was taken.
    script: Option<Box<Script>>,
}

enum Makes {
    /// So many more bytes.
    Bytes(u64),
    /// One byte and a panic.
    Panic { said: bool },
    /// Pieces.
    Stream(Box<Stream>),
}

struct Stream {
    piece: usize,
    every: Duration,
    hears: Hears,
    sleep: Pin<Box<Sleep>>,
    /// What the server says next.
    next: Option<Pin<Box<dyn Future<Output = Heard> + Send>>>,
}

impl ScriptBody {
    pub(super) const fn empty() -> Self {
        Self {
            makes: Makes::Bytes(0),
            script: None,
        }
    }

    /// What the answer of this handler consists of.
    pub(super) fn of(mut script: Script) -> Self {
        let bytes = script.does.receive_bytes;
        let makes = match script.does.does {
            HandlerDoes::PanicInBody => Makes::Panic { said: false },
            HandlerDoes::Stream { every_ms, hears } => {
                let every = millis(every_ms.max(1));
                Makes::Stream(Box::new(Stream {
                    piece: (bytes / 100).max(1) as usize,
                    every,
                    hears,
                    sleep: Box::pin(tokio::time::sleep(every)),
                    next: script
                        .signal
                        .clone()
                        .map(|signal| next_owned(signal, script.heard)),
                }))
            }
            HandlerDoes::Answer
            | HandlerDoes::AnswerUnread
            | HandlerDoes::Panic
            | HandlerDoes::Hang
            | HandlerDoes::Stop
            | HandlerDoes::Force
            | HandlerDoes::Drain
            | HandlerDoes::HearCancelled
            | HandlerDoes::Spawn { .. } => Makes::Bytes(u64::from(bytes)),
        };
        if matches!(makes, Makes::Bytes(0)) {
            // Nobody asks for a body that is known to be empty.
            script.ends(HandlerSaw::Finished);
            return Self::empty();
        }
        Self {
            makes,
            script: Some(Box::new(script)),
        }
    }

    fn finish(&mut self) {
        if let Some(mut script) = self.script.take() {
            script.ends(HandlerSaw::Finished);
        }
    }

    /// The next piece of bytes; `None` after the last one.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.makes {
            Makes::Bytes(0) => {
                self.finish();
                Poll::Ready(None)
            }
            Makes::Bytes(left) => {
                let most = PIECE.len() as u64;
                let piece = piece(usize::try_from(most.min(*left)).unwrap_or(PIECE.len()));
                *left -= piece.len() as u64;
                if *left == 0 {
                    // Whoever knows the length asks no more.
                    self.finish();
                }
                Poll::Ready(Some(piece))
            }
            Makes::Panic { said: said @ false } => {
                *said = true;
                Poll::Ready(Some(piece(1)))
            }
            Makes::Panic { said: true } => {
                if let Some(mut script) = self.script.take() {
                    script.ends(HandlerSaw::Panics);
                }
                panics();
            }
            Makes::Stream(stream) => {
                let Some(script) = &mut self.script else {
                    return Poll::Ready(None);
                };
                while let Some(next) = &mut stream.next
                    && let Poll::Ready(heard) = next.as_mut().poll(cx)
                {
                    script.hear(heard);
                    let goes_on = script.signal.clone().filter(|_| heard < Heard::Cancelled);
                    stream.next = goes_on.map(|signal| next_owned(signal, heard));
                }
                let enough = match stream.hears {
                    Hears::Draining => script.heard >= Heard::Draining,
                    Hears::Cancelled => script.heard >= Heard::Cancelled,
                    Hears::Nothing => false,
                };
                if enough {
                    self.finish();
                    return Poll::Ready(None);
                }
                if stream.sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let next = Instant::now() + stream.every;
                stream.sleep.as_mut().reset(next);
                Poll::Ready(Some(piece(stream.piece)))
            }
        }
    }
}

fn piece(bytes: usize) -> Bytes {
    Bytes::from_static(PIECE.get(..bytes).unwrap_or(&PIECE))
}

impl Body for ScriptBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_piece(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.makes, Makes::Bytes(0))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.makes {
            Makes::Bytes(left) => SizeHint::with_exact(*left),
            Makes::Panic { .. } | Makes::Stream(_) => SizeHint::new(),
        }
    }
}
