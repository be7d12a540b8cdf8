//! A server that is ready, in the hands of its owner (floor 3).
//!
//! **Invariant:** dropping the owner begins a graceful stop; nothing is left running unowned.

use std::sync::Arc;

use lamplighter_lifecycle::{Cause, Input, Phase};

use super::handle::{ServerHandle, Stopping};
use super::life::Bound;
use super::report::Report;
use crate::os::listener::Addr;
use crate::os::log;
use crate::transport::Sink;

/// A server that is ready. Purposefully not `Clone`: it has one owner; for everybody else there is
/// [`handle`](Self::handle).
///
/// Dropping it begins a graceful stop in the background, with a warning in the log.
#[derive(Debug)]
#[must_use = "dropping it stops the server: keep it, and `wait()` or `stop()`"]
pub struct Running {
    handle: ServerHandle,
    addrs: Arc<[Bound]>,
}

impl Running {
    pub(crate) const fn new(handle: ServerHandle, addrs: Arc<[Bound]>) -> Self {
        Self { handle, addrs }
    }

    /// The address of the first listener, with the real port.
    #[must_use]
    pub fn addr(&self) -> &Addr {
        first(&self.addrs)
    }

    /// The address of the listener of this name; `None` if no listener has it.
    #[must_use]
    pub fn addr_of(&self, name: &str) -> Option<&Addr> {
        named(&self.addrs, name)
    }

    /// What everybody else may hold.
    #[must_use]
    pub const fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// Begins a graceful stop, now. See [`ServerHandle::stop`].
    pub fn stop(&self) -> Stopping {
        self.handle.stop()
    }

    /// Resolves with the complete report when the server has stopped; stops nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn wait(&self) -> Report {
        self.handle.wait().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.handle.phase() < Phase::LameDuck {
            log::warn!(
                target: "lamplighter::server",
                "the owner of a running server was dropped: stopping it in the background"
            );
            self.handle.life.input(Input::Stop(Cause::Dropped));
        }
    }
}

/// A server that has just become ready, as `on_ready` is told.
#[derive(Debug)]
pub struct Ready {
    handle: ServerHandle,
    addrs: Arc<[Bound]>,
}

impl Ready {
    pub(crate) const fn new(handle: ServerHandle, addrs: Arc<[Bound]>) -> Self {
        Self { handle, addrs }
    }

    /// The address of the first listener, with the real port.
    #[must_use]
    pub fn addr(&self) -> &Addr {
        first(&self.addrs)
    }

    /// The address of the listener of this name; `None` if no listener has it.
    #[must_use]
    pub fn addr_of(&self, name: &str) -> Option<&Addr> {
        named(&self.addrs, name)
    }

    /// The server.
    #[must_use]
    pub const fn handle(&self) -> &ServerHandle {
        &self.handle
    }
}

fn first(addrs: &[Bound]) -> &Addr {
    /// A server without a listener cannot be made.
    static NOWHERE: Addr = Addr::Named(String::new());
    addrs.first().map_or(&NOWHERE, |bound| &bound.addr)
}

fn named<'a>(addrs: &'a [Bound], name: &str) -> Option<&'a Addr> {
    addrs
        .iter()
        .find(|bound| bound.name.as_deref() == Some(name))
        .map(|bound| &bound.addr)
}
