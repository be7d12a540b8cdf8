//! *Start clean. Stop gracefully. Never leak.* The production runtime for the life of a server.
//!
//! [`Server`] is the one entry point: it takes any tower service, such as an axum `Router`, and
//! gives it a life. It becomes ready only when everything is, stops without losing what it has
//! begun, never takes longer than its [`Plan`] allows, and says in a [`Report`] what happened.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use lamplighter::{Report, Server};
//!
//! fn main() -> Report {
//!     let app = Router::new().route("/", get(|| async { "Hello, World!" }));
//!     lamplighter::block_on(Server::from_env(app).run())
//! }
//! ```
//!
//! # Floors
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 3 | `server` | what users hold, and the driver that carries out what the core decides |
//! | 2 | `transport` | bytes to services: connections, counting, draining |
//! | 1 | `os` | clock, signals, tasks, listeners, the end of the process |
//! | 0 | [`lamplighter_lifecycle`] | the life of a server as a value; pure |
//!
//! **Invariant:** imports only go down. **Invariant:** no logic in this file.

mod os;
mod server;
mod transport;

pub use lamplighter_lifecycle::{
    Budget, Cause, ConnectionEnd, ConnectionId, ConnectionsReport, CutWork,
    Event as ServerEventKind, Explanation, Failure, HookError, HookName, HookOutcome, HookReport,
    LameDuckReadiness, OnDeadline, OnListenerError, Outcome, PeerAddr, Phase, PhaseReport, Plan,
    PlanError, Probes, Protocol, ServerState, Signal, SignalTaken, StartFailure, Tally,
    WhileDraining, Work, WorkerOutcome, WorkerReport,
};
pub use os::block_on::block_on;
#[cfg(unix)]
pub use os::listener::InheritedError;
pub use os::listener::{
    Addr, AddrError, Bind, BindError, Listener, Network, TcpListener, TcpNetwork,
};
#[cfg(unix)]
pub use os::signal::ProcessSignals;
pub use os::signal::{ChannelSignals, SignalSender, SignalSource, signal_channel};
#[cfg(feature = "config")]
pub use server::{Config, ConfigError, Variables};
pub use server::{
    Events, Hook, HookContext, HookFn, HookResult, IntoHook, NotAccepting, Ready, Report, Running,
    Server, ServerError, ServerEvent, ServerHandle, StartError, StartReason, Stopping,
};
pub use transport::{
    App, Application, Check, Health, Healthcheck, HttpHealth, Incoming, Limits, LimitsError, Peer,
    ProtocolError, ServerProtocol, ServingStatus, ShutdownController, ShutdownSignal, name_route,
};
#[cfg(feature = "grpc")]
pub use transport::{AppBody, AppFuture, Reflection, WithGrpc};
#[cfg(feature = "axum")]
pub use transport::{NamedRoute, NamedRoutes, OutsideServer};
