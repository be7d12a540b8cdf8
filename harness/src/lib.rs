//! Test fixtures for servers: the production path on an ephemeral port, exact moments, and clients
//! that see every byte.
//!
//! [`TestServer`] runs a server as it runs in production. A [`Gate`] holds a handler or a hook at an
//! exact moment, a [`Probe`] is a client that says exactly what it is told to say and keeps exactly
//! what came back, a [`Recorder`] keeps what a server tells of itself, and a [`Program`] is a whole
//! process that gets real signals.
//!
//! **Invariant:** nothing in here sleeps, and every wait ends: after [`PATIENCE`] of real time it
//! fails the test with what was waited for and what had been seen instead.

mod ephemeral;
mod gate;
mod patience;
mod probe;
mod process;
mod recorder;
mod test_server;

pub use ephemeral::Ephemeral;
pub use gate::Gate;
pub use patience::{PATIENCE, within};
pub use probe::{Answer, Head, Manners, Probe, Seen, StreamSeen};
pub use process::{Exit, Process, Program};
pub use recorder::{Record, Recorder};
pub use test_server::TestServer;
