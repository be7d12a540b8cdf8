//! The errors of answers' bodies: what is said of them, and whose they are (floor 2).
//!
//! A failure of the application's is counted and logged; that a client has left in the middle of its
//! request is neither, where the answer breaks off over it.
//!
//! **Invariant:** an error that comes once the whole request has come is the application's.

use std::error::Error;
use std::io;

use crate::transport::flag;
use crate::transport::in_flight::Exchange;
use crate::transport::upload::Come;

/// Never a source of its own: what the application says of its own error is all there is to say.
#[derive(Debug, thiserror::Error)]
#[error("the body of an answer broke off: {0}")]
pub(super) struct BodyFailed(pub(super) String);

#[derive(Debug, thiserror::Error)]
#[error("the body of an answer panicked: {0}")]
pub(super) struct BodyPanicked(pub(super) String);

/// Whether an answer breaks off because its request did, or the connection; `broken` is how many requests
/// had when its body was polled before.
///
/// What nobody can tell apart: another server's failure while a request is to come in part, and its client
/// ends its side; over HTTP/2, of a request with a body, also where the client resets another one on the same
/// connection at that time, or that server breaks the rules of HTTP/2.
#[cold]
pub(super) fn is_of_its_request(
    error: &(dyn Error + 'static),
    exchange: &Exchange,
    http1: bool,
    broken: u32,
) -> bool {
    let Some(kind) = kind_of(error) else {
        return false;
    };
    let account = exchange.account();
    let (may_break, malformed) = if http1 {
        match account.upload.come() {
            Come::Whole => (false, false),
            Come::Part => (true, false),
            Come::Malformed => (true, true),
            Come::Doubtful => (true, kind == Kind::Chunk),
        }
    } else {
        let is_reset = account.broken.requests() != broken;
        (exchange.has_upload(), is_reset || kind == Kind::Stream)
    };
    may_break
        && (malformed
            || account.has(flag::PEER_ENDED | flag::OVER)
            || account.broken.has_connection_broken())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A connection or a stream has ended.
    Ended,
    /// A chunk of HTTP/1 was none.
    Chunk,
    /// A stream or connection of HTTP/2 was not used as the rules have it.
    Stream,
}

/// What an error says of a connection; `None` if it is about something else.
fn kind_of(error: &(dyn Error + 'static)) -> Option<Kind> {
    let mut kind = None;
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            kind = if error.is_library() {
                Some(Kind::Stream)
            } else {
                kind.or(Some(Kind::Ended))
            };
        } else if error.is::<hyper::Error>() {
            kind = kind.or(Some(Kind::Ended));
        } else if let (Some(io), Some(Kind::Ended)) = (io, kind)
            && matches!(
                io.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            )
        {
            kind = Some(Kind::Chunk);
        }
        // The source of such an error is that of what it wraps, without what it wraps.
        cause = match io.and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_connection_is_found_in_whatever_wraps_it() {
        let reset = || h2::Error::from(h2::Reason::CANCEL);
        assert_eq!(kind_of(&reset()), Some(Kind::Ended));
        let wrapped = io::Error::other(io::Error::other(reset()));
        assert_eq!(kind_of(&wrapped), Some(Kind::Ended));
        assert_eq!(kind_of(&io::Error::other("no oil")), None);
        let invalid = io::Error::new(io::ErrorKind::InvalidData, "no oil");
        assert_eq!(kind_of(&invalid), None);
    }
}
