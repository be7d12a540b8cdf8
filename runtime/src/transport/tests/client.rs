//! A client that sees every byte, and how its connection ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

use super::fixture::{PATIENCE, soon};

pub(super) enum Either {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl AsyncRead for Either {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Either {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A client that sees every byte, and how the connection ends.
pub(super) struct Client {
    stream: Either,
    reset: Arc<AtomicBool>,
    seen: Vec<u8>,
}

/// How a connection ended for its client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Fin,
    Reset,
}

impl Client {
    pub(super) fn new(stream: Either, reset: Arc<AtomicBool>) -> Self {
        Self {
            stream,
            reset,
            seen: Vec::new(),
        }
    }

    /// The bare socket, for what has to happen without tokio.
    pub(super) fn into_tcp(self) -> std::net::TcpStream {
        match self.stream {
            Either::Tcp(stream) => stream.into_std().unwrap(),
            Either::Memory(_) => panic!("a connection in memory is no socket"),
        }
    }

    pub(super) fn of_tcp(stream: std::net::TcpStream) -> Self {
        stream.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        Self::new(Either::Tcp(stream), Arc::default())
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(super) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
    }

    /// Ends our side of the connection.
    pub(super) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads until `pattern` has come; everything up to its end.
    pub(super) async fn until(&mut self, pattern: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.seen).into_owned();
            if let Some(at) = text.find(pattern) {
                let rest = self.seen.split_off(at + pattern.len());
                let found = std::mem::replace(&mut self.seen, rest);
                return String::from_utf8(found).unwrap();
            }
            let mut bytes = vec![0; 4096];
            let what = format!("{pattern:?} after {text:?}");
            let read = soon(&what, self.stream.read(&mut bytes)).await.unwrap();
            assert!(read > 0, "the connection ended before {what}");
            self.seen.extend_from_slice(&bytes[..read]);
        }
    }

    /// The next `len` bytes; `None` if the connection ends before them.
    pub(super) async fn exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.seen.len() < len {
            let mut bytes = vec![0; 4096];
            let read = soon("more bytes", self.stream.read(&mut bytes)).await;
            match read {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.seen.extend_from_slice(&bytes[..read]),
            }
        }
        let rest = self.seen.split_off(len);
        Some(std::mem::replace(&mut self.seen, rest))
    }

    /// Reads to the end: all that came, and how it ended.
    pub(super) async fn rest(self) -> (String, End) {
        self.rest_within(PATIENCE).await
    }

    /// As above, with patience of one's own between any two bytes.
    pub(super) async fn rest_within(mut self, patience: Duration) -> (String, End) {
        let mut bytes = vec![0; 16 * 1024];
        let end = loop {
            let read = tokio::time::timeout(patience, self.stream.read(&mut bytes)).await;
            match read.expect("the end of the connection did not come") {
                Ok(0) if self.reset.load(Ordering::SeqCst) => break End::Reset,
                Ok(0) => break End::Fin,
                Ok(read) => self.seen.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break End::Reset,
                Err(error) => panic!("{error}"),
            }
        };
        (String::from_utf8_lossy(&self.seen).into_owned(), end)
    }

    pub(super) fn into_stream(self) -> Either {
        self.stream
    }
}
