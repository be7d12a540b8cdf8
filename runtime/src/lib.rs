//! The production runtime for the life of a server.
pub use lamplighter_lifecycle::{Cause, Phase, ServerState, Signal};
