//! HTTP/2 clients: requests side by side on one connection, by h2's client.
//!
//! **Invariant:** once the server has said GOAWAY no further request is asked; those that were asked
//! go on.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Method, Uri};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::dialled;
use super::eyes::Eyes;
use super::manners::{Mannered, Manners};
use super::socket::FILLING;
use super::tap::{EndIsTold, Ending, Tap};
use crate::host::Dial;
use crate::scenario::{HandlerDoes, Request, RequestId, millis};
use crate::trace::{Break, ClientSaw};

/// Asks each request at its time, and goes away when all are settled.
pub(super) async fn asks<D: Dial>(eyes: &Eyes, dial: &D, requests: &[Request]) {
    let Some(io) = dialled(eyes, dial).await else {
        return;
    };
    let ending = Ending::default();
    let io = Tap::new(io, eyes, &ending, EndIsTold::Later);
    let Some((sender, connection)) = shakes_hands(eyes, io).await else {
        return;
    };
    let mut after_ms = 0;
    let exchanges = join_all((0..).zip(requests).map(|(number, request)| {
        after_ms += request.gap_ms;
        Exchange {
            eyes,
            ending: &ending,
            number,
            request: *request,
        }
        .carried_out(sender.clone(), after_ms)
    }));
    lives(connection, async move {
        exchanges.await;
        drop(sender);
    })
    .await;
    told(eyes, &ending);
}

/// Asks once, and stays; something that it owes the server never comes.
pub(super) async fn misbehaves<D: Dial>(eyes: &Eyes, dial: &D, manners: Manners) {
    let Some(io) = dialled(eyes, dial).await else {
        return;
    };
    let ending = Ending::default();
    let io = Mannered::new(Tap::new(io, eyes, &ending, EndIsTold::Later), manners);
    let Some((sender, connection)) = shakes_hands(eyes, io).await else {
        return;
    };
    let exchange = Exchange {
        eyes,
        ending: &ending,
        number: 0,
        request: Request::default(),
    };
    lives(connection, async move {
        exchange.carried_out(sender.clone(), 0).await;
        pending::<()>().await;
    })
    .await;
    told(eyes, &ending);
}

fn told(eyes: &Eyes, ending: &Ending) {
    if let Some(end) = ending.seen() {
        eyes.saw_end(end);
    }
}

/// Sends what every connection begins with; nobody waits for the server's part of it.
async fn shakes_hands<Io: AsyncRead + AsyncWrite + Unpin>(
    eyes: &Eyes,
    io: Io,
) -> Option<(SendRequest<Bytes>, Connection<Io, Bytes>)> {
    let begun = Builder::new().enable_push(false).handshake(io).await;
    if begun.is_err() {
        // It can only have failed to write.
        eyes.saw(ClientSaw::Reset);
    }
    begun.ok()
}

/// Carries the exchanges out on their connection: to the end of both, or of the connection, with which
/// every exchange that has begun is settled.
async fn lives<Io: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<Io, Bytes>,
    exchanges: impl Future<Output = ()>,
) {
    let mut exchanges = pin!(exchanges);
    let mut going_on = true;
    poll_fn(|cx| {
        let ended = pin!(&mut connection).poll(cx).is_ready();
        if going_on {
            going_on = exchanges.as_mut().poll(cx).is_pending();
        }
        if ended {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// One request and what becomes of it.
struct Exchange<'a> {
    eyes: &'a Eyes,
    ending: &'a Ending,
    number: u16,
    request: Request,
}

impl Exchange<'_> {
    async fn carried_out(self, sender: SendRequest<Bytes>, after_ms: u32) {
        if after_ms > 0 {
            sleep(millis(after_ms)).await;
        }
        // Without a connection that takes it, it is never asked.
        let Ok(mut sender) = sender.ready().await else {
            return;
        };
        let whole = self.request.send_bytes == 0;
        let Ok((answer, body)) = sender.send_request(self.head(), whole) else {
            return;
        };
        drop(sender);
        self.eyes.saw(ClientSaw::Asked(self.number));
        let mut bytes = 0;
        let settled = {
            let mut sending = pin!(sends(body, self.request.send_bytes));
            let mut answering = pin!(self.answered(answer, &mut bytes));
            let mut sent = false;
            poll_fn(|cx| {
                sent = sent || sending.as_mut().poll(cx).is_ready();
                answering.as_mut().poll(cx)
            })
            .await
        };
        let request = self.number;
        self.eyes.saw(match settled {
            Ok(status) => ClientSaw::Answered {
                request,
                status,
                grpc: None,
                bytes,
            },
            Err(error) => ClientSaw::Lost {
                request,
                why: why(&error, self.ending),
                bytes,
            },
        });
    }

    fn head(&self) -> http::Request<()> {
        let id = RequestId {
            client: self.eyes.client(),
            request: self.number,
        };
        let mut head = http::Request::new(());
        if self.request.send_bytes > 0 {
            *head.method_mut() = Method::POST;
        }
        // Two numbers and slashes: it is an address.
        *head.uri_mut() = Uri::try_from(format!("http://sim{}", id.path())).unwrap_or_default();
        head
    }

    /// Reads the whole answer; its status.
    async fn answered(&self, answer: ResponseFuture, bytes: &mut u64) -> Result<u16, h2::Error> {
        let (head, mut body) = answer.await?.into_parts();
        let status = head.status.as_u16();
        self.eyes.saw(ClientSaw::Head {
            request: self.number,
            status,
        });
        while let Some(piece) = next_piece(&mut body).await? {
            *bytes += u64::from(piece);
            if matches!(self.request.does, HandlerDoes::Stream { .. }) {
                self.eyes.saw(ClientSaw::Message(piece));
            }
        }
        body.trailers().await?;
        Ok(status)
    }
}

async fn next_piece(body: &mut RecvStream) -> Result<Option<u32>, h2::Error> {
    let Some(piece) = body.data().await.transpose()? else {
        return Ok(None);
    };
    body.flow_control().release_capacity(piece.len())?;
    Ok(Some(u32::try_from(piece.len()).unwrap_or(u32::MAX)))
}

/// Sends a body, as far as the server wants it.
async fn sends(mut body: SendStream<Bytes>, mut left: u32) {
    while left > 0 {
        let most = u32::try_from(FILLING.len()).unwrap_or(u32::MAX);
        body.reserve_capacity(left.min(most) as usize);
        let Some(Ok(room)) = poll_fn(|cx| body.poll_capacity(cx)).await else {
            return;
        };
        let piece = FILLING.get(..room.min(left as usize)).unwrap_or(&FILLING);
        left -= u32::try_from(piece.len()).unwrap_or(left);
        if body
            .send_data(Bytes::from_static(piece), left == 0)
            .is_err()
        {
            return;
        }
    }
}

/// What stands behind an error of a stream that was asked on.
pub(super) fn why(error: &h2::Error, ending: &Ending) -> Break {
    if error.is_go_away() && error.is_remote() {
        return Break::Unprocessed;
    }
    match (error.reason(), ending.seen()) {
        (Some(code), _) if error.is_reset() => Break::Stream(code.into()),
        (_, Some(end)) if error.is_io() => end.into(),
        _ => Break::Broken,
    }
}
