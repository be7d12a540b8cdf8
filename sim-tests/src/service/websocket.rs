//! WebSockets: every text message is sent back; at a drain the server closes with 1001.
//!
//! **Invariant:** whoever upgrades is in flight until both sides have closed.

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use futures_util::{SinkExt, StreamExt};

use super::Stage;
use super::body::ScriptBody;
use super::handler::{Heard, Script, next};
use super::plain::not_found;
use crate::scenario::{Request as Asked, RequestId};
use crate::trace::HandlerSaw;

/// Answers 101, and echoes from then on.
pub(super) fn upgrade(
    stage: &Stage,
    id: RequestId,
    mut request: Request<Incoming>,
) -> Response<ScriptBody> {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        return not_found();
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let Ok(accept) = accept else {
        return not_found();
    };
    let script = Script::begin(stage.clone(), id, Asked::default());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut script = script;
        match upgraded.await {
            Ok(upgraded) => echo(script, upgraded).await,
            Err(_) => script.ends(HandlerSaw::Dropped),
        }
    });
    let mut response = Response::new(ScriptBody::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

async fn echo(mut script: Script, upgraded: Upgraded) {
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    script.saw(HandlerSaw::Answered);
    let signal = script.signal.clone();
    loop {
        let said = async {
            match &signal {
                Some(signal) => next(signal, script.heard).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            heard = said => {
                script.hear(heard);
                if heard == Heard::Draining {
                    let close = CloseFrame { code: CloseCode::Away, reason: "".into() };
                    if socket.close(Some(close)).await.is_err() {
                        break;
                    }
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    // Refused once the close was said, which ends this by itself.
                    drop(socket.send(Message::Text(text)).await);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    script.ends(HandlerSaw::Finished);
}
