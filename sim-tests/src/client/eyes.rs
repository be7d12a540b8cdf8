//! What a client sees goes into the trace under its number.
//!
//! **Invariant:** nobody else writes in a client's name.

use crate::trace::{Break, ClientSaw, Trace, Who};

use super::socket::End;

/// The eyes of one client.
#[derive(Clone, Debug)]
pub(super) struct Eyes {
    client: u16,
    trace: Trace,
}

impl Eyes {
    pub(super) const fn new(client: u16, trace: Trace) -> Self {
        Self { client, trace }
    }

    /// The number of the client.
    pub(super) const fn client(&self) -> u16 {
        self.client
    }

    pub(super) fn saw(&self, what: ClientSaw) {
        self.trace.record(Who::Client(self.client), what);
    }

    pub(super) fn saw_end(&self, end: End) {
        self.saw(match end {
            End::Fin => ClientSaw::Fin,
            End::Reset => ClientSaw::Reset,
        });
    }
}

impl From<End> for Break {
    fn from(end: End) -> Self {
        match end {
            End::Fin => Self::Fin,
            End::Reset => Self::Reset,
        }
    }
}
