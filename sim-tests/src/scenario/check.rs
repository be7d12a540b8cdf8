//! What a scenario may not say.
//!
//! **Invariant:** whatever passes runs in some world.

use super::{ClientDoes, Scenario};

/// Something that a scenario says and cannot mean.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// An act is about a client that is not there.
    #[error("act {act} is about client {client}, and there are {clients} clients")]
    NoSuchClient {
        /// The act's place.
        act: usize,
        /// The client that it names.
        client: u16,
        /// How many there are.
        clients: usize,
    },
    /// A list is longer than its places can be told.
    #[error("{what} are {many}, and at most {most} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        many: usize,
        /// How many there may be.
        most: usize,
    },
    /// A number is zero that must not be.
    #[error("{what} is 0, and at least 1 is needed")]
    Zero {
        /// Which number.
        what: &'static str,
    },
    /// A hook's own timeout is none that a server takes: it would refuse the hook.
    #[error("hook {hook} has a timeout of {ms} ms, and 1 to {most} are allowed, or none")]
    HookTimeout {
        /// The hook's place.
        hook: usize,
        /// Its timeout, in milliseconds.
        ms: u32,
        /// The longest one that is allowed, in milliseconds.
        most: u32,
    },
    /// The world cannot do this.
    #[error("{what} cannot happen in the {world} world")]
    Unsupported {
        /// What.
        what: &'static str,
        /// Which world.
        world: &'static str,
    },
}

/// The longest timeout that a hook may have, in milliseconds: 30 days.
const LONGEST: u32 = 30 * 24 * 60 * 60 * 1000;

impl Scenario {
    /// Whether it can be carried out at all. Worlds may refuse more.
    ///
    /// A plan that the server itself refuses passes: that refusal is a life worth looking at. A hook
    /// that it refuses does not: nothing comes of it but a server without that hook.
    ///
    /// # Errors
    ///
    /// The first thing that it says and cannot mean.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let most = usize::from(u16::MAX);
        let lists = [
            ("clients", self.clients.len(), most),
            ("acts", self.acts.len(), most),
            ("hooks", self.hooks.len(), most),
            ("workers", self.workers.len(), most),
        ];
        for (what, many, most) in lists {
            if many > most {
                return Err(ScenarioError::TooMany { what, many, most });
            }
        }
        if self.link.window_bytes == 0 {
            return Err(ScenarioError::Zero {
                what: "link.window_bytes",
            });
        }
        for (hook, own) in self.hooks.iter().enumerate() {
            let most = LONGEST;
            if let Some(ms) = own.timeout_ms
                && !(1..=most).contains(&ms)
            {
                return Err(ScenarioError::HookTimeout { hook, ms, most });
            }
        }
        for (act, befalls) in self.acts.iter().enumerate() {
            let Some(client) = befalls.does.client() else {
                continue;
            };
            let clients = self.clients.len();
            if usize::from(client) >= clients {
                return Err(ScenarioError::NoSuchClient {
                    act,
                    client,
                    clients,
                });
            }
        }
        self.clients
            .iter()
            .try_for_each(|client| client.does.check())
    }
}

impl ClientDoes {
    fn check(&self) -> Result<(), ScenarioError> {
        let numbers: &[(&'static str, u32)] = match self {
            Self::SlowReader {
                window,
                chunk,
                every_ms,
                ..
            } => &[
                ("the window of a slow reader", *window),
                ("the chunk of a slow reader", *chunk),
                ("the time between two chunks of a slow reader", *every_ms),
            ],
            Self::SlowWriter {
                chunk, every_ms, ..
            } => &[
                ("the chunk of a slow writer", *chunk),
                ("the time between two chunks of a slow writer", *every_ms),
            ],
            Self::Probe { every_ms, .. } => &[("the time between two probes", *every_ms)],
            Self::Events { every_ms, .. } => &[("the time between two events", *every_ms)],
            Self::Http1 { .. }
            | Self::Http2 { .. }
            | Self::Grpc { .. }
            | Self::Watch
            | Self::Websocket { .. }
            | Self::Silent
            | Self::HalfHead
            | Self::HalfPreface
            | Self::NoSettingsAck
            | Self::NoPong
            | Self::Idle { .. }
            | Self::ResetMid { .. }
            | Self::Own { .. } => &[],
        };
        match numbers.iter().find(|(_, number)| *number == 0) {
            Some((what, _)) => Err(ScenarioError::Zero { what }),
            None => Ok(()),
        }
    }
}
