//! The quickstart's WebSocket: echoes, and says goodbye before the process ends.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::Request;
use futures_util::{SinkExt, StreamExt};
use lamplighter::Signal;
use lamplighter_harness::within;
use tokio::io::AsyncWriteExt;
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
async fn a_websocket_hears_what_is_wrong_with_what_it_sends() {
    let process = quickstart().start();
    let addr = process.ready().await;
    // Without the mask that a client's frames have; a piece of no message; text that is no UTF-8.
    // One byte more than 1 MiB: in one frame, whose head says so, and in two.
    let whole = b"\x82\xff\0\0\0\0\0\x10\0\x01\0\0\0\0 and so on";
    let mut pieces = b"\x02\xff\0\0\0\0\0\x10\0\0\0\0\0\0".to_vec();
    pieces.resize(14 + 0x10_0000, 0);
    pieces.extend(b"\x80\x81\0\0\0\0\0");
    let wrong: [(&[u8], CloseCode); 5] = [
        (b"\x81\x05light", CloseCode::Protocol),
        (b"\x80\x80\0\0\0\0", CloseCode::Protocol),
        (b"\x81\x82\0\0\0\0\xc3\x28", CloseCode::Invalid),
        (whole, CloseCode::Size),
        (&pieces, CloseCode::Size),
    ];
    for (bytes, wrong) in wrong {
        let mut socket = connect(addr).await.unwrap();
        socket.get_mut().write_all(bytes).await.unwrap();
        let goodbye = next(&mut socket).await.unwrap();
        let code = close_code(goodbye.as_ref());
        assert_eq!(code, Some(wrong), "{:?}", bytes.get(..14));
    }
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
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

/// The next bytes of a stream; `None` at its end.
async fn data(body: &mut h2::RecvStream) -> Result<Option<Bytes>, h2::Error> {
    within("bytes of a stream", body.data()).await.transpose()
}

#[tokio::test]
async fn a_websocket_over_http2_echoes_and_hears_1001_as_one_over_http1() {
    // Frames as RFC 6455, 5.2, lays them out: a client's have a mask, here one that changes nothing.
    const SAYS_LIGHT: &[u8] = b"\x81\x85\0\0\0\0light";
    const HEARS_LIGHT: &[u8] = b"\x81\x05light";
    const HEARS_1001: &[u8] = b"\x88\x14\x03\xe9server is stopping";
    const SAYS_1001: &[u8] = b"\x88\x82\0\0\0\0\x03\xe9";
    let process = quickstart().start();
    let addr = process.ready().await;
    let stream = TcpStream::connect(addr).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = within("a stream", client.ready()).await.unwrap();
    // The server's settings, which allow it (RFC 8441, 3), come before any answer.
    let request = Request::get(format!("http://{addr}/")).body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    within("an answer", answer).await.unwrap();
    let mut request = Request::connect(format!("http://{addr}/ws"));
    let protocol = h2::ext::Protocol::from_static("websocket");
    request.extensions_mut().unwrap().insert(protocol);
    let request = request.header("sec-websocket-version", "13");
    let (answer, mut says) = client
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    let answer = within("the upgrade", answer).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut hears = answer.into_body();
    says.send_data(SAYS_LIGHT.into(), false).unwrap();
    assert_eq!(data(&mut hears).await.unwrap().unwrap(), HEARS_LIGHT);

    process.signal(Signal::Sigterm);

    assert_eq!(data(&mut hears).await.unwrap().unwrap(), HEARS_1001);
    says.send_data(SAYS_1001.into(), true).unwrap();
    let rest = data(&mut hears).await.unwrap();
    assert!(rest.unwrap_or_default().is_empty() && hears.is_end_stream());
    drop((client, says));
    within("the connection to end", connection)
        .await
        .unwrap()
        .unwrap();
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert!(!exit.stdout.contains("cut"), "{exit}");
}
