//! A listener in memory, by which a client reaches a server of its own process without a socket.
//!
//! **Invariant:** to the server it is a listener as any other: accepted, counted, drained, closed.
//! **Invariant:** a connection that the server resets is an error to its client, as on a socket.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use lamplighter::{Addr, Listener};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

/// How many bytes are on their way at most, each way: about what a kernel takes at first.
const ROOM: usize = 64 * 1024;

/// The server's end.
#[derive(Debug)]
pub(crate) struct Memory {
    dialled: mpsc::UnboundedReceiver<MemoryStream>,
}

/// The clients' end.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    dials: mpsc::UnboundedSender<MemoryStream>,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct MemoryStream {
    stream: DuplexStream,
    /// Whether the server has made it end by a reset.
    reset: Arc<AtomicBool>,
}

impl Memory {
    pub(crate) fn new() -> (Dialler, Self) {
        let (dials, dialled) = mpsc::unbounded_channel();
        (Dialler { dials }, Self { dialled })
    }
}

impl Dialler {
    /// A connection that waits to be accepted.
    pub(super) fn dial(&self) -> io::Result<MemoryStream> {
        let (ours, theirs) = duplex(ROOM);
        let reset = Arc::<AtomicBool>::default();
        let end = |stream| MemoryStream {
            stream,
            reset: Arc::clone(&reset),
        };
        let refused = |_| {
            let told = "the server accepts no connections any more";
            io::Error::new(io::ErrorKind::ConnectionRefused, told)
        };
        self.dials.send(end(theirs)).map_err(refused)?;
        Ok(end(ours))
    }
}

fn here() -> Addr {
    Addr::Named("in-process".to_owned())
}

impl Listener for Memory {
    type Io = MemoryStream;

    async fn accept(&mut self) -> io::Result<(MemoryStream, Addr)> {
        match self.dialled.recv().await {
            Some(stream) => Ok((stream, here())),
            // No client is left, and that breaks no listener.
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(here())
    }

    fn accept_queued(&mut self) -> io::Result<Option<(MemoryStream, Addr)>> {
        Ok(self.dialled.try_recv().ok().map(|stream| (stream, here())))
    }

    fn abort(io: &MemoryStream) -> io::Result<()> {
        io.reset.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let ended = buf.filled().len() == before && buf.remaining() > 0;
        if matches!(read, Poll::Ready(Ok(()))) && ended && self.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        read
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_connection_that_is_reset_is_an_error_to_its_client_and_one_that_ends_is_none() {
        let (dialler, mut memory) = Memory::new();
        let mut text = String::new();
        for reset in [false, true] {
            let mut client = dialler.dial().unwrap();
            let (mut server, _) = memory.accept().await.unwrap();
            server.write_all(b"half").await.unwrap();
            if reset {
                Memory::abort(&server).unwrap();
            }
            drop(server);
            let read = client.read_to_string(&mut text).await;
            let failed = read.err().map(|error| error.kind());
            assert_eq!(failed, reset.then_some(ErrorKind::ConnectionReset));
        }
    }

    #[tokio::test]
    async fn who_dials_a_listener_that_is_closed_is_refused_and_who_waited_for_it_ends() {
        let (dialler, memory) = Memory::new();
        let mut waiting = dialler.dial().unwrap();
        drop(memory);
        assert_eq!(waiting.read(&mut [0]).await.unwrap(), 0);
        let refused = dialler.dial().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_listener_that_no_client_is_left_for_goes_on() {
        let (dialler, mut memory) = Memory::new();
        drop(dialler.dial());
        drop(dialler);
        assert!(memory.accept_queued().unwrap().is_some());
        assert!(memory.accept_queued().unwrap().is_none());
        // Neither a connection nor an error, which would stop the server.
        let mut accept = std::pin::pin!(memory.accept());
        let waker = std::task::Waker::noop();
        let polled = accept.as_mut().poll(&mut Context::from_waker(waker));
        assert!(polled.is_pending());
    }
}
