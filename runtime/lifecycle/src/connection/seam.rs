//! What goes into the life of one connection, and what comes out (floor 0).
//!
//! **Invariant:** an input is a fact or an order from above; an effect is an order to below.

use crate::{ConnectionEnd, Directive, Instant, Protocol};

/// What a stop asks of a connection. Only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Announce the close; go on serving.
    LameDuck {
        /// When the lame duck ends at the latest.
        until: Instant,
    },
    /// Finish what is in flight, then close. Repeated with an earlier deadline, it tightens that.
    Drain {
        /// When what is left is cut; `None` while there is no deadline.
        deadline: Option<Instant>,
    },
    /// Handlers have been told that time is up.
    Cancel,
    /// End now.
    Force,
}

impl Order {
    /// What `directive` asks of a connection, if anything.
    #[must_use]
    pub const fn of(directive: &Directive) -> Option<Self> {
        match directive {
            Directive::Serve => None,
            Directive::LameDuck { until, .. } => Some(Self::LameDuck { until: *until }),
            Directive::Drain { deadline, .. } => Some(Self::Drain {
                deadline: *deadline,
            }),
            Directive::Tighten { deadline } => Some(Self::Drain {
                deadline: Some(*deadline),
            }),
            Directive::Cancel => Some(Self::Cancel),
            Directive::Force => Some(Self::Force),
        }
    }
}

/// Something that was seen on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The first byte came.
    FirstByte,
    /// Enough bytes came to know HTTP/1 from HTTP/2.
    Speaks(Protocol),
    /// What it is doing has changed.
    Activity(Activity),
    /// It speaks something else than HTTP from here on.
    Upgraded,
    /// A stop asks something.
    Ordered(Order),
    /// It ended by itself: the peer left, the protocol failed, or both sides were done.
    Ended(ConnectionEnd),
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Activity {
    /// How many requests have begun so far.
    pub begun: u64,
    /// How many of them are in flight.
    pub in_flight: u64,
    /// Whether bytes of a request's head have come, but not all. HTTP/1 only.
    pub head: bool,
    /// Whether frames wait for the peer to take those before them. HTTP/2 only.
    pub blocked: bool,
}

/// Something for whoever carries the bytes to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Handlers are asked to finish: the turn of this connection has come in a drain that is spread.
    /// Where a drain is not spread nobody waits for it, and it is not said.
    AskToFinish,
    /// Announce the close: on HTTP/1 on every head from here on, on HTTP/2 by GOAWAY.
    GracefulClose,
    /// HTTP/2: refuse streams that are opened from here on, in a way that says they were not begun.
    RefuseStreams,
    /// HTTP/1: where no request is begun and nothing is left to read, let reading end.
    EndReading,
    /// HTTP/2: reset every stream in flight, and flush that.
    CutStreams,
    /// Close now; what was sent still arrives.
    Close(ConnectionEnd),
    /// Close now so that the peer cannot take what it has got for complete.
    Reset(ConnectionEnd),
}
