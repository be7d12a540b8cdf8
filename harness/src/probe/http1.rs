//! A probe that reads HTTP/1.1: one response at a time, just enough of it to judge a server.
//!
//! **Invariant:** bytes beyond the response stay for the next one.

use std::future::Future;
use std::io;
use std::panic::Location;

use bytes::{Buf, Bytes, BytesMut};

use super::Probe;
use crate::patience::fail;

/// The head of an HTTP/1.1 response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The status.
    pub status: u16,
    /// The header fields, as they came.
    pub headers: Vec<(String, String)>,
}

/// A whole HTTP/1.1 response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Its head.
    pub head: Head,
    /// Its body, without the framing of chunks.
    pub body: Bytes,
}

impl Head {
    /// The value of a header field, by its name in any case; `None` if there is no such field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(field, _): &&(String, String)| field.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the server says that it closes the connection after this response: `close` is among
    /// the options of a `Connection` field (RFC 9110, 7.6.1).
    #[must_use]
    pub fn closes(&self) -> bool {
        let closes = |option: &str| option.trim().eq_ignore_ascii_case("close");
        self.headers
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case("connection"))
            .any(|(_, value)| value.split(',').any(closes))
    }

    fn framing(&self) -> Framing {
        let chunked = |value: &str| value.eq_ignore_ascii_case("chunked");
        if matches!(self.status, 100..=199 | 204 | 304) {
            return Framing::Length(0);
        }
        if self.header("transfer-encoding").is_some_and(chunked) {
            return Framing::Chunks;
        }
        let length = self.header("content-length");
        match length.and_then(|length| length.parse().ok()) {
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        }
    }
}

impl Answer {
    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.status
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Where a body ends.
enum Framing {
    Length(usize),
    Chunks,
    UntilClose,
}

impl Probe {
    /// Sends an HTTP/1.1 request for this path, on a connection that is to stay open.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn request(&mut self, path: &str) -> impl Future<Output = io::Result<()>> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: probe\r\n\r\n"))
    }

    /// Reads the head of the next response; `100 Continue` and its like are passed over, 101 is not.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), if the connection ended first, or if what came is no
    /// HTTP/1.1; with everything that had been seen.
    #[track_caller]
    pub fn head(&mut self) -> impl Future<Output = Head> {
        let here = Location::caller();
        async move { self.read_head(here).await }
    }

    /// Reads the next response to its end. Not for responses to HEAD.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), if the connection ended first, or if what came is no
    /// HTTP/1.1; with everything that had been seen.
    #[track_caller]
    pub fn answer(&mut self) -> impl Future<Output = Answer> {
        let here = Location::caller();
        async move {
            let head = self.read_head(here).await;
            let body = self.read_body(here, head.framing()).await;
            Answer { head, body }
        }
    }

    async fn read_head(&mut self, here: &Location<'_>) -> Head {
        loop {
            match parse_head(&self.inbox) {
                Ok(None) => self.more(here, "the head of a response").await,
                Ok(Some((head, length))) => {
                    self.inbox.advance(length);
                    if !matches!(head.status, 100 | 102..=199) {
                        return head;
                    }
                }
                Err(error) => {
                    let came = self.transcript();
                    fail(
                        here,
                        &format!("not an HTTP/1.1 response: {error}; seen: {came}"),
                    )
                }
            }
        }
    }

    async fn read_body(&mut self, here: &Location<'_>, framing: Framing) -> Bytes {
        match framing {
            Framing::Length(length) => {
                while self.inbox.len() < length {
                    self.more(here, "the rest of a body").await;
                }
                self.inbox.split_to(length).freeze()
            }
            Framing::UntilClose => {
                while !self.pull(here, "the end of a body").await.is_end() {}
                self.inbox.split().freeze()
            }
            Framing::Chunks => {
                let mut body = BytesMut::new();
                loop {
                    let size = self.chunk_size(here).await;
                    // The chunk and the line end after it; after the last one, no trailers.
                    while self.inbox.len() < size + 2 {
                        self.more(here, "the rest of a chunk").await;
                    }
                    body.extend_from_slice(&self.inbox.split_to(size));
                    self.inbox.advance(2);
                    if size == 0 {
                        return body.freeze();
                    }
                }
            }
        }
    }

    async fn chunk_size(&mut self, here: &Location<'_>) -> usize {
        loop {
            match httparse::parse_chunk_size(&self.inbox) {
                Ok(httparse::Status::Complete((start, size))) => {
                    self.inbox.advance(start);
                    return usize::try_from(size).unwrap_or(usize::MAX);
                }
                Ok(httparse::Status::Partial) => self.more(here, "a chunk").await,
                Err(_) => {
                    let came = self.transcript();
                    fail(here, &format!("not the size of a chunk; seen: {came}"))
                }
            }
        }
    }

    /// Reads once more; the connection must not end.
    pub(super) async fn more(&mut self, here: &Location<'_>, what: &str) {
        if self.pull(here, what).await.is_end() {
            let came = self.transcript();
            fail(
                here,
                &format!("the connection ended before {what}; seen: {came}"),
            );
        }
    }
}

/// The head at the front of `bytes` and its length; `None` if there is more of it to come.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, httparse::Error> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = response.parse(bytes)? else {
        return Ok(None);
    };
    let headers = response
        .headers
        .iter()
        .map(|field| {
            let value = String::from_utf8_lossy(field.value).into_owned();
            (field.name.to_owned(), value)
        })
        .collect();
    let status = response.code.unwrap_or_default();
    Ok(Some((Head { status, headers }, length)))
}
