//! A probe: a client that sends exactly what it is told to send, and keeps exactly what came back.
//!
//! **Invariant:** nothing is read from the socket unless a test asks for it, so that a probe that is
//! left alone is a peer that does not read.

mod http1;
mod http2;
mod requests;
mod seen;
mod sight;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub use http1::{Answer, Head};
pub use http2::Manners;
pub use seen::Seen;
pub use sight::StreamSeen;

use self::http2::Http2;
use crate::patience::{PATIENCE, bounded_at_rest, fail};

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
            Self::with(connected?)
        }
    }

    /// The probe on a connection of the standard library's, which blocked: its owner could send
    /// something and go on without giving the runtime a turn.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn of(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::with(TcpStream::from_std(stream)?)
    }

    /// The connection, blocking. What the probe had read and not taken is lost.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn into_blocking(self) -> io::Result<std::net::TcpStream> {
        let stream = self.stream.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    fn with(stream: TcpStream) -> io::Result<Self> {
        // Exactly what is sent is sent, at once.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            inbox: BytesMut::new(),
            seen: Vec::new(),
            http2: None,
        })
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

    /// Resets the connection: what a client does that is gone.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn reset(self) -> io::Result<()> {
        // Closed with no time to linger, a socket is reset.
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
        Ok(())
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
            let what = format!("{seen:?}");
            // Writing to a string does not fail.
            let _ok = match what.char_indices().nth(SHOWN) {
                Some((end, _)) => write!(text, "\n  {}… ({} in all)", &what[..end], what.len()),
                None => write!(text, "\n  {what}"),
            };
        }
        text
    }
}

/// How many characters of each thing that came a person gets to see.
const SHOWN: usize = 400;

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}
