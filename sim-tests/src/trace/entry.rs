//! One thing that somebody saw.
//!
//! **Invariant:** plain data, made without formatting anything.

use std::io;
use std::time::Duration;

use lamplighter::{ServerEvent, ServerEventKind, ServingStatus, Signal};

use crate::scenario::{ActDoes, RequestId};

/// One thing that somebody saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How long the run had lasted.
    pub at: Duration,
    /// Who saw it.
    pub who: Who,
    /// What was seen.
    pub what: WhatHappened,
}

impl Entry {
    /// What somebody's own code says, if it is that.
    #[must_use]
    pub const fn note(&self) -> Option<Note> {
        if let WhatHappened::Note(note) = self.what {
            Some(note)
        } else {
            None
        }
    }

    /// What the server says, if it is one of its lines.
    #[must_use]
    pub const fn server(&self) -> Option<&ServerEventKind> {
        match &self.what {
            WhatHappened::Server(event) => Some(&event.kind),
            WhatHappened::World(_)
            | WhatHappened::Client(_)
            | WhatHappened::Hook(_)
            | WhatHappened::Worker(_)
            | WhatHappened::Handler(_)
            | WhatHappened::Wire(_)
            | WhatHappened::Note(_) => None,
        }
    }
}

/// Who sees things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// The world: what it does to the server.
    World,
    /// The server itself.
    Server,
    /// What runs on a host, by its number: 0 is the one whose server is [`Server`](Self::Server).
    Host(u16),
    /// A client, by its place in the scenario.
    Client(u16),
    /// A hook, by its place in the scenario.
    Hook(u16),
    /// A worker, by its place in the scenario.
    Worker(u16),
    /// The handler of a request.
    Handler(RequestId),
    /// The server's end of a connection, by the number that the world gave it, from 1.
    Wire(u32),
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhatHappened {
    /// By the world.
    World(WorldDid),
    /// By the server.
    Server(ServerEvent),
    /// By a client.
    Client(ClientSaw),
    /// By a hook.
    Hook(HookSaw),
    /// By a worker.
    Worker(WorkerSaw),
    /// By a handler.
    Handler(HandlerSaw),
    /// At the server's end of a connection.
    Wire(WireSaw),
    /// By somebody's own code.
    Note(Note),
}

macro_rules! what_happened {
    ($($variant:ident($type:ty)),* $(,)?) => {
        $(impl From<$type> for WhatHappened {
            fn from(what: $type) -> Self {
                Self::$variant(what)
            }
        })*
    };
}

what_happened! {
    World(WorldDid), Server(ServerEvent), Client(ClientSaw), Hook(HookSaw), Worker(WorkerSaw),
    Handler(HandlerSaw), Wire(WireSaw), Note(Note),
}

/// Something that somebody's own code says of itself, for its own laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it did, such as `stored`.
    pub what: &'static str,
    /// What it did it to: a number of its own, such as that of an order.
    pub of: u64,
}

/// What the world does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldDid {
    /// It calls the server: `start()`, or what the scenario says instead.
    Called,
    /// It did what the scenario says at this place of its acts.
    Act(ActDoes),
    /// A hook that was registered in the middle of the life was taken, or refused.
    Registered(bool),
    /// What was called has returned: the life is over.
    Returned,
    /// It sends this signal to a server that nobody in the scenario has brought to its end.
    Ends(Signal),
}

/// What a client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientSaw {
    /// It asked for a connection.
    Dialled,
    /// It has one.
    Connected,
    /// It was refused one.
    Refused(io::ErrorKind),
    /// It has sent the head of a request.
    Asked(u16),
    /// An answer's head came.
    Head {
        /// Of which request.
        request: u16,
        /// Its status.
        status: u16,
    },
    /// An answer is complete.
    Answered {
        /// Of which request.
        request: u16,
        /// Its HTTP status.
        status: u16,
        /// Its gRPC status, where it has one.
        grpc: Option<u8>,
        /// Bytes of its body.
        bytes: u64,
    },
    /// A request will not be answered, or not to its end.
    Lost {
        /// Which request.
        request: u16,
        /// What stood in the way.
        why: Break,
        /// Bytes of the answer's body until then.
        bytes: u64,
    },
    /// A health status came.
    Health(ServingStatus),
    /// A piece of a stream, an event or a message came.
    Message(u32),
    /// The server has said that this connection is closed after the answer.
    Closing,
    /// A GOAWAY came.
    GoAway {
        /// The last stream that the server may have acted on.
        last_stream: u32,
        /// Its error code; 0 is none.
        code: u32,
    },
    /// A WebSocket's close came.
    Closed {
        /// Its code; 1005 where it has none.
        code: u16,
    },
    /// The server has ended its side.
    Fin,
    /// The server has reset the connection.
    Reset,
    /// It is done, and gone.
    Done,
}

/// What stands in the way of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The connection ended.
    Fin,
    /// The connection was reset.
    Reset,
    /// The stream was reset, with this code of HTTP/2.
    Stream(u32),
    /// A GOAWAY said that it was not and will not be acted on: it is safe to ask again.
    Unprocessed,
    /// It was never sent: there was no connection to be had for it.
    Unsent,
    /// The connection failed in another way, or what came makes no sense.
    Broken,
    /// The client itself went away.
    Left,
}

/// What a handler sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerSaw {
    /// It was called.
    Begun,
    /// `draining()` has resolved.
    HeardDraining,
    /// `cancelled()` has resolved.
    HeardCancelled,
    /// It returned its answer's head.
    Answered,
    /// The last piece of its answer's body was taken from it.
    Finished,
    /// It panics.
    Panics,
    /// It was dropped before it was done, or its body was.
    Dropped,
}

/// What a hook sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookSaw {
    /// It was called.
    Begun,
    /// It returns, or panics.
    Ended,
    /// It was dropped before it was done.
    Dropped,
}

/// What a worker sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerSaw {
    /// It was called.
    Begun,
    /// `draining()` has resolved.
    HeardDraining,
    /// `cancelled()` has resolved.
    HeardCancelled,
    /// It returns, or panics.
    Ended,
    /// It was dropped before it was done.
    Dropped,
}

/// What passes at the server's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireSaw {
    /// The server accepted it.
    Accepted {
        /// Whose connection it is.
        client: u16,
    },
    /// The server read bytes.
    Read {
        /// How many.
        bytes: u32,
        /// A hash of them.
        hash: u64,
    },
    /// The server wrote bytes.
    Wrote {
        /// How many.
        bytes: u32,
        /// A hash of them.
        hash: u64,
    },
    /// The server read the end of the client's side.
    ReadFin,
    /// The server ended its side.
    WroteFin,
    /// The server closed it.
    Closed,
    /// The server reset it.
    Aborted,
}

/// A hash of bytes that passed: FNV-1a of 64 bits.
#[must_use]
pub fn wire_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
