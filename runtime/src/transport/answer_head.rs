//! What the head of an answer means for its connection, and what its connection adds to it (floor 2).
//!
//! **Invariant:** only a final HTTP/1 answer that leaves the connection to HTTP announces its close.

use std::sync::Arc;

use http::header::{CONNECTION, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body;

use super::body::{AnswerBody, Hold};
use super::flag;
use super::in_flight::Exchange;
use super::service::BoxError;
use super::upload::Come;

/// Whether an HTTP/1 answer with this status takes its connection away from HTTP.
pub(super) fn upgrades(hold: &Hold, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS
        || (hold.exchange().is_connect() && status.is_success())
}

/// Takes note of what the answer's head means for its connection; returns whether it is one that
/// never has a body.
pub(super) fn prepare(hold: &Hold, status: StatusCode) -> bool {
    let exchange = hold.exchange();
    if hold.is_http1() {
        if upgrades(hold, status) {
            exchange.account().raise(flag::UPGRADING);
        }
        // hyper knows which HTTP/1 answers have no body, and wants its length all the same.
        false
    } else {
        // hyper would send a body after an answer to HEAD.
        exchange.is_head() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
    }
}

/// The exchange of an HTTP/2 request whose answer hands its stream to the application.
pub(super) fn tunnel_of(hold: &Hold, status: StatusCode) -> Option<Arc<Exchange>> {
    match hold {
        Hold::Shared(exchange) if exchange.is_connect() && status.is_success() => {
            Some(Arc::clone(exchange))
        }
        Hold::Shared(_) | Hold::Sole(_) => None,
    }
}

/// Announces the close on HTTP/1 answers, where it has been asked for.
#[inline]
pub(super) fn announce<B>(answer: &mut Response<AnswerBody<B>>)
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let Some(account) = answer.body().http1_account() else {
        return;
    };
    if account.upload.has_rest() && account.upload.come() == Come::Malformed {
        // Nobody can tell where it would go on, and hyper reads no more of it without saying so.
        account.raise(flag::CLOSING);
    }
    if account.has(flag::CLOSING)
        && !account.has(flag::UPGRADING)
        && !answer.status().is_informational()
    {
        account.raise(flag::ANNOUNCED);
        answer
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
}
