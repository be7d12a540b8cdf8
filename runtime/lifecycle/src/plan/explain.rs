//! A plan as text for a person: its timeline, and what has to stand around it (floor 0).
//!
//! **Invariant:** every number printed is one of the budget's, or is computed from these alone.

mod surroundings;
mod timeline;

use core::fmt;

use super::Plan;

/// What [`Plan::explain`] prints: the plan's timeline, and what to put around the process. For a plan
/// that does not hold, the reason.
#[derive(Clone, Debug)]
#[must_use = "it is there to be printed"]
pub struct Explanation<'a> {
    plan: &'a Plan,
    ports: Ports,
}

/// What a pod spec says of the way to the server.
#[derive(Clone, Copy, Debug)]
struct Ports {
    service: u16,
    admin: Option<u16>,
    probes: Probes,
}

/// What a server has for a kubelet to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probes {
    /// `/readyz` and `/livez`.
    Http,
    /// `grpc.health.v1`, which says whether it is ready: a server that is not ready is no dead one, so
    /// all that is asked of its life is a connection.
    Grpc,
    /// Nothing: whatever it answers is the application's.
    Nothing,
}

/// Where a server listens unless told otherwise.
const SERVICE_PORT: u16 = 5000;

impl<'a> Explanation<'a> {
    pub(super) const fn of(plan: &'a Plan) -> Self {
        let ports = Ports {
            service: SERVICE_PORT,
            admin: None,
            probes: Probes::Http,
        };
        Self { plan, ports }
    }

    /// The port of the service: 5000 unless told.
    pub const fn port(mut self, port: u16) -> Self {
        self.ports.service = port;
        self
    }

    /// There is an admin listener, on this port: the probes are told to go there. It answers until the
    /// end of a stop, so that a long drain is no reason for a kubelet to kill the server.
    pub const fn admin_port(mut self, port: u16) -> Self {
        self.ports.admin = Some(port);
        self
    }

    /// What a kubelet can ask: HTTP unless told.
    pub const fn probes(mut self, probes: Probes) -> Self {
        self.ports.probes = probes;
        self
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.plan.budget() {
            Ok(budget) => {
                timeline::write(f, &budget)?;
                surroundings::write(f, &budget, self.ports)
            }
            Err(error) => error.fmt(f),
        }
    }
}
