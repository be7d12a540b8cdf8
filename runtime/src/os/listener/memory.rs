//! For tests: a listener in memory (floor 1).
//!
//! **Invariant:** nothing of it is known to the kernel, so that a paused clock moves only when all is
//! said.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

use super::{Addr, Listener, Network};

/// Listens for what its [`Dialler`]s dial; broken for good once there is none.
#[derive(Debug)]
pub(crate) struct Memory(mpsc::UnboundedReceiver<MemoryIo>);

/// The other end of a listener in memory.
#[derive(Clone, Debug)]
pub(crate) struct Dialler(mpsc::UnboundedSender<MemoryIo>);

/// The server's end of a connection in memory.
#[derive(Debug)]
pub(crate) struct MemoryIo {
    stream: DuplexStream,
    reset: Arc<AtomicBool>,
}

impl Memory {
    pub(crate) fn new() -> (Dialler, Self) {
        let (dialler, dialled) = mpsc::unbounded_channel();
        (Dialler(dialler), Self(dialled))
    }
}

impl Dialler {
    /// A connection that holds `room` bytes each way, and whether the server reset it. Once the
    /// listener is closed, it ends as it begins.
    pub(crate) fn dial(&self, room: usize) -> (DuplexStream, Arc<AtomicBool>) {
        let (ours, stream) = duplex(room);
        let reset = Arc::<AtomicBool>::default();
        let io = MemoryIo {
            stream,
            reset: Arc::clone(&reset),
        };
        drop(self.0.send(io));
        (ours, reset)
    }
}

fn memory() -> Addr {
    Addr::Named("memory".to_owned())
}

impl Listener for Memory {
    type Io = MemoryIo;

    async fn accept(&mut self) -> io::Result<(MemoryIo, Addr)> {
        let dialled = self.0.recv().await;
        let io = dialled.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok((io, memory()))
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(memory())
    }

    fn accept_queued(&mut self) -> io::Result<Option<(MemoryIo, Addr)>> {
        Ok(self.0.try_recv().ok().map(|io| (io, memory())))
    }

    fn abort(io: &MemoryIo) -> io::Result<()> {
        io.reset.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// A network that knows names only, and on which nobody dials.
#[derive(Debug)]
pub(crate) struct MemoryNetwork;

impl Network for MemoryNetwork {
    type Listener = Memory;

    async fn bind(&self, addr: &Addr) -> io::Result<Memory> {
        if !matches!(addr, Addr::Named(_)) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        Ok(Memory::new().1)
    }
}

impl AsyncRead for MemoryIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemoryIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
