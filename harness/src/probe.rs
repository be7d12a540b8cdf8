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
mod turn;
mod wire;

use std::fmt::Write;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::Location;

use bytes::{Bytes, BytesMut};
use lamplighter::Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub use http1::{Answer, Head};
pub use http2::Manners;
pub use seen::Seen;
pub use sight::StreamSeen;

use self::http2::Http2;
use self::wire::Wire;
use crate::patience::{PATIENCE, bounded_at_rest, fail};

/// One connection of a test, byte by byte.
///
/// Waits are bounded by [`PATIENCE`]; under a paused clock virtual time stands still while a probe
/// waits, since it waits for the kernel.
#[derive(Debug)]
pub struct Probe {
    wire: Wire,
    /// What was read and not yet taken apart.
    inbox: BytesMut,
    /// Everything that was read, as it came.
    read: Vec<Bytes>,
    /// What good manners have to send, where nobody waits for it to be sent.
    outbox: BytesMut,
    /// Whether sending or reading has told of a reset, which the kernel tells only once.
    reset: bool,
    seen: Vec<Seen>,
    http2: Option<Http2>,
}

impl Probe {
    /// Connects, over TCP or to a Unix socket.
    ///
    /// # Errors
    ///
    /// Those of the operating system: `ConnectionRefused` where nobody listens. `InvalidInput` if
    /// `addr` is a name that only its own network understands.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], if the connection is neither established nor refused.
    #[track_caller]
    pub fn connect(addr: impl Into<Addr>) -> impl Future<Output = io::Result<Self>> {
        Self::open(Location::caller(), addr.into(), None)
    }

    /// Connects with room for about so many bytes that came and that nobody has read
    /// (`SO_RCVBUF`; Linux doubles it, and takes no less than 2 KiB). The kernel has room for
    /// 16 KiB besides where Lamplighter serves on Linux, else for some megabytes. Without effect on a Unix
    /// socket, which has the sender's room alone.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_narrow(
        addr: impl Into<Addr>,
        receive_buffer: u32,
    ) -> impl Future<Output = io::Result<Self>> {
        Self::open(Location::caller(), addr.into(), Some(receive_buffer))
    }

    pub(crate) async fn open(
        here: &Location<'_>,
        addr: Addr,
        receive_buffer: Option<u32>,
    ) -> io::Result<Self> {
        let connect = Self::open_unbounded(&addr, receive_buffer);
        match bounded_at_rest(PATIENCE, connect).await {
            Some(connected) => connected,
            None => fail(
                here,
                &format!("waited {PATIENCE:?} for a connection to {addr}"),
            ),
        }
    }

    /// As [`connect_narrow`](Self::connect_narrow), for as long as the kernel tries.
    pub(crate) async fn open_unbounded(
        addr: &Addr,
        receive_buffer: Option<u32>,
    ) -> io::Result<Self> {
        Wire::connect(addr, receive_buffer).await.map(Self::with)
    }

    /// The probe on a connection of the standard library's, which blocked: its owner could send
    /// something and go on without giving the runtime a turn.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn of(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Wire::tcp(TcpStream::from_std(stream)?).map(Self::with)
    }

    /// The connection, blocking. What the probe had read and not taken is lost.
    ///
    /// # Errors
    ///
    /// Those of the operating system; `Unsupported` for a connection of a Unix socket.
    pub fn into_blocking(self) -> io::Result<std::net::TcpStream> {
        let stream = self.wire.into_tcp()?.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    fn with(wire: Wire) -> Self {
        Self {
            wire,
            inbox: BytesMut::new(),
            read: Vec::new(),
            outbox: BytesMut::new(),
            reset: false,
            seen: Vec::new(),
            http2: None,
        }
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of the operating system; `Unsupported` for a connection of a Unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.wire.local_addr()
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
            match bounded_at_rest(PATIENCE, self.wire.write_all(bytes)).await {
                Some(sent) => self.sends(sent),
                None => self.gave_up(here, "the server to read what was sent"),
            }
        }
    }

    /// Ends this side: the server reads an end of file after what was sent.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.wire.shutdown().await
    }

    /// Resets the connection: what a client does that is gone. What it had sent and the server has
    /// not read may be lost with it. A Unix socket knows no reset: its connection is closed.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn reset(self) -> io::Result<()> {
        self.wire.abort()
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

    /// Every byte that was read, exactly as it came, over HTTP/2 too.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.read.concat().into()
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
            let frame = self.frame();
            if !self.outbox.is_empty() {
                // The server may be gone already; what it said is seen all the same.
                let sent = self.wire.write_all_buf(&mut self.outbox).await;
                let _gone = self.sends(sent);
                self.outbox.clear();
            }
            if let Some(seen) = frame {
                return Ok(seen);
            }
            let mut came = BytesMut::with_capacity(ROOM);
            let length = self.wire.read_buf(&mut came).await;
            if let Some(seen) = self.takes(length.map(|_| came.freeze()))? {
                return Ok(seen);
            }
        }
    }

    /// What sending gave, a reset noted down: what is read after it looks like an orderly end.
    fn sends<T>(&mut self, sent: io::Result<T>) -> io::Result<T> {
        let kind = sent.as_ref().err().map(io::Error::kind);
        self.reset |= kind == Some(ErrorKind::ConnectionReset);
        sent
    }

    /// The next HTTP/2 frame of what was read; what good manners answer to it is in the outbox.
    fn frame(&mut self) -> Option<Seen> {
        let http2 = self.http2.as_ref()?;
        let (seen, reply) = http2.take_frame(&mut self.inbox)?;
        self.outbox.extend_from_slice(&reply);
        Some(seen)
    }

    /// Takes what a read gave, no bytes at the end; what is seen in it, if that can be said already.
    fn takes(&mut self, came: io::Result<Bytes>) -> io::Result<Option<Seen>> {
        match came {
            Ok(came) if came.is_empty() && self.reset => Ok(Some(Seen::Rst)),
            Ok(came) if came.is_empty() => Ok(Some(Seen::Fin)),
            Ok(came) => {
                self.inbox.extend_from_slice(&came);
                self.read.push(came.clone());
                Ok(self.http2.is_none().then_some(Seen::Bytes(came)))
            }
            Err(error) if RESET.contains(&error.kind()) => {
                self.reset = true;
                Ok(Some(Seen::Rst))
            }
            Err(error) => Err(error),
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

/// How many bytes one read takes at most.
const ROOM: usize = 16 * 1024;

/// What the operating system calls the end of a connection that was reset.
const RESET: [ErrorKind; 3] = [
    ErrorKind::ConnectionReset,
    ErrorKind::ConnectionAborted,
    ErrorKind::BrokenPipe,
];

/// How many characters of each thing that came a person gets to see.
const SHOWN: usize = 400;

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}
