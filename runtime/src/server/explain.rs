//! The plan of a server, explained together with where it listens (floor 3).
//!
//! **Invariant:** a port that nobody knows before the start is not named.

use super::Server;
use crate::os::listener::Bind;

impl Server {
    /// What [`Plan::explain`](crate::Plan::explain) says of its plan, with the port that it listens on,
    /// and the probes that it answers: those of its [`Healthcheck`](crate::Healthcheck), over HTTP where
    /// that has it and over gRPC otherwise, on the admin listener of
    /// [`Healthcheck::listen`](crate::Healthcheck::listen), if it has one on a port that is known.
    #[must_use]
    pub fn explain(&self) -> String {
        let plan = self.life.ask(|machine| machine.plan().clone());
        let mut explained = plan.explain();
        if let Some(parts) = &self.parts {
            if let Some(port) = parts.binds.iter().find_map(Bind::port) {
                explained = explained.port(port);
            }
            explained = explained.probes(parts.protocols.probes());
            if let Some(port) = parts.protocols.bind().and_then(Bind::port) {
                explained = explained.admin_port(port);
            }
        }
        explained.to_string()
    }
}
