//! What an extractor says where no server polls the handler (floor 2).
//!
//! **Invariant:** the answer names no internals.

use crate::os::log;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// A handler asked for something of its server, and no lamplighter server polls it.
///
/// In unit tests, poll the handler inside `ShutdownController::scope`, or take the extractor as an
/// `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the handler is not polled by a lamplighter server")]
pub struct OutsideServer;

impl IntoResponse for OutsideServer {
    fn into_response(self) -> Response {
        log::error!(target: "lamplighter::transport", "{self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
