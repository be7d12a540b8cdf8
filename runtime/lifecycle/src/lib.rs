//! The life of a server as a value (floor 0).
//!
//! **Invariant:** no IO, no clock, no async, no log, no random, no standard library.
#![no_std]

extern crate alloc;

mod cause;
pub mod connection;
mod connections;
mod effect;
mod error;
mod event;
mod failure;
mod hooks;
mod input;
mod ledger;
mod machine;
mod peer;
mod phase;
mod plan;
mod report;
mod time;
mod timeline;

pub use cause::{Cause, Signal};
pub use connections::{ConnectionEnd, ConnectionId, ListenerId, Protocol, Tally, Work};
pub use effect::{Announcement, Directive, Effect, Readiness, Stuck};
pub use error::HookError;
pub use event::{Event, SignalTaken, WorkerOutcome};
pub use failure::Failure;
pub use hooks::{
    ChainLink, ForwardReferences, HookGraph, HookId, HookKind, HookName, HookSpec, Schedule,
};
pub use input::{HookEnd, Input, StartFailure, WorkerEnd, WorkerId};
pub use ledger::CutWork;
pub use machine::{CheckError, Machine};
pub use peer::PeerAddr;
pub use phase::{Phase, ServerState, Step, TRANSITIONS};
pub use plan::{
    Budget, Explanation, LameDuckReadiness, OnDeadline, OnListenerError, Plan, PlanError, Probes,
    WhileDraining,
};
pub use report::{
    ConnectionsReport, HookOutcome, HookReport, Outcome, PhaseReport, Report, WorkerReport,
};
pub use time::Instant;
pub use timeline::Timeline;
