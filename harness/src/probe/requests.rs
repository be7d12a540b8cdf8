//! What a probe asks for over HTTP/2, stream by stream.
//!
//! **Invariant:** a request's head is one frame, in the simplest encoding there is.

use std::future::Future;
use std::io;

use bytes::{BufMut, BytesMut};

use super::Probe;
use super::http2::{DATA, END_HEADERS, HEADERS, LAST, RST_STREAM, WINDOW_UPDATE, put_frame};

impl Probe {
    /// Sends a GET for this path on a new HTTP/2 stream, which the request ends; resolves with the
    /// stream's number.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn open_stream(&mut self, path: &str) -> impl Future<Output = io::Result<u32>> {
        self.send_request("GET", path, LAST)
    }

    /// Sends the head of a POST to this path on a new HTTP/2 stream, whose body is to follow
    /// ([`send_data`](Self::send_data)); resolves with the stream's number.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn open_upload(&mut self, path: &str) -> impl Future<Output = io::Result<u32>> {
        self.send_request("POST", path, 0)
    }

    /// Sends a piece of a request's body, of at most 16 KiB; with `last`, its end.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn send_data(
        &mut self,
        stream: u32,
        data: &[u8],
        last: bool,
    ) -> impl Future<Output = io::Result<()>> + use<'_> {
        self.send_frame(DATA, if last { LAST } else { 0 }, stream, data)
    }

    /// Sends RST_STREAM with this code: the client wants no answer any more.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn reset_stream(
        &mut self,
        stream: u32,
        code: u32,
    ) -> impl Future<Output = io::Result<()>> + use<'_> {
        self.send_frame(RST_STREAM, 0, stream, &code.to_be_bytes())
    }

    /// Lets the server send so many bytes more than the 64 KiB that it may from the beginning: on
    /// one stream, and on the connection.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[track_caller]
    pub fn widen(&mut self, stream: u32, by: u32) -> impl Future<Output = io::Result<()>> {
        let mut bytes = BytesMut::new();
        for stream in [0, stream] {
            put_frame(&mut bytes, WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
        }
        self.send(bytes)
    }

    /// As [`widen`](Self::widen), with what is sent next.
    pub(crate) fn grant(&mut self, stream: u32, by: u32) {
        for stream in [0, stream] {
            put_frame(
                &mut self.outbox,
                WINDOW_UPDATE,
                0,
                stream,
                &by.to_be_bytes(),
            );
        }
    }

    #[track_caller]
    fn send_request(
        &mut self,
        method: &str,
        path: &str,
        last: u8,
    ) -> impl Future<Output = io::Result<u32>> + use<'_> {
        let stream = self.http2.as_mut().map_or(1, |http2| {
            let stream = http2.next_stream;
            http2.next_stream += 2;
            stream
        });
        let mut block = BytesMut::new();
        // Literals without indexing, plain text: the simplest encoding there is.
        for (name, value) in [
            (":method", method),
            (":scheme", "http"),
            (":authority", "probe"),
            (":path", path),
        ] {
            block.put_u8(0);
            put_text(&mut block, name);
            put_text(&mut block, value);
        }
        let send = self.send_frame(HEADERS, last | END_HEADERS, stream, &block);
        async move { send.await.map(|()| stream) }
    }
}

/// A string of up to 127 bytes needs one byte for its length; longer ones two more.
fn put_text(block: &mut BytesMut, text: &str) {
    const PREFIX: usize = 127;
    if text.len() < PREFIX {
        block.put_uint(text.len() as u64, 1);
    } else {
        block.put_u8(0x7f);
        let mut rest = text.len() - PREFIX;
        while rest >= 128 {
            block.put_uint((rest % 128 + 128) as u64, 1);
            rest /= 128;
        }
        block.put_uint(rest as u64, 1);
    }
    block.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_has_its_length_in_front() {
        let mut block = BytesMut::new();
        put_text(&mut block, &"x".repeat(127 + 300));
        assert_eq!(block.get(..3), Some(&[0x7f, 0xac, 0x02][..]));
    }
}
