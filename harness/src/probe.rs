//! A probe: a client that sends exactly what it is told to send, and keeps exactly what came back.
//!
//! **Invariant:** nothing is read from the socket unless a test asks for it, so that a probe that is
//! left alone is a peer that does not read.

mod http1;
mod http2;

use std::fmt::Write;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::Location;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub use http1::{Answer, Head};
pub use http2::Manners;

use self::http2::Http2;
use crate::patience::{PATIENCE, bounded_at_rest, fail};

/// What came out of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// Bytes, as one read gave them. On HTTP/2 only what is no frame.
    Bytes(Bytes),
    /// HTTP/2: a head, of a response or of trailers.
    Headers {
        /// The stream that it belongs to.
        stream: u32,
        /// The response's status; `None` for trailers.
        status: Option<u16>,
        /// Whether the stream ends with it.
        last: bool,
    },
    /// HTTP/2: a piece of a body.
    Data {
        /// The stream that it belongs to.
        stream: u32,
        /// The piece.
        data: Bytes,
        /// Whether the stream ends with it.
        last: bool,
    },
    /// HTTP/2: RST_STREAM.
    Reset {
        /// The stream that was reset.
        stream: u32,
        /// The error code.
        code: u32,
    },
    /// HTTP/2: GOAWAY.
    #[non_exhaustive]
    GoAway {
        /// The last stream that may still be answered; 2³¹ - 1 in the first of two.
        last_stream: u32,
        /// The error code; 0 for a graceful close.
        code: u32,
    },
    /// HTTP/2: SETTINGS, or their acknowledgement.
    Settings {
        /// Whether it acknowledges ours.
        ack: bool,
    },
    /// HTTP/2: PING, or its answer.
    Ping {
        /// Whether it answers ours.
        ack: bool,
        /// The eight bytes.
        data: [u8; 8],
    },
    /// HTTP/2: WINDOW_UPDATE.
    WindowUpdate {
        /// The stream; 0 for the connection.
        stream: u32,
        /// By how much.
        increment: u32,
    },
    /// The server has ended its side.
    Fin,
    /// The connection was reset.
    Rst,
}

impl Seen {
    /// Whether nothing can come after it.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Fin | Self::Rst)
    }
}

/// One connection of a test, byte by byte.
///
/// Waits are bounded by [`PATIENCE`]; under a paused clock virtual time stands still while a probe
/// waits, since it waits for the kernel.
#[derive(Debug)]
pub struct Probe {
    stream: TcpStream,
    /// What was read and not yet taken apart.
    inbox: BytesMut,
    seen: Vec<Seen>,
    http2: Option<Http2>,
}

impl Probe {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Those of the operating system: `ConnectionRefused` where nobody listens.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], if the connection is neither established nor refused.
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> impl Future<Output = io::Result<Self>> {
        let here = Location::caller();
        async move {
            let connected = bounded_at_rest(PATIENCE, TcpStream::connect(addr)).await;
            let Some(connected) = connected else {
                fail(
                    here,
                    &format!("waited {PATIENCE:?} for a connection to {addr}"),
                )
            };
            let stream = connected?;
            // Exactly what is sent is sent, at once.
            stream.set_nodelay(true)?;
            Ok(Self {
                stream,
                inbox: BytesMut::new(),
                seen: Vec::new(),
                http2: None,
            })
        }
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends these bytes and no others.
    ///
    /// # Errors
    ///
    /// Those of the operating system: the server may have ended the connection.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], if the server does not read them.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> impl Future<Output = io::Result<()>> {
        let here = Location::caller();
        async move {
            let bytes = bytes.as_ref();
            let sent = bounded_at_rest(PATIENCE, self.stream.write_all(bytes)).await;
            sent.unwrap_or_else(|| self.gave_up(here, "the server to read what was sent"))
        }
    }

    /// Ends this side: the server reads an end of file after what was sent.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// The next thing that comes out of the socket.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], with everything that had been seen.
    #[track_caller]
    #[expect(
        clippy::should_implement_trait,
        reason = "an async `next` is no iterator's"
    )]
    pub fn next(&mut self) -> impl Future<Output = Seen> {
        let here = Location::caller();
        async move { self.pull(here, "anything").await }
    }

    /// Reads on until something holds, and gives it back. What came before it is in
    /// [`seen`](Self::seen).
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or if the connection ended first; naming `what` was waited for, with
    /// everything that had been seen.
    #[track_caller]
    pub fn until(
        &mut self,
        what: &str,
        holds: impl Fn(&Seen) -> bool,
    ) -> impl Future<Output = Seen> {
        let here = Location::caller();
        async move {
            loop {
                let seen = self.pull(here, what).await;
                if holds(&seen) {
                    return seen;
                }
                if seen.is_end() {
                    let came = self.transcript();
                    fail(
                        here,
                        &format!("the connection ended before {what}; seen: {came}"),
                    );
                }
            }
        }
    }

    /// Reads on to the end of the connection: [`Seen::Fin`] or [`Seen::Rst`].
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], with everything that had been seen.
    #[track_caller]
    pub fn end(&mut self) -> impl Future<Output = Seen> {
        let here = Location::caller();
        async move {
            loop {
                let seen = self.pull(here, "the end of the connection").await;
                if seen.is_end() {
                    return seen;
                }
            }
        }
    }

    /// Reads on until this text has come, in however many pieces; only what was not taken by an
    /// [`answer`](Self::answer) counts.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or if the connection ended first; with everything that had been seen.
    #[track_caller]
    pub fn text(&mut self, text: &str) -> impl Future<Output = ()> {
        let here = Location::caller();
        async move {
            let what = format!("the text {text:?}");
            while !contains(&self.inbox, text.as_bytes()) {
                if self.pull(here, &what).await.is_end() {
                    let came = self.transcript();
                    fail(
                        here,
                        &format!("the connection ended before {what}; seen: {came}"),
                    );
                }
            }
        }
    }

    /// Everything that came, in order.
    #[must_use]
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// One thing out of the socket, noted down.
    async fn pull(&mut self, here: &Location<'_>, what: &str) -> Seen {
        let came = bounded_at_rest(PATIENCE, self.read()).await;
        let seen = match came {
            Some(Ok(seen)) => seen,
            Some(Err(error)) => {
                let came = self.transcript();
                fail(
                    here,
                    &format!("reading failed while waiting for {what}: {error}; seen: {came}"),
                )
            }
            None => self.gave_up(here, what),
        };
        self.seen.push(seen.clone());
        seen
    }

    async fn read(&mut self) -> io::Result<Seen> {
        loop {
            if let Some(http2) = &self.http2
                && let Some((seen, reply)) = http2.take_frame(&mut self.inbox)
            {
                if !reply.is_empty() {
                    // The server may be gone already; what it said is seen all the same.
                    let _gone = self.stream.write_all(&reply).await;
                }
                return Ok(seen);
            }
            let before = self.inbox.len();
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Ok(Seen::Fin),
                Ok(_) if self.http2.is_some() => {}
                Ok(_) => {
                    let new = self.inbox.get(before..).unwrap_or_default();
                    return Ok(Seen::Bytes(Bytes::copy_from_slice(new)));
                }
                Err(error) => {
                    let reset = [
                        ErrorKind::ConnectionReset,
                        ErrorKind::ConnectionAborted,
                        ErrorKind::BrokenPipe,
                    ];
                    return if reset.contains(&error.kind()) {
                        Ok(Seen::Rst)
                    } else {
                        Err(error)
                    };
                }
            }
        }
    }

    fn gave_up(&self, here: &Location<'_>, what: &str) -> ! {
        let came = self.transcript();
        fail(
            here,
            &format!("waited {PATIENCE:?} for {what}; seen: {came}"),
        )
    }

    /// What came, for a person.
    fn transcript(&self) -> String {
        if self.seen.is_empty() {
            return String::from("nothing");
        }
        let mut text = String::new();
        for seen in &self.seen {
            // Writing to a string does not fail.
            let _ok = write!(text, "\n  {seen:?}");
        }
        text
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A probe, and the other end of its connection.
    async fn pair() -> io::Result<(Probe, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let probe = Probe::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        Ok((probe, server))
    }

    #[tokio::test]
    async fn responses_are_taken_one_by_one_however_they_are_framed() {
        let (mut probe, mut server) = pair().await.unwrap();
        let sent = b"HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none\
            HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n1;x=y\r\n!\r\n0\r\n\r\n\
            HTTP/1.1 204 No Content\r\n\r\n\
            HTTP/1.1 500 Oh\r\nConnection: Close\r\n\r\nthe rest";
        // In the smallest pieces there are.
        let writing = tokio::spawn(async move {
            for byte in sent {
                server.write_all(&[*byte]).await.unwrap();
            }
        });
        let mut came = Vec::new();
        for _ in 0..4 {
            let answer = probe.answer().await;
            came.push((answer.status(), answer.text(), answer.head.closes()));
        }
        writing.await.unwrap();
        let expected = [
            (200, "one".into(), false),
            (201, "two!".into(), false),
            (204, String::new(), false),
            (500, "the rest".into(), true),
        ];
        assert_eq!(came, expected);
        assert_eq!(probe.seen().last(), Some(&Seen::Fin));
    }

    #[tokio::test]
    async fn an_orderly_end_and_a_reset_are_told_apart() {
        let (mut probe, server) = pair().await.unwrap();
        drop(server);
        assert_eq!(probe.end().await, Seen::Fin);
        let (mut probe, server) = pair().await.unwrap();
        probe.send("unread").await.unwrap();
        server.readable().await.unwrap();
        // The kernel resets a connection that is closed with bytes unread.
        drop(server);
        assert_eq!(probe.end().await, Seen::Rst);
    }

    #[tokio::test]
    async fn nobody_listening_is_an_error_of_the_system() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        let refused = Probe::connect(addr).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn every_byte_that_came_is_kept() {
        let (mut probe, mut server) = pair().await.unwrap();
        server.write_all(b"some bytes").await.unwrap();
        drop(server);
        assert_eq!(probe.end().await, Seen::Fin);
        let mut bytes = Vec::new();
        for seen in probe.seen() {
            if let Seen::Bytes(came) = seen {
                bytes.extend_from_slice(came);
            }
        }
        assert_eq!(bytes, b"some bytes");
    }
}
