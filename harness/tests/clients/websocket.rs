//! WebSockets over every kind of listener, and how they hear of an end.

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use lamplighter::ShutdownSignal;
use lamplighter_harness::{TestServer, TestServerBuilder};

use crate::{EVERYWHERE, everywhere, failure};

/// Echoes until the server drains, and says 1001 then; at `/deaf` it does not hear of it.
fn app() -> Router {
    let echo = |signal: ShutdownSignal, upgrade: WebSocketUpgrade| async {
        upgrade.on_upgrade(move |mut socket| async move {
            if signal.until_draining(echoes(&mut socket)).await.is_none() {
                let close = CloseFrame {
                    code: 1001,
                    reason: "".into(),
                };
                drop(socket.send(Message::Close(Some(close))).await);
                while let Some(Ok(_)) = socket.recv().await {}
            }
        })
    };
    let deaf = |upgrade: WebSocketUpgrade| async {
        upgrade.on_upgrade(|mut socket| async move { echoes(&mut socket).await })
    };
    Router::new()
        .route("/", get(echo))
        .route("/deaf", get(deaf))
}

async fn echoes(socket: &mut WebSocket) {
    // Read to its end: the answer to a close goes out with the next read.
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(_) = message {
            drop(socket.send(message).await);
        }
    }
}

async fn started(builder: TestServerBuilder) -> TestServer {
    builder.spawn(app()).await
}

#[tokio::test]
async fn a_websocket_opens_over_every_kind_of_listener_and_ends_as_it_should() {
    let server = started(everywhere()).await;
    let mut first = server.websocket("/").await;
    first.send("first").await;
    assert_eq!(first.text().await, "first");
    for name in EVERYWHERE {
        let mut socket = server.at(name).websocket("/").await;
        socket.send(name).await;
        assert_eq!(socket.text().await, name);
        assert_eq!(socket.close().await, Some(1000), "{name}");
    }
    let stop = server.handle().stop();
    assert_eq!(first.closed().await, Some(1001));
    assert!(stop.await.is_clean());
    assert_eq!(server.wait().await.connections().accepted, 4);
}

#[tokio::test]
async fn a_websocket_that_is_cut_has_ended_without_a_code() {
    let server = started(TestServer::builder()).await;
    let mut socket = server.websocket("/deaf").await;
    socket.send("open").await;
    assert_eq!(socket.text().await, "open");
    drop(server.handle().force());
    assert_eq!(socket.closed().await, None);
    assert_eq!(server.wait().await.outcome().cut, 1);
}

#[tokio::test]
async fn what_is_no_websocket_is_told_with_its_path_and_the_answer() {
    let server = started(TestServer::builder()).await;
    let said = failure(server.websocket("/nowhere")).await;
    assert!(said.contains("WebSocket /nowhere to 127.0.0.1:"), "{said}");
    assert!(
        said.contains("404") && said.contains("websocket.rs"),
        "{said}"
    );
    drop(server.stop().await);
}
