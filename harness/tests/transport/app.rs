//! The application of the tests: a route for each way in which a request can hold a connection.
//!
//! **Invariant:** what is asked for decides how long it takes; nothing here waits by the clock.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::routing::{get, post};
use futures_util::stream::{self, StreamExt};
use lamplighter::ShutdownSignal;
use lamplighter_harness::Gate;

/// How much `/large` sends: far more than the kernel and HTTP/2 windows hold.
pub(crate) const LARGE: usize = 64 * 1024 * 1024;

/// How much `/page` sends: more than a reader with little room takes, and no more than the kernel takes for
/// it, which is 16 KiB and that room.
pub(crate) const PAGE: usize = 24 * 1024;

/// How much `/late` sends at once.
pub(crate) const PIECE: usize = 1024;

/// How much `/book` sends, all at once: more than the window of an HTTP/2 stream.
pub(crate) const BOOK: usize = 200_000;

/// `/held` waits at the gate, and so does `/held/{bytes}`, which then sends so many; `/late/{pieces}` says
/// `tick` before it waits there, and then sends so many of [`PIECE`] bytes. `/patient` waits until time is up.
pub(crate) fn app(gate: &Gate) -> Router {
    let held = {
        let gate = gate.clone();
        move || async move {
            gate.pass().await;
            "let go"
        }
    };
    let held_bytes = {
        let gate = gate.clone();
        move |Path(bytes): Path<usize>| async move {
            gate.pass().await;
            vec![b'h'; bytes]
        }
    };
    let late = {
        let gate = gate.clone();
        move |Path(pieces): Path<usize>| async move {
            let tick = stream::once(async move { chunk("tick") });
            let rest = stream::once(async move {
                gate.pass().await;
                stream::repeat(Ok(Bytes::from_static(&[b'h'; PIECE]))).take(pieces)
            });
            Body::from_stream(tick.chain(rest.flatten()))
        }
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/held", get(held))
        .route("/held/{bytes}", get(held_bytes))
        .route("/late/{pieces}", get(late))
        .route("/patient", get(patient))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/page", get(|| async { vec![b'p'; PAGE] }))
        .route("/book", get(|| async { vec![b'b'; BOOK] }))
        .route("/large", get(large))
        .route("/events", get(events))
        .route("/deaf", get(deaf))
        .route("/ws", get(websocket))
        .route("/ws/deaf", get(deaf_websocket))
}

async fn patient(signal: ShutdownSignal) -> &'static str {
    signal.cancelled().await;
    "time is up"
}

async fn large() -> Body {
    const CHUNK: Bytes = Bytes::from_static(&[b'x'; 64 * 1024]);
    let chunks = (0..LARGE / CHUNK.len()).map(|_| Ok::<_, Infallible>(CHUNK));
    Body::from_stream(stream::iter(chunks))
}

fn chunk(text: &'static str) -> Result<Bytes, Infallible> {
    Ok(Bytes::from_static(text.as_bytes()))
}

/// A stream that says goodbye when it hears that the server drains.
async fn events(signal: ShutdownSignal) -> Body {
    Body::from_stream(stream::unfold(0, move |said| {
        let signal = signal.clone();
        async move {
            match said {
                0 => Some((chunk("tick"), 1)),
                1 => {
                    signal.draining().await;
                    Some((chunk("bye"), 2))
                }
                _ => None,
            }
        }
    }))
}

/// A stream that hears nothing.
async fn deaf() -> Body {
    Body::from_stream(stream::unfold(0, |said| async move {
        if said > 0 {
            std::future::pending::<()>().await;
        }
        Some((chunk("tick"), said + 1))
    }))
}

/// Echoes until the server drains, then closes with 1001 and waits for the answer to that.
async fn websocket(upgrade: WebSocketUpgrade, signal: ShutdownSignal) -> axum::response::Response {
    upgrade.on_upgrade(|mut socket: WebSocket| async move {
        while !signal.is_draining() {
            match signal.until_draining(socket.recv()).await {
                Some(Some(Ok(message @ (Message::Text(_) | Message::Binary(_))))) => {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Some(Ok(_))) | None => {}
                Some(Some(Err(_)) | None) => return,
            }
        }
        let away = CloseFrame {
            code: close_code::AWAY,
            reason: "".into(),
        };
        if socket.send(Message::Close(Some(away))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    })
}

/// Reads as long as there is a socket, answers nothing, hears nothing of a stop.
async fn deaf_websocket(upgrade: WebSocketUpgrade) -> axum::response::Response {
    upgrade.on_upgrade(|mut socket: WebSocket| async move {
        while let Some(Ok(_)) = socket.recv().await {}
    })
}
