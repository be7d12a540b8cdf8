//! The content types of gRPC and its kinds, told from all others (floor 2).
//!
//! **Invariant:** letters are compared as names of content types are: small or capital.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// What comes behind `application/grpc` in the content type; `None` if it does not begin so.
#[inline]
pub(super) fn rest_of_kind(headers: &HeaderMap) -> Option<&[u8]> {
    without(headers.get(CONTENT_TYPE)?.as_bytes(), b"application/grpc")
}

/// What comes behind these letters, small or capital (RFC 9110, 8.3.1).
#[inline]
pub(super) fn without<'a>(kind: &'a [u8], letters: &[u8]) -> Option<&'a [u8]> {
    let (begin, rest) = kind.split_at_checked(letters.len())?;
    begin.eq_ignore_ascii_case(letters).then_some(rest)
}

/// Whether the name of a content type ends where this begins: others may begin with the same letters.
#[inline]
pub(super) const fn ends_kind(rest: &[u8]) -> bool {
    matches!(rest, [] | [b'+' | b';', ..])
}
