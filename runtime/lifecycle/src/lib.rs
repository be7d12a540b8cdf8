//! The life of a server as a value (floor 0).
//!
//! **Invariant:** no IO, no clock, no async, no log, no random, no standard library.
#![no_std]

extern crate alloc;

mod cause;
mod phase;
mod time;

pub use cause::{Cause, Signal};
pub use phase::{Phase, ServerState, Step, TRANSITIONS};
pub use time::Instant;
