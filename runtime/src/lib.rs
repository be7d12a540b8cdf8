//! The production runtime for the life of a server.

#[allow(
    dead_code,
    unused_imports,
    reason = "the floors above are being written next to this one"
)]
mod os;
#[allow(
    dead_code,
    unused_imports,
    reason = "the floor above is being written next to this one"
)]
mod transport;

pub use lamplighter_lifecycle::{Cause, Phase, ServerState, Signal};
pub use os::block_on::block_on;
pub use os::listener::{
    Addr, AddrError, Bind, BindError, Listener, Network, TcpListener, TcpNetwork,
};
#[cfg(unix)]
pub use os::signal::ProcessSignals;
pub use os::signal::{ChannelSignals, SignalSender, SignalSource, signal_channel};
#[cfg(feature = "axum")]
pub use transport::OutsideServer;
pub use transport::{
    Application, Check, Health, Incoming, Limits, Peer, ShutdownController, ShutdownSignal,
};
