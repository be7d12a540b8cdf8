//! One end of a connection in memory, as a program holds it.
//!
//! **Invariant:** dropping it closes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::line::{Line, Side, Step};
use super::net::Net;
use crate::trace::{Who, WireSaw, wire_hash};

/// One end of a connection in memory.
#[derive(Debug)]
pub struct End {
    net: Net,
    line: Arc<Line>,
    side: Side,
    abort: AtomicBool,
}

impl End {
    pub(super) const fn new(net: Net, line: Arc<Line>, side: Side) -> Self {
        Self {
            net,
            line,
            side,
            abort: AtomicBool::new(false),
        }
    }

    /// Makes the drop of it a reset.
    pub(super) fn abort(&self) {
        self.abort.store(true, Ordering::Relaxed);
    }

    /// Whose connection it is.
    pub(super) fn client(&self) -> u16 {
        self.line.client
    }

    /// Writes down what passes at the server's end.
    pub(super) fn saw(&self, what: impl FnOnce() -> WireSaw) {
        if self.side == Side::Server
            && let Some(trace) = self.net.wire()
        {
            trace.record(Who::Wire(self.line.number), what());
        }
    }
}

fn wire_bytes(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match self.line.read(self.side, Instant::now(), cx.waker(), buf) {
            Step::Waits => Poll::Pending,
            Step::Done(Err(error)) => Poll::Ready(Err(error)),
            Step::Done(Ok(0)) => {
                self.saw(|| WireSaw::ReadFin);
                Poll::Ready(Ok(()))
            }
            Step::Done(Ok(_)) => {
                self.saw(|| {
                    let bytes = buf.filled().get(before..).unwrap_or_default();
                    WireSaw::Read {
                        bytes: wire_bytes(bytes),
                        hash: wire_hash(bytes),
                    }
                });
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Step::Done((written, arrival)) =
            self.line.write(self.side, Instant::now(), cx.waker(), buf)
        else {
            return Poll::Pending;
        };
        if let Ok(written) = written {
            self.saw(|| {
                let bytes = buf.get(..written).unwrap_or(buf);
                WireSaw::Wrote {
                    bytes: wire_bytes(bytes),
                    hash: wire_hash(bytes),
                }
            });
        }
        if let Some(arrival) = arrival {
            self.net.arrives(&self.line, arrival.side, arrival.at);
        }
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            match self.as_mut().poll_write(cx, buf) {
                Poll::Ready(Ok(more)) => {
                    written += more;
                    if more < buf.len() {
                        break;
                    }
                }
                // What was taken was taken; the next call says the rest.
                other @ (Poll::Ready(Err(_)) | Poll::Pending) if written == 0 => return other,
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (shut, arrival) = self.line.shut(self.side, Instant::now());
        if matches!(shut, Ok(true)) {
            self.saw(|| WireSaw::WroteFin);
        }
        if let Some(arrival) = arrival {
            self.net.arrives(&self.line, arrival.side, arrival.at);
        }
        Poll::Ready(shut.map(drop))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.net.is_over() {
            // The runtime is gone, and its clock with it.
            return;
        }
        let abort = self.abort.load(Ordering::Relaxed);
        let (reset, arrivals) = self.line.close(self.side, Instant::now(), abort);
        self.saw(|| {
            if reset {
                WireSaw::Aborted
            } else {
                WireSaw::Closed
            }
        });
        for arrival in arrivals.into_iter().flatten() {
            self.net.arrives(&self.line, arrival.side, arrival.at);
        }
    }
}
