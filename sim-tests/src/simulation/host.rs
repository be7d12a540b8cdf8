//! What a service is given of the host that it runs on.
//!
//! **Invariant:** a service that asks it for nothing is the one of production: the simulation itself
//! puts its network and its signals in the place of the kernel's.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use lamplighter::Server;

use super::Line;
use crate::trace::{Note, Trace, Who};
use crate::world::cast::{BoxError, Ways};

/// A service of one's own: makes the server of each run, as `main` makes that of production.
///
/// Every `async fn(&Host) -> Result<Server, BoxError>` is one, and so is a closure of this shape. It is
/// called once in a run, on the simulated clock; what it listens on is the simulation's, whatever address
/// it says, and one listener is all that it may have. What it makes outside of the server (a pool, a cache) is new in each run if
/// it is made here, which is what keeps two runs alike.
///
/// Its futures need not be `Send`.
pub trait Service {
    /// Makes the server, which is not started yet.
    ///
    /// # Errors
    ///
    /// What keeps it from being made; the run is over then, and has failed.
    fn build(&self, host: &Host) -> impl Future<Output = Result<Server, BoxError>>;
}

impl<F: AsyncFn(&Host) -> Result<Server, BoxError>> Service for F {
    async fn build(&self, host: &Host) -> Result<Server, BoxError> {
        self(host).await
    }
}

/// The host that a service runs on. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Host {
    pub(super) number: u16,
    /// The names of all hosts, by their numbers.
    pub(super) names: Arc<[String]>,
    pub(super) seed: u64,
    pub(super) trace: Trace,
    pub(super) ways: Ways,
}

impl Host {
    /// What it is called: `service`, or what [`host`](crate::Simulation::host) was told.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.names.get(usize::from(self.number));
        name.map_or("", String::as_str)
    }

    /// The number that the case was drawn from: for what a service draws by lot itself.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Writes down that it did `what` to the thing with this number: for laws of one's own, and for
    /// whoever reads the timeline.
    pub fn note(&self, what: &'static str, of: u64) {
        self.trace.record(Who::Host(self.number), Note { what, of });
    }

    /// Connects to the host of this name.
    ///
    /// # Errors
    ///
    /// When there is no such host, it does not listen, or the network does not let it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    pub async fn dial(&self, name: &str) -> io::Result<Line> {
        self.ways.dial(place(&self.names, name)?).await
    }
}

/// The number of a host.
pub(super) fn place(names: &[String], name: &str) -> io::Result<u16> {
    let place = names.iter().position(|it| it == name);
    let place = place.and_then(|place| u16::try_from(place).ok());
    place.ok_or_else(|| {
        let known = names.join(", ");
        io::Error::new(
            ErrorKind::HostUnreachable,
            format!("no host is called `{name}`; there are: {known}"),
        )
    })
}
