//! Clients that misbehave on demand, each in one line of a test.
//!
//! Those that do one thing wrong and then nothing are [`Probe`]s in the state that they are named
//! after; those that go on doing it a little at a time are [`Slow`].
//!
//! **Invariant:** what a client does wrong is all that it does wrong.

mod slow;
mod storm;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::panic::Location;

use lamplighter::Addr;

pub use slow::{Slow, SlowReader, SlowWriter};
pub use storm::{Afterwards, Storm};

use crate::patience::fail;
use crate::probe::{Manners, Probe, Seen};
use crate::test_server::TestServer;

/// Half of the head of a request for `/`. [`REST_OF_HEAD`] makes it whole.
pub const HALF_A_HEAD: &str = "GET / HTTP/1.1\r\nhost: pro";

/// What [`HALF_A_HEAD`] lacks.
pub const REST_OF_HEAD: &str = "be\r\n\r\n";

/// The preface of HTTP/2 (RFC 9113, 3.4) without its last six bytes. What makes it whole is
/// [`Probe::http2_from`].
pub const HALF_A_PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nS";

/// How many bytes the body has of [`Misbehave::half_a_body`], and how many of them are sent.
const BODY: usize = 1024;
const HALF_A_BODY: usize = BODY / 2;

/// How much room those have who do not read: the least that makes sense to a kernel.
const NARROW: u32 = 4 * 1024;

/// The clients that misbehave towards one server.
///
/// ```
/// # use axum::{Router, routing::get};
/// # use lamplighter_harness::{Seen, TestServer};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = TestServer::spawn(Router::new().route("/", get(|| async { "hello" }))).await;
/// let mut half = server.misbehave().half_a_head().await;
/// let report = server.stop().await;
/// assert!(report.is_clean());
/// assert_eq!(half.end().await, Seen::Fin);
/// # }
/// ```
///
/// A client ends when it is dropped. Whether the server has read by then what a client has sent is
/// the server's affair: a test that depends on it waits for what shows it.
#[derive(Clone, Debug)]
pub struct Misbehave {
    addr: Addr,
}

impl Misbehave {
    /// Clients of the server at this address: TCP, or the path of a Unix socket.
    pub fn towards(addr: impl Into<Addr>) -> Self {
        let addr = addr.into();
        Self { addr }
    }

    /// Connects and says nothing.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[track_caller]
    pub fn silent(&self) -> impl Future<Output = Probe> + use<> {
        self.says("")
    }

    /// Sends [half of the head of a request](HALF_A_HEAD).
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[track_caller]
    pub fn half_a_head(&self) -> impl Future<Output = Probe> + use<> {
        self.says(HALF_A_HEAD)
    }

    /// Sends [most of the preface of HTTP/2](HALF_A_PREFACE).
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[track_caller]
    pub fn half_a_preface(&self) -> impl Future<Output = Probe> + use<> {
        self.says(HALF_A_PREFACE)
    }

    /// Sends a POST to this path with the half of its body, 512 bytes of 1 KiB.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[track_caller]
    pub fn half_a_body(&self, path: &str) -> impl Future<Output = Probe> + use<> {
        let body = "x".repeat(HALF_A_BODY);
        let head = format!("POST {path} HTTP/1.1\r\nhost: probe\r\ncontent-length: {BODY}\r\n\r\n");
        self.says(&format!("{head}{body}"))
    }

    /// Speaks HTTP/2 with these manners, up to the acknowledgement of its own SETTINGS. Without
    /// good ones ([`Manners::NoSettingsAck`], [`Manners::NoPong`], [`Manners::Mute`]) it never
    /// answers what it is asked; nobody answers anything unless the test reads.
    ///
    /// # Panics
    ///
    /// If nobody listens, or nobody there speaks HTTP/2.
    #[track_caller]
    pub fn http2(&self, manners: Manners) -> impl Future<Output = Probe> + use<> {
        self.speaks_http2(Location::caller(), manners, None)
    }

    /// Asks for this path over HTTP/2 and lets the server send not one byte of a body: the window
    /// of each stream is none, and never widened. Answers PING.
    ///
    /// # Panics
    ///
    /// If nobody listens, or nobody there speaks HTTP/2.
    #[track_caller]
    pub fn never_granting(&self, path: &str) -> impl Future<Output = Probe> + use<> {
        let here = Location::caller();
        let connected = self.speaks_http2(here, Manners::Polite, Some(0));
        let path = path.to_owned();
        async move {
            let mut probe = connected.await;
            told(here, probe.open_stream(&path).await);
            probe
        }
    }

    /// Asks for this path over HTTP/1.1 and does not read, with room for 4 KiB of the answer.
    ///
    /// The server's kernel takes 16 KiB of it all the same where Lamplighter serves on Linux, else some
    /// megabytes: a body that is to stall is longer.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[track_caller]
    pub fn never_reading(&self, path: &str) -> impl Future<Output = Probe> + use<> {
        let here = Location::caller();
        let connected = self.connects(here, Some(NARROW));
        let path = path.to_owned();
        async move {
            let mut probe = connected.await;
            told(here, probe.request(&path).await);
            probe
        }
    }

    /// Asks for this path over HTTP/1.1 and ends its side; it still reads when the test does.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[track_caller]
    pub fn half_closing(&self, path: &str) -> impl Future<Output = Probe> + use<> {
        let here = Location::caller();
        let connected = self.connects(here, None);
        let path = path.to_owned();
        async move {
            let mut probe = connected.await;
            told(here, probe.request(&path).await);
            told(here, probe.finish().await);
            probe
        }
    }

    /// Sends a POST to this path with half of its body, and resets the connection at once. The
    /// server may see the reset without the request; where it is to have begun it, reset a
    /// [`half_a_body`](Self::half_a_body) at that moment.
    ///
    /// A Unix socket knows no reset: there the connection is closed.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[track_caller]
    pub fn reset_mid_request(&self, path: &str) -> impl Future<Output = ()> + use<> {
        let here = Location::caller();
        let half = self.half_a_body(path);
        async move { told(here, half.await.reset()) }
    }

    #[track_caller]
    fn says(&self, text: &str) -> impl Future<Output = Probe> + use<> {
        let here = Location::caller();
        let connected = self.connects(here, None);
        let text = text.to_owned();
        async move {
            let mut probe = connected.await;
            told(here, probe.send(text).await);
            probe
        }
    }

    fn speaks_http2(
        &self,
        here: &'static Location<'static>,
        manners: Manners,
        window: Option<u32>,
    ) -> impl Future<Output = Probe> + use<> {
        let connected = self.connects(here, None);
        async move {
            let mut probe = connected.await;
            told(here, probe.begin_http2(0, manners, window).await);
            let settled = |seen: &Seen| matches!(seen, Seen::Settings { ack: true });
            probe.until("its SETTINGS acknowledged", settled).await;
            probe
        }
    }

    fn connects(
        &self,
        here: &'static Location<'static>,
        receive_buffer: Option<u32>,
    ) -> impl Future<Output = Probe> + use<> {
        let addr = self.addr.clone();
        async move {
            match Probe::open(here, addr.clone(), receive_buffer).await {
                Ok(probe) => probe,
                Err(error) => fail(here, &format!("cannot connect to {addr}: {error}")),
            }
        }
    }
}

impl TestServer {
    /// Clients of this server that misbehave.
    #[must_use]
    pub fn misbehave(&self) -> Misbehave {
        Misbehave::towards(self.running().addr().clone())
    }
}

/// What a client could do that only a server that is gone can refuse.
fn told<T>(here: &Location<'_>, done: io::Result<T>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => fail(here, &format!("the server did not take it: {error}")),
    }
}
