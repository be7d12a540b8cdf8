//! What befalls the server and its world: signals, calls, faults of the network and of time.
//!
//! **Invariant:** plain data.

use lamplighter::Signal;

use super::paste::{paste_enum, paste_struct};

/// Something that befalls the server or its world, once.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Act {
    /// Since the act before it; the first one's since the scenario's [origin](super::Origin).
    pub gap_ms: u32,
    /// What.
    pub does: ActDoes,
}

paste_struct!(Act { gap_ms, does });

/// What befalls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ActDoes {
    /// The server's process gets this signal.
    Signal(Signal),
    /// Somebody calls `stop()`.
    Stop,
    /// Somebody calls `force()`.
    Force,
    /// Somebody calls `drain()`.
    Drain,
    /// The owner drops what `start()` gave it.
    DropOwner,
    /// Somebody registers one more hook.
    RegisterHook,
    /// Nothing travels between this client and the server any more, in either direction, until it is
    /// released; it is late then, not lost.
    Hold {
        /// Which client.
        client: u16,
    },
    /// What was held travels on.
    Release {
        /// Which client.
        client: u16,
    },
    /// Nothing travels between this client and the server ever again; what is on its way is lost.
    Partition {
        /// Which client.
        client: u16,
    },
    /// The client's process ends without a word; its operating system closes what it had open.
    Crash {
        /// Which client.
        client: u16,
    },
    /// The next accepts fail.
    AcceptErrors {
        /// How many.
        times: u16,
        /// With what.
        error: AcceptFault,
    },
    /// The listener is broken for good.
    BreakListener,
    /// The clock of the server's host alone moves on by this much. Worlds with one clock for all
    /// refuse it.
    Jump {
        /// How far.
        ms: u32,
    },
    /// Nobody runs for so long, while time goes on: timers come late, and all at once. For no time at
    /// all, everybody has a turn before the next act of this instant.
    Freeze {
        /// How long.
        ms: u32,
    },
}

paste_enum!(ActDoes {
    Signal(signal), Stop, Force, Drain, DropOwner, RegisterHook,
    Hold { client }, Release { client }, Partition { client }, Crash { client },
    AcceptErrors { times, error }, BreakListener, Jump { ms }, Freeze { ms },
});

impl Default for ActDoes {
    /// What ends nearly every life.
    fn default() -> Self {
        Self::Signal(Signal::Sigterm)
    }
}

impl ActDoes {
    /// The client that it befalls, if it is about one.
    #[must_use]
    pub const fn client(self) -> Option<u16> {
        match self {
            Self::Hold { client }
            | Self::Release { client }
            | Self::Partition { client }
            | Self::Crash { client } => Some(client),
            Self::Signal(_)
            | Self::Stop
            | Self::Force
            | Self::Drain
            | Self::DropOwner
            | Self::RegisterHook
            | Self::AcceptErrors { .. }
            | Self::BreakListener
            | Self::Jump { .. }
            | Self::Freeze { .. } => None,
        }
    }
}

/// How an accept fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AcceptFault {
    /// The process is out of descriptors (`EMFILE`).
    TooManyFiles,
    /// The connection was gone before it was taken (`ECONNABORTED`).
    Aborted,
    /// The kernel is out of memory (`ENOMEM`).
    OutOfMemory,
}

paste_enum!(AcceptFault {
    TooManyFiles,
    Aborted,
    OutOfMemory
});
