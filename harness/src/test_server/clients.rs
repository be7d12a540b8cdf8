//! The clients of a test server: those that behave, and where they go in.
//!
//! **Invariant:** a client belongs to one listener of one server, and keeps none alive.

use std::future::Future;
use std::panic::Location;

use lamplighter::Addr;
#[cfg(feature = "grpc")]
use tonic::transport::Channel;

use super::TestServer;
use super::home::Waiting;
#[cfg(feature = "websocket")]
use crate::client::WebSocket;
use crate::client::{Client, Clock, Door, Memory, Version};
use crate::misbehave::Misbehave;
use crate::patience::fail;
use crate::probe::{Answer, Probe};

/// The clients of one listener: of the first one those of [`TestServer`] itself, of others by
/// [`TestServer::at`].
#[derive(Clone, Debug)]
pub struct Clients {
    addr: Addr,
    clock: Clock,
}

impl Clients {
    /// A client over HTTP/1.1. Connects with its first request.
    #[must_use]
    pub fn http1(&self) -> Client {
        Client::new(self.door(), Version::Http1, self.clock)
    }

    /// A client over HTTP/2 without TLS, by prior knowledge. Connects with its first request.
    #[must_use]
    pub fn http2(&self) -> Client {
        Client::new(self.door(), Version::Http2, self.clock)
    }

    /// tonic's channel to the server. Connects with its first call, and again when it has lost its
    /// connection.
    ///
    /// A call over it is bounded as every call of tonic's is: not at all, unless the test says so,
    /// with [`within`](crate::within) say.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[cfg(feature = "grpc")]
    #[must_use]
    #[track_caller]
    pub fn grpc(&self) -> Channel {
        crate::client::channel(self.door(), self.clock).unwrap_or_else(|error| {
            fail(
                Location::caller(),
                &format!("no channel to {}: {error}", self.addr),
            )
        })
    }

    /// Opens a WebSocket at a path.
    ///
    /// # Panics
    ///
    /// If it does not open in time, with the [`ClientError`](crate::ClientError).
    #[cfg(feature = "websocket")]
    #[track_caller]
    pub fn websocket(&self, path: &str) -> impl Future<Output = WebSocket> + Send + use<> {
        let here = Location::caller();
        let (door, clock, path) = (self.door(), self.clock, path.to_owned());
        async move {
            let opened = WebSocket::open(door, &path, clock).await;
            opened.unwrap_or_else(|error| fail(here, &error.to_string()))
        }
    }

    /// Asks for a path, over HTTP/1.1 on a connection of its own, which ends with the answer.
    ///
    /// # Panics
    ///
    /// If the server is not there or gives no answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Answer> + use<> {
        let here = Location::caller();
        let probe = self.probe();
        let path = path.to_owned();
        async move {
            let mut probe = probe.await;
            if let Err(error) = probe.request(&path).await {
                fail(here, &format!("cannot ask for {path}: {error}"));
            }
            probe.answer().await
        }
    }

    /// A connection to it, byte by byte.
    ///
    /// # Panics
    ///
    /// If the server is not there.
    #[track_caller]
    pub fn probe(&self) -> impl Future<Output = Probe> + use<> {
        let here = Location::caller();
        let addr = self.addr.clone();
        async move {
            match Probe::connect(addr.clone()).await {
                Ok(probe) => probe,
                Err(error) => fail(here, &format!("cannot connect to {addr}: {error}")),
            }
        }
    }

    /// The clients that misbehave.
    #[must_use]
    pub fn misbehave(&self) -> Misbehave {
        Misbehave::towards(self.addr.clone())
    }

    fn door(&self) -> Door {
        Door::Socket(self.addr.clone())
    }
}

// The first listener's.
impl TestServer {
    /// The clients of the listener of this name.
    ///
    /// ```
    /// # use axum::{Router, routing::get};
    /// # use lamplighter_harness::TestServer;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let app = Router::new().route("/", get(|| async { "hello" }));
    /// let server = TestServer::builder().listen("[::1]:0").unix("local").spawn(app).await;
    /// assert_eq!(server.at("local").http2().get("/").await.text().await, "hello");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If no listener has it.
    #[must_use]
    #[track_caller]
    pub fn at(&self, name: &str) -> Clients {
        let Some(addr) = self.addr_of(name) else {
            let first = self.running.addr();
            fail(
                Location::caller(),
                &format!("no listener is named {name:?}; the first one is on {first}"),
            )
        };
        self.clients_of(addr)
    }

    /// A client over HTTP/1.1, of the first listener. See [`Clients::http1`].
    #[must_use]
    pub fn http1(&self) -> Client {
        self.first().http1()
    }

    /// A client over HTTP/2, of the first listener. See [`Clients::http2`].
    #[must_use]
    pub fn http2(&self) -> Client {
        self.first().http2()
    }

    /// tonic's channel to the first listener. See [`Clients::grpc`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[cfg(feature = "grpc")]
    #[must_use]
    #[track_caller]
    pub fn grpc(&self) -> Channel {
        self.first().grpc()
    }

    /// Opens a WebSocket at a path of the first listener.
    ///
    /// # Panics
    ///
    /// If it does not open in time, with the [`ClientError`](crate::ClientError).
    #[cfg(feature = "websocket")]
    #[track_caller]
    pub fn websocket(&self, path: &str) -> impl Future<Output = WebSocket> + Send + use<> {
        self.first().websocket(path)
    }

    /// Asks the first listener for a path, over HTTP/1.1 on a connection of its own, which ends with
    /// the answer.
    ///
    /// # Panics
    ///
    /// If the server is not there or gives no answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Answer> + use<> {
        self.first().get(path)
    }

    /// A connection to the first listener, byte by byte.
    ///
    /// # Panics
    ///
    /// If the server is not there.
    #[track_caller]
    pub fn probe(&self) -> impl Future<Output = Probe> + use<> {
        self.first().probe()
    }

    /// A client without a socket, over HTTP/2 in memory, to a listener that the server is given beside
    /// its own when this is first called.
    ///
    /// Everything but the socket is as in production: its connections and requests are in the report,
    /// and are drained as all others. The one to take where time is virtual, since all of it moves by
    /// the test's clock; and for the clients of generated code, `GreeterClient::new(server.in_process())`.
    /// Each call gives a client with a connection of its own.
    ///
    /// # Panics
    ///
    /// If the server has closed its listeners.
    #[must_use]
    #[track_caller]
    pub fn in_process(&self) -> Client {
        let mut held = self.dialler.lock().unwrap_or_else(|held| held.into_inner());
        let dialler = match &*held {
            Some(dialler) => dialler.clone(),
            None => {
                let (dialler, memory) = Memory::new();
                if let Err(error) = self.handle().accept_from(memory) {
                    drop(held);
                    fail(Location::caller(), &error.to_string());
                }
                held.insert(dialler).clone()
            }
        };
        let clock = Clock {
            waiting: self.home.waiting(),
            patience: self.patience,
        };
        Client::new(Door::Memory(dialler), Version::Http2, clock)
    }

    fn first(&self) -> Clients {
        self.clients_of(self.running.addr())
    }

    fn clients_of(&self, addr: &Addr) -> Clients {
        let clock = Clock {
            // The kernel is waited for, whoever's clock the server has.
            waiting: Waiting::Elsewhere,
            patience: self.patience,
        };
        Clients {
            addr: addr.clone(),
            clock,
        }
    }
}
