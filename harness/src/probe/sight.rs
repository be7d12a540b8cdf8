//! What a probe has seen, taken together: the rest of a connection, one stream, every GOAWAY.
//!
//! **Invariant:** nothing here reads on but what says so; the rest looks at what came.

use std::future::Future;
use std::panic::Location;

use bytes::{Bytes, BytesMut};

use super::{Probe, Seen};

/// What came of one HTTP/2 stream so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamSeen {
    /// The status of its response.
    pub status: Option<u16>,
    /// Its body.
    pub body: Bytes,
    /// Whether the server ended it in order.
    pub ended: bool,
    /// The code of its RST_STREAM.
    pub reset: Option<u32>,
}

impl Probe {
    /// Reads on to the end of the connection: what no answer had taken, and how it ended.
    ///
    /// On HTTP/2 only bytes that are no frames are left over; see [`stream`](Self::stream).
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), with everything that had been seen.
    #[track_caller]
    pub fn rest(&mut self) -> impl Future<Output = (String, Seen)> {
        let here = Location::caller();
        async move {
            loop {
                let seen = self.pull(here, "the end of the connection").await;
                if seen.is_end() {
                    let rest = self.inbox.split();
                    return (String::from_utf8_lossy(&rest).into_owned(), seen);
                }
            }
        }
    }

    /// Every GOAWAY that came, in order: the last stream that it names, and its code.
    #[must_use]
    pub fn goaways(&self) -> Vec<(u32, u32)> {
        let goaway = |seen: &Seen| {
            if let Seen::GoAway {
                last_stream, code, ..
            } = seen
            {
                Some((*last_stream, *code))
            } else {
                None
            }
        };
        self.seen.iter().filter_map(goaway).collect()
    }

    /// What came of an HTTP/2 stream.
    #[must_use]
    pub fn stream(&self, number: u32) -> StreamSeen {
        let mut known = StreamSeen::default();
        let mut body = BytesMut::new();
        for seen in &self.seen {
            known.takes(number, seen, &mut body);
        }
        known.body = body.freeze();
        known
    }

    /// Reads on until a stream is over: ended, or reset; resolves with all that came of it.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), or if the connection ended first; with everything that
    /// had been seen.
    #[track_caller]
    pub fn streamed(&mut self, number: u32) -> impl Future<Output = StreamSeen> {
        let here = Location::caller();
        async move {
            let mut known = StreamSeen::default();
            let mut body = BytesMut::new();
            let mut taken = 0;
            loop {
                for seen in self.seen.iter().skip(taken) {
                    known.takes(number, seen, &mut body);
                }
                taken = self.seen.len();
                if known.ended || known.reset.is_some() {
                    known.body = body.freeze();
                    return known;
                }
                self.more(here, "the end of a stream").await;
            }
        }
    }
}

impl StreamSeen {
    /// Adds what came, if it belongs to this stream; its bytes to `body`.
    fn takes(&mut self, number: u32, seen: &Seen, body: &mut BytesMut) {
        if let Seen::Headers {
            stream,
            status,
            last,
        } = seen
            && *stream == number
        {
            self.status = self.status.or(*status);
            self.ended |= *last;
        }
        if let Seen::Data { stream, data, last } = seen
            && *stream == number
        {
            body.extend_from_slice(data);
            self.ended |= *last;
        }
        if let Seen::Reset { stream, code } = seen
            && *stream == number
        {
            self.reset = Some(*code);
        }
    }
}
