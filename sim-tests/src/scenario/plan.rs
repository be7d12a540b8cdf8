//! The server's time budget and its defences, as numbers.
//!
//! **Invariant:** plain data; by default what the runtime has by default.

use std::time::Duration;

use lamplighter::{LameDuckReadiness, Limits, OnDeadline, OnListenerError, Plan, WhileDraining};

use super::paste::paste_struct;

/// The plan of a server, in milliseconds. By default what [`Plan::new`] has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// As [`Plan::lame_duck`].
    pub lame_duck_ms: u32,
    /// As [`Plan::drain_timeout`].
    pub drain_ms: u32,
    /// As [`Plan::cancel_lead`].
    pub cancel_lead_ms: u32,
    /// As [`Plan::hooks_timeout`].
    pub hooks_ms: u32,
    /// As [`Plan::margin`].
    pub margin_ms: u32,
    /// As [`Plan::drain_spread`].
    pub drain_spread_ms: u32,
    /// As [`Plan::start_timeout`].
    pub start_ms: u32,
    /// As [`Plan::ready_timeout`].
    pub ready_ms: u32,
    /// As [`Plan::on_deadline`].
    pub on_deadline: OnDeadline,
    /// As [`Plan::while_draining`].
    pub while_draining: WhileDraining,
    /// As [`Plan::on_listener_error`].
    pub on_listener_error: OnListenerError,
    /// As [`Plan::lame_duck_readiness`].
    pub lame_duck_readiness: LameDuckReadiness,
}

paste_struct!(Budget {
    lame_duck_ms,
    drain_ms,
    cancel_lead_ms,
    hooks_ms,
    margin_ms,
    drain_spread_ms,
    start_ms,
    ready_ms,
    on_deadline,
    while_draining,
    on_listener_error,
    lame_duck_readiness,
});

impl Default for Budget {
    fn default() -> Self {
        Self {
            lame_duck_ms: 0,
            drain_ms: 30_000,
            cancel_lead_ms: 100,
            hooks_ms: 4_000,
            margin_ms: 1_000,
            drain_spread_ms: 0,
            start_ms: 30_000,
            ready_ms: 3_000,
            on_deadline: OnDeadline::ForceClose,
            while_draining: WhileDraining::Serve,
            on_listener_error: OnListenerError::Stop,
            lame_duck_readiness: LameDuckReadiness::Off,
        }
    }
}

impl Budget {
    /// The plan that it stands for.
    pub fn plan(&self) -> Plan {
        Plan::new()
            .lame_duck(millis(self.lame_duck_ms))
            .drain_timeout(millis(self.drain_ms))
            .cancel_lead(millis(self.cancel_lead_ms))
            .hooks_timeout(millis(self.hooks_ms))
            .margin(millis(self.margin_ms))
            .drain_spread(millis(self.drain_spread_ms))
            .start_timeout(millis(self.start_ms))
            .ready_timeout(millis(self.ready_ms))
            .on_deadline(self.on_deadline)
            .while_draining(self.while_draining)
            .on_listener_error(self.on_listener_error)
            .lame_duck_readiness(self.lame_duck_readiness)
    }
}

impl Budget {
    /// All that a stop may take: what a plan without a grace period adds up to.
    #[must_use]
    pub fn total(&self) -> Duration {
        let parts = [
            self.lame_duck_ms,
            self.drain_ms,
            self.hooks_ms,
            self.margin_ms,
        ];
        parts.into_iter().map(millis).sum()
    }
}

/// What the server defends itself with, in milliseconds and numbers. By default what
/// [`Limits::default`] has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Defences {
    /// As [`Limits::header_read_timeout`].
    pub header_read_ms: Option<u32>,
    /// As [`Limits::max_connections`].
    pub max_connections: Option<u32>,
    /// As [`Limits::max_connection_age`].
    pub max_age_ms: Option<u32>,
    /// As [`Limits::max_connection_age_grace`].
    pub max_age_grace_ms: Option<u32>,
    /// As [`Limits::max_requests_per_connection`].
    pub max_requests: Option<u32>,
}

paste_struct!(Defences {
    header_read_ms,
    max_connections,
    max_age_ms,
    max_age_grace_ms,
    max_requests,
});

impl Default for Defences {
    fn default() -> Self {
        Self {
            header_read_ms: Some(10_000),
            max_connections: None,
            max_age_ms: None,
            max_age_grace_ms: None,
            max_requests: None,
        }
    }
}

impl Defences {
    /// The limits that they stand for, without the `Date` header: its text is the time of the
    /// machine's clock, which no simulation has.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits::default()
            .date_header(false)
            .header_read_timeout(self.header_read_ms.map(millis))
            .max_connections(self.max_connections.map(|most| most as usize))
            .max_connection_age(self.max_age_ms.map(millis))
            .max_connection_age_grace(self.max_age_grace_ms.map(millis))
            .max_requests_per_connection(self.max_requests.map(u64::from))
    }
}

/// A number of milliseconds.
pub(crate) fn millis(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}
