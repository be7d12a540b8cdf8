//! A client on a WebSocket, by tungstenite.
//!
//! **Invariant:** every wait is bounded, and says which WebSocket it was for.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Clock;
use super::door::{BoxStream, Door};
use super::error::{ClientError, ClientFailure};
use crate::patience::fail;

/// An open WebSocket.
///
/// ```
/// # use axum::{Router, extract::ws::{Message, WebSocket, WebSocketUpgrade}, routing::get};
/// # use lamplighter_harness::TestServer;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// async fn echo(mut socket: WebSocket) {
///     // Read to its end: the answer to a close goes out with the next read.
///     while let Some(Ok(message)) = socket.recv().await {
///         if let Message::Text(_) = message {
///             drop(socket.send(message).await);
///         }
///     }
/// }
/// let upgrade = |upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) };
/// let server = TestServer::spawn(Router::new().route("/ws", get(upgrade))).await;
/// let mut socket = server.websocket("/ws").await;
/// socket.send("hello").await;
/// assert_eq!(socket.text().await, "hello");
/// assert_eq!(socket.close().await, Some(1000));
/// # }
/// ```
pub struct WebSocket {
    stream: WebSocketStream<BoxStream>,
    told: Arc<str>,
    clock: Clock,
}

impl WebSocket {
    pub(crate) async fn open(door: Door, path: &str, clock: Clock) -> Result<Self, ClientError> {
        let told: Arc<str> = format!("WebSocket {path} to {door}").into();
        let url = format!("ws://{}{path}", door.authority());
        let opened = clock.bound(async {
            let stream = door.open().await.map_err(ClientFailure::Connect)?;
            let opened = tokio_tungstenite::client_async(url, stream).await;
            opened.map_err(failed)
        });
        match opened.await {
            Ok((stream, _)) => Ok(Self {
                stream,
                told,
                clock,
            }),
            Err(failure) => Err(ClientError::new(told, failure)),
        }
    }

    /// Sends a message: text, bytes, or any [`Message`](tokio_tungstenite::tungstenite::Message).
    ///
    /// # Panics
    ///
    /// If it cannot be sent in time, with the [`ClientError`].
    #[track_caller]
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = ()> + Send {
        let here = Location::caller();
        let message = message.into();
        async move {
            let stream = &mut self.stream;
            let sent = async move { stream.send(message).await.map_err(failed) };
            let sent = self.clock.bound(sent).await;
            sent.unwrap_or_else(|failure| self.fails(here, failure))
        }
    }

    /// The next message, close and pings included; `None` once the connection has ended in order.
    ///
    /// # Errors
    ///
    /// If neither comes in time; if the connection was reset, or is none of WebSocket.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        let stream = &mut self.stream;
        let came = async move { stream.next().await.transpose().map_err(failed) };
        let came = self.clock.bound(came).await;
        came.map_err(|failure| ClientError::new(Arc::clone(&self.told), failure))
    }

    /// The next message, which has to be text; pings and pongs are passed over.
    ///
    /// # Panics
    ///
    /// If something else comes, or nothing in time, with what it was.
    #[track_caller]
    pub fn text(&mut self) -> impl Future<Output = String> + Send {
        let here = Location::caller();
        async move {
            loop {
                match self.next().await {
                    Ok(Some(Message::Text(text))) => return text.as_str().to_owned(),
                    Ok(Some(Message::Ping(_) | Message::Pong(_))) => {}
                    Ok(other) => fail(
                        here,
                        &format!("{}: waited for text, and {other:?} came", self.told),
                    ),
                    Err(error) => fail(here, &error.to_string()),
                }
            }
        }
    }

    /// Reads on to the end, passing over what comes before it; resolves with the code of the server's
    /// close (RFC 6455, 7.4), such as 1001 when it goes away; `None` if it ended without one: it was
    /// cut, or said no code.
    ///
    /// # Panics
    ///
    /// If the end does not come in time.
    #[track_caller]
    pub fn closed(mut self) -> impl Future<Output = Option<u16>> + Send {
        let here = Location::caller();
        async move {
            let mut code = None;
            loop {
                match self.next().await {
                    Ok(Some(Message::Close(close))) => {
                        code = close.map(|close| u16::from(close.code));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => return code,
                    Err(error) if matches!(error.failure(), ClientFailure::WebSocket(_)) => {
                        return code;
                    }
                    Err(error) => fail(here, &error.to_string()),
                }
            }
        }
    }

    /// Says goodbye (1000) and waits for the end, as [`closed`](Self::closed) does.
    ///
    /// # Panics
    ///
    /// If it cannot be said, or the end does not come in time.
    #[track_caller]
    pub fn close(mut self) -> impl Future<Output = Option<u16>> + Send {
        let here = Location::caller();
        async move {
            let close = tokio_tungstenite::tungstenite::protocol::CloseFrame {
                code: CloseCode::Normal,
                reason: "".into(),
            };
            let stream = &mut self.stream;
            let said = async move { stream.close(Some(close)).await.map_err(failed) };
            if let Err(failure) = self.clock.bound(said).await {
                self.fails(here, failure);
            }
            self.closed().await
        }
    }

    fn fails(&self, here: &Location<'_>, failure: ClientFailure) -> ! {
        let error = ClientError::new(Arc::clone(&self.told), failure);
        fail(here, &error.to_string())
    }
}

fn failed(error: tokio_tungstenite::tungstenite::Error) -> ClientFailure {
    ClientFailure::WebSocket(Box::new(error))
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("to", &self.told)
            .finish_non_exhaustive()
    }
}
