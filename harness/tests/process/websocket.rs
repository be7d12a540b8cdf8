//! The quickstart's WebSocket: echoes, and says goodbye before the process ends.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use lamplighter::Signal;
use lamplighter_harness::within;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::quickstart;

pub(super) type Socket = WebSocketStream<TcpStream>;

pub(super) async fn connect(addr: SocketAddr) -> Result<Socket, Error> {
    let stream = TcpStream::connect(addr).await?;
    let upgrade = client_async(format!("ws://{addr}/ws"), stream);
    Ok(within("the upgrade", upgrade).await?.0)
}

/// The next message, whatever it is; `None` at the end.
pub(super) async fn next(socket: &mut Socket) -> Result<Option<Message>, Error> {
    within("a message", socket.next()).await.transpose()
}

/// The code of the close that a message is.
pub(super) fn close_code(message: Option<&Message>) -> Option<CloseCode> {
    match message {
        Some(Message::Close(Some(frame))) => Some(frame.code),
        _ => None,
    }
}

#[tokio::test]
async fn a_websocket_echoes_and_hears_1001_when_the_server_drains() {
    let process = quickstart().start();
    let mut socket = connect(process.ready().await).await.unwrap();
    for said in [Message::text("light"), Message::binary(vec![0, 1, 2])] {
        socket.send(said.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap(), Some(said));
    }

    process.signal(Signal::Sigterm);

    let goodbye = next(&mut socket).await.unwrap();
    assert_eq!(close_code(goodbye.as_ref()), Some(CloseCode::Away));
    assert_eq!(next(&mut socket).await.unwrap(), None);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert!(!exit.stdout.contains("cut"), "{exit}");
}

#[tokio::test]
async fn a_websocket_that_never_pauses_hears_1001_too() {
    let process = quickstart().start();
    let socket = connect(process.ready().await).await.unwrap();
    let (mut says, mut hears) = socket.split();
    let talking = tokio::spawn(async move {
        let word = Message::binary(vec![7; 16 * 1024]);
        while says.send(word.clone()).await.is_ok() {}
    });
    for _ in 0..100 {
        within("an echo", hears.next()).await.unwrap().unwrap();
    }

    process.signal(Signal::Sigterm);

    let goodbye = loop {
        let message = within("the goodbye", hears.next()).await.unwrap().unwrap();
        if message.is_close() {
            break message;
        }
    };
    assert_eq!(close_code(Some(&goodbye)), Some(CloseCode::Away));
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    within("the talk to end", talking).await.unwrap();
}

#[tokio::test]
async fn a_websocket_that_does_not_answer_the_goodbye_does_not_hold_the_process() {
    // An hour: it is not the deadline that ends this stop.
    let process = quickstart().env("GRACE_PERIOD_MS", 3_600_000).start();
    let mut socket = connect(process.ready().await).await.unwrap();
    socket.send(Message::text("light")).await.unwrap();
    assert_eq!(
        next(&mut socket).await.unwrap(),
        Some(Message::text("light"))
    );

    process.signal(Signal::Sigterm);

    // Nothing is read, so the library has nothing to answer.
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert!(!exit.stdout.contains("cut"), "{exit}");
    let goodbye = next(&mut socket).await.unwrap();
    assert_eq!(close_code(goodbye.as_ref()), Some(CloseCode::Away));
}
