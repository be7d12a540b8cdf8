//! A deterministic simulator for the life of a server.
//!
//! The production runtime, unchanged, on a network and a clock that obey: a [`Scenario`] is plain data,
//! a world carries it out, a [`Trace`] holds what everybody saw. The same scenario gives the same
//! trace, byte for byte.
//!
//! **Invariant:** no logic in this file.

pub mod act;
pub mod campaign;
pub mod client;
pub mod coverage;
pub mod host;
pub mod oracle;
pub mod scenario;
pub mod service;
pub mod shrink;
pub mod strategy;
pub mod trace;
pub mod world;

pub use oracle::{End, Invariant, Oracle, Violation};
pub use scenario::{
    AcceptFault, Act, ActDoes, Bind, Budget, Call, Callback, CallbackDoes, Check, Client,
    ClientDoes, Defences, HandlerDoes, Hears, Home, Hook, HookDoes, Link, Moment, Origin, ProbeOf,
    Red, Request, RequestId, Scenario, ScenarioError, Start, Worker, WorkerDoes,
};
pub use trace::{Clock, Entry, Trace};
pub use world::{Memory, Observer, Real, Run, RunEnd, Turmoil, World};
