//! The life of a server as a value (floor 0).
//!
//! **Invariant:** no IO, no clock, no async, no log, no random, no standard library.
#![no_std]

extern crate alloc;

mod cause;
mod connections;
mod effect;
mod hooks;
mod input;
mod phase;
mod time;

pub use cause::{Cause, Signal};
pub use connections::{ConnectionEnd, ConnectionId, ListenerId, Protocol, Tally, Work};
pub use effect::{Announcement, Directive, Effect, Readiness};
pub use hooks::HookId;
pub use input::{HookEnd, Input, StartFailure, WorkerEnd, WorkerId};
pub use phase::{Phase, ServerState, Step, TRANSITIONS};
pub use time::Instant;
