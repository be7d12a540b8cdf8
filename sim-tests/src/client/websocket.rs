//! A WebSocket (RFC 6455) that counts on an echo.
//!
//! **Invariant:** a close is answered by one close, and after its own the client says nothing.

mod frame;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::answer::KEY;
use super::asked::{Asked, Pieces, look_on};
use super::connected;
use super::eyes::Eyes;
use super::socket::Socket;
use crate::host::Dial;
use crate::scenario::{RequestId, millis};
use crate::trace::ClientSaw;

/// Sends messages, each a while after the one before it; closes after the last echo, or when the
/// server does.
pub(super) async fn talks<D: Dial>(eyes: &Eyes, dial: &D, messages: u16, every_ms: u32) {
    let Some(socket) = connected(eyes, dial).await else {
        return;
    };
    let mut talk = Talk {
        eyes,
        socket,
        frames: 0,
        echoes: 0,
        state: State::Open,
    };
    if talk.begins().await {
        talk.goes_on(messages, every_ms).await;
    }
    look_on(eyes, &mut talk.socket, 1).await;
}

struct Talk<'a, Io> {
    eyes: &'a Eyes,
    socket: Socket<Io>,
    /// Frames sent so far: no two have one mask.
    frames: u64,
    /// Messages that came back.
    echoes: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The client has closed, and waits for the answer to that.
    Closing,
    /// Both have closed.
    Closed,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Talk<'_, Io> {
    /// Whether the server takes it up.
    async fn begins(&mut self) -> bool {
        let id = RequestId {
            client: self.eyes.client(),
            request: 0,
        };
        self.socket.say(format!(
            "GET /{id} HTTP/1.1\r\nhost: sim\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
        ));
        self.eyes.saw(ClientSaw::Asked(0));
        let mut asked = Asked::new(0, Pieces::Untold);
        while asked.take(self.eyes, &mut self.socket).is_none() {
            if let Err(end) = self.socket.came().await {
                asked.ended(self.eyes, end);
                return false;
            }
        }
        asked.head().is_some_and(|head| head.accepts)
    }

    async fn goes_on(&mut self, messages: u16, every_ms: u32) {
        let mut next = Instant::now() + millis(every_ms);
        let mut sent = 0;
        loop {
            self.listens();
            if self.state == State::Open && self.echoes == messages {
                self.sends(frame::CLOSE, &NORMAL.to_be_bytes());
                self.state = State::Closing;
            }
            let came = match self.state {
                State::Closed => return,
                State::Open if sent < messages => self.socket.came_until(next).await,
                State::Open | State::Closing => Some(self.socket.came().await),
            };
            match came {
                Some(Ok(())) => {}
                Some(Err(end)) => return self.eyes.saw_end(end),
                None => {
                    self.sends(frame::TEXT, sent.to_string().as_bytes());
                    next += millis(every_ms);
                    sent += 1;
                }
            }
        }
    }

    /// Takes in what has come.
    fn listens(&mut self) {
        while let Some(frame) = frame::take(&mut self.socket.inbox) {
            match frame.opcode {
                frame::TEXT => {
                    let length = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
                    self.eyes.saw(ClientSaw::Message(length));
                    self.echoes += 1;
                }
                frame::PING => self.sends(frame::PONG, &frame.payload),
                frame::CLOSE => {
                    let code = frame.close_code();
                    self.eyes.saw(ClientSaw::Closed {
                        code: code.unwrap_or(NO_CODE),
                    });
                    if self.state == State::Open {
                        let code = code.map(u16::to_be_bytes);
                        self.sends(frame::CLOSE, code.as_ref().map_or(&[], |code| code));
                    }
                    self.state = State::Closed;
                }
                _ => {}
            }
        }
    }

    fn sends(&mut self, opcode: u8, payload: &[u8]) {
        let key = frame::key(u64::from(self.eyes.client()), self.frames);
        self.frames += 1;
        self.socket.say(frame::masked(opcode, payload, key));
    }
}

/// The close codes of an ordinary end, and of a close without one (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;
const NO_CODE: u16 = 1005;
