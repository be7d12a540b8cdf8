//! A visitor: a client of one's own, and what it is given of its world.
//!
//! **Invariant:** what it sees of the server goes into the trace without its doing.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::Line;
use super::host::place;
use crate::trace::{Break, ClientSaw, Note, Trace, Who};
use crate::world::cast::Ways;

/// What a visitor does, made anew for each of its visits.
pub(super) type Visitor =
    Arc<dyn Fn(Visit) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// One visit of a client: its own eyes and its ways to the hosts.
#[derive(Debug)]
pub struct Visit {
    pub(super) client: u16,
    pub(super) names: Arc<[String]>,
    pub(super) trace: Trace,
    pub(super) ways: Ways,
    pub(super) asked: AtomicU16,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// There was no connection to be had.
    #[error("no connection: {0}")]
    Refused(#[source] io::Error),
    /// The connection ended before the whole answer was there.
    #[error("no whole answer: {0}")]
    Lost(#[source] hyper::Error),
}

impl Visit {
    /// Which client of the case it is, from 0.
    #[must_use]
    pub const fn client(&self) -> u16 {
        self.client
    }

    /// Writes down that it did `what` to the thing with this number: for laws of one's own.
    pub fn note(&self, what: &'static str, of: u64) {
        self.saw(Note { what, of });
    }

    /// Connects to the service.
    ///
    /// # Errors
    ///
    /// When it does not listen, or the network does not let it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    pub async fn connect(&self) -> io::Result<Line> {
        self.dial(0).await
    }

    /// Connects to the host of this name.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and when there is no such host.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    pub async fn connect_to(&self, name: &str) -> io::Result<Line> {
        self.dial(place(&self.names, name)?).await
    }

    async fn dial(&self, host: u16) -> io::Result<Line> {
        self.saw(ClientSaw::Dialled);
        let dialled = self.ways.dial(host).await;
        self.saw(match &dialled {
            Ok(_) => ClientSaw::Connected,
            Err(error) => ClientSaw::Refused(error.kind()),
        });
        dialled
    }

    /// Asks this over HTTP/1.1, on a connection of its own, and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// When there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, AskError> {
        self.open().await?.ask(request).await
    }

    /// A connection to the service that is kept alive, for one request after another over HTTP/1.1.
    ///
    /// # Errors
    ///
    /// When there is none to be had.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    pub async fn open(&self) -> Result<Conversation<'_>, AskError> {
        let line = self.connect().await.map_err(AskError::Refused)?;
        let handshake = http1::handshake(TokioIo::new(line)).await;
        let (sender, connection) = handshake.map_err(AskError::Lost)?;
        Ok(Conversation {
            visit: self,
            sender,
            connection: Some(Box::pin(connection)),
        })
    }

    fn saw(&self, what: impl Into<crate::trace::WhatHappened>) {
        self.trace.record(Who::Client(self.client), what);
    }
}

type Connection = http1::Connection<TokioIo<Line>, Full<Bytes>>;

/// A connection that is kept alive: [`Visit::open`]. Dropping it closes it.
#[derive(Debug)]
pub struct Conversation<'a> {
    visit: &'a Visit,
    sender: SendRequest<Full<Bytes>>,
    /// Polled with each exchange; `None` once it has ended.
    connection: Option<Pin<Box<Connection>>>,
}

impl Conversation<'_> {
    /// Asks this, and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// When there is none: the connection is over.
    ///
    /// # Cancel safety
    ///
    /// Not to be used further where the future was dropped.
    pub async fn ask(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, AskError> {
        let Self {
            visit,
            sender,
            connection,
        } = self;
        let number = visit.asked.fetch_add(1, Ordering::Relaxed);
        visit.saw(ClientSaw::Asked(number));
        let mut bytes = 0;
        let answered = {
            let exchange = async {
                let answer = sender.send_request(request.map(Full::new)).await?;
                let status = answer.status().as_u16();
                visit.saw(ClientSaw::Head {
                    request: number,
                    status,
                });
                let (head, mut body) = answer.into_parts();
                let mut whole = Vec::new();
                while let Some(frame) = body.frame().await {
                    if let Ok(data) = frame?.into_data() {
                        bytes += data.len() as u64;
                        whole.extend_from_slice(&data);
                    }
                }
                Ok(Response::from_parts(head, Bytes::from(whole)))
            };
            beside(connection, exchange).await
        };
        visit.saw(match &answered {
            Ok(answer) => ClientSaw::Answered {
                request: number,
                status: answer.status().as_u16(),
                grpc: None,
                bytes,
            },
            Err(_) => ClientSaw::Lost {
                request: number,
                why: Break::Broken,
                bytes,
            },
        });
        answered.map_err(AskError::Lost)
    }
}

/// Waits for `exchange` while the connection does its work.
async fn beside<T>(
    connection: &mut Option<Pin<Box<Connection>>>,
    exchange: impl Future<Output = T>,
) -> T {
    let mut exchange = pin!(exchange);
    loop {
        let Some(works) = connection else {
            // What it has left over tells the exchange how it ends.
            return exchange.await;
        };
        tokio::select! {
            biased;
            done = exchange.as_mut() => return done,
            _ended = works.as_mut() => *connection = None,
        }
    }
}
