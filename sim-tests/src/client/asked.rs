//! One HTTP/1.1 request of a client, and what becomes of it.
//!
//! **Invariant:** of every request that was asked, exactly one of these is seen: that it was answered, or
//! that it was lost.

use std::io::Write;

use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Garbled, Head, take_head};
use super::eyes::Eyes;
use super::socket::{End, Socket};
use crate::scenario::{HandlerDoes, Request, RequestId};
use crate::trace::{Break, ClientSaw};

/// A request that was asked and is not answered yet.
#[derive(Debug)]
pub(super) struct Asked {
    request: u16,
    head: Option<Head>,
    /// Bytes of the answer's body so far.
    bytes: u64,
    pieces: Pieces,
}

/// Whether the pieces of a body are told one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    Told,
    Untold,
}

/// What becomes of a connection once a request is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It takes the next one.
    Next,
    /// The server has said that it closes it, or says what nobody understands.
    Closes,
    /// It has ended.
    Ended,
}

impl Asked {
    /// A request whose first bytes go out now.
    pub(super) fn new(request: u16, pieces: Pieces) -> Self {
        Self {
            request,
            head: None,
            bytes: 0,
            pieces,
        }
    }

    /// Asks for what the scenario has under this number.
    pub(super) fn ask<Io: AsyncRead + AsyncWrite + Unpin>(
        eyes: &Eyes,
        socket: &mut Socket<Io>,
        number: u16,
        request: &Request,
    ) -> Self {
        let head = head_of(eyes, number, request.send_bytes);
        socket.say(head);
        socket.fill(u64::from(request.send_bytes));
        eyes.saw(ClientSaw::Asked(number));
        let pieces = if matches!(request.does, HandlerDoes::Stream { .. }) {
            Pieces::Told
        } else {
            Pieces::Untold
        };
        Self::new(number, pieces)
    }

    /// Reads the answer to its end.
    pub(super) async fn settled<Io: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        eyes: &Eyes,
        socket: &mut Socket<Io>,
    ) -> Then {
        loop {
            if let Some(then) = self.take(eyes, socket) {
                return then;
            }
            if let Err(end) = socket.came().await {
                return self.ended(eyes, end);
            }
        }
    }

    /// Takes in what has come; what becomes of the connection, once that settles the request.
    pub(super) fn take<Io>(&mut self, eyes: &Eyes, socket: &mut Socket<Io>) -> Option<Then> {
        match self.take_apart(eyes, socket) {
            Ok(settled) => settled,
            Err(Garbled) => {
                self.lost(eyes, Break::Broken);
                Some(Then::Closes)
            }
        }
    }

    /// The connection ended under it.
    pub(super) fn ended(self, eyes: &Eyes, end: End) -> Then {
        self.lost(eyes, end.into());
        eyes.saw_end(end);
        Then::Ended
    }

    pub(super) fn lost(&self, eyes: &Eyes, why: Break) {
        eyes.saw(ClientSaw::Lost {
            request: self.request,
            why,
            bytes: self.bytes,
        });
    }

    /// The head of the answer, once it came.
    pub(super) const fn head(&self) -> Option<Head> {
        self.head
    }

    fn take_apart<Io>(
        &mut self,
        eyes: &Eyes,
        socket: &mut Socket<Io>,
    ) -> Result<Option<Then>, Garbled> {
        let inbox = &mut socket.inbox;
        let head = loop {
            if let Some(head) = &mut self.head {
                break head;
            }
            let Some(head) = take_head(inbox)? else {
                return Ok(None);
            };
            if head.is_final() {
                eyes.saw(ClientSaw::Head {
                    request: self.request,
                    status: head.status,
                });
                if head.closes {
                    eyes.saw(ClientSaw::Closing);
                }
                self.head = Some(head);
            }
        };
        while let Some(piece) = head.body.take(inbox)? {
            self.bytes += piece as u64;
            if self.pieces == Pieces::Told {
                eyes.saw(ClientSaw::Message(u32::try_from(piece).unwrap_or(u32::MAX)));
            }
        }
        if !head.body.is_over() {
            return Ok(None);
        }
        eyes.saw(ClientSaw::Answered {
            request: self.request,
            status: head.status,
            grpc: None,
            bytes: self.bytes,
        });
        Ok(Some(if head.closes {
            Then::Closes
        } else {
            Then::Next
        }))
    }
}

/// The head of a request, which announces a body of so many bytes.
pub(super) fn head_of(eyes: &Eyes, request: u16, send_bytes: u32) -> Vec<u8> {
    let mut head = Vec::with_capacity(96);
    let client = eyes.client();
    let id = RequestId { client, request };
    // Writing to memory does not fail.
    let _written = if send_bytes == 0 {
        write!(head, "GET /{id} HTTP/1.1\r\nhost: sim\r\n\r\n")
    } else {
        write!(
            head,
            "POST /{id} HTTP/1.1\r\nhost: sim\r\ncontent-length: {send_bytes}\r\n\r\n"
        )
    };
    head
}

/// Looks on until the server ends the connection: what it says is an answer to this request, if it is
/// any, though the client has not asked it to the end.
pub(super) async fn look_on<Io: AsyncRead + AsyncWrite + Unpin>(
    eyes: &Eyes,
    socket: &mut Socket<Io>,
    request: u16,
) {
    let mut unasked = Some(Asked::new(request, Pieces::Untold));
    while !socket.has_ended() {
        if let Some(answer) = &mut unasked
            && answer.take(eyes, socket).is_some()
        {
            unasked = None;
        }
        if unasked.is_none() {
            socket.inbox.clear();
        }
        if let Err(end) = socket.came().await {
            eyes.saw_end(end);
        }
    }
}

impl Head {
    /// Whether it is not one of those that precede an answer (RFC 9110, 15.2); one that switches
    /// protocols is an answer.
    const fn is_final(self) -> bool {
        self.status >= 200 || self.status == 101
    }
}
