//! A trace as text: fixed columns, one line per entry.
//!
//! **Invariant:** no address, no number that differs between two runs.

use std::fmt;
use std::time::Duration;

use lamplighter::ServerEventKind;

use super::entry::{
    Break, ClientSaw, Entry, HandlerSaw, HookSaw, Note, WhatHappened, Who, WireSaw, WorkerSaw,
    WorldDid,
};

/// Entries that print as lines: milliseconds since the run began, who, what.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    entries: &'a [Entry],
    lines: Lines,
}

/// Which entries are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    All,
    /// The server's own, but for those of single connections: what every world agrees on.
    Lifecycle,
}

impl<'a> Text<'a> {
    /// All of them.
    #[must_use]
    pub const fn new(entries: &'a [Entry]) -> Self {
        Self {
            entries,
            lines: Lines::All,
        }
    }

    /// The server's lines alone, without those of single connections, whose numbers and ends depend on
    /// the network of the world.
    #[must_use]
    pub const fn lifecycle(entries: &'a [Entry]) -> Self {
        Self {
            entries,
            lines: Lines::Lifecycle,
        }
    }
}

impl Entry {
    /// Whether it is one of the server's lines that every world agrees on.
    #[must_use]
    pub const fn is_lifecycle(&self) -> bool {
        let (WhatHappened::Server(event), Who::Server) = (&self.what, self.who) else {
            return false;
        };
        !matches!(
            event.kind,
            ServerEventKind::ConnectionOpened { .. } | ServerEventKind::ConnectionClosed { .. }
        )
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in self.entries {
            if self.lines == Lines::All || entry.is_lifecycle() {
                writeln!(f, "{entry}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        stamp(self.at, f)?;
        // Not `f.pad` all the way down: the name is one column whatever it consists of.
        write!(f, "  {:<12}  {}", self.who.to_string(), self.what)
    }
}

fn stamp(at: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{:>7}.{:03} ms",
        at.as_millis(),
        at.subsec_micros() % 1000
    )
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str("world"),
            Self::Server => f.write_str("server"),
            Self::Host(number) => write!(f, "host#{number}"),
            Self::Client(number) => write!(f, "client#{number}"),
            Self::Hook(number) => write!(f, "hook#{number}"),
            Self::Worker(number) => write!(f, "worker#{number}"),
            Self::Handler(id) => write!(f, "handler#{id}"),
            Self::Wire(number) => write!(f, "wire#{number}"),
        }
    }
}

impl fmt::Display for WhatHappened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World(what) => what.fmt(f),
            Self::Server(event) => event.kind.fmt(f),
            Self::Client(what) => what.fmt(f),
            Self::Hook(what) => what.fmt(f),
            Self::Worker(what) => what.fmt(f),
            Self::Handler(what) => what.fmt(f),
            Self::Wire(what) => what.fmt(f),
            Self::Note(Note { what, of }) => write!(f, "{what} {of}"),
        }
    }
}

impl fmt::Display for WorldDid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called => f.write_str("called"),
            Self::Act(act) => write!(f, "{act:?}"),
            Self::Registered(true) => f.write_str("hook registered"),
            Self::Registered(false) => f.write_str("hook refused"),
            Self::Returned => f.write_str("returned"),
            Self::Ends(signal) => write!(f, "ends it by {signal}"),
        }
    }
}

impl fmt::Display for ClientSaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dialled => f.write_str("dialled"),
            Self::Connected => f.write_str("connected"),
            Self::Refused(kind) => write!(f, "refused: {kind:?}"),
            Self::Asked(request) => write!(f, "asked {request}"),
            Self::Head { request, status } => write!(f, "head of {request}: {status}"),
            Self::Answered {
                request,
                status,
                grpc: None,
                bytes,
            } => {
                write!(f, "answered {request}: {status}, {bytes} bytes")
            }
            Self::Answered {
                request,
                grpc: Some(grpc),
                bytes,
                ..
            } => {
                write!(f, "answered {request}: grpc {grpc}, {bytes} bytes")
            }
            Self::Lost {
                request,
                why,
                bytes,
            } => {
                write!(f, "lost {request}: {why}, {bytes} bytes")
            }
            Self::Health(status) => write!(f, "health {status:?}"),
            Self::Message(bytes) => write!(f, "message of {bytes} bytes"),
            Self::Closing => f.write_str("told of close"),
            Self::GoAway { last_stream, code } => {
                write!(f, "goaway last {last_stream} code {code}")
            }
            Self::Closed { code } => write!(f, "websocket close {code}"),
            Self::Fin => f.write_str("fin"),
            Self::Reset => f.write_str("reset"),
            Self::Done => f.write_str("done"),
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fin => f.write_str("fin"),
            Self::Reset => f.write_str("reset"),
            Self::Stream(code) => write!(f, "stream reset {code}"),
            Self::Unprocessed => f.write_str("unprocessed"),
            Self::Unsent => f.write_str("unsent"),
            Self::Broken => f.write_str("broken"),
            Self::Left => f.write_str("left"),
        }
    }
}

impl fmt::Display for HandlerSaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begun => "begun",
            Self::HeardDraining => "heard draining",
            Self::HeardCancelled => "heard cancelled",
            Self::Answered => "answered",
            Self::Finished => "finished",
            Self::Panics => "panics",
            Self::Dropped => "dropped",
        })
    }
}

impl fmt::Display for HookSaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begun => "begun",
            Self::Ended => "ended",
            Self::Dropped => "dropped",
        })
    }
}

impl fmt::Display for WorkerSaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begun => "begun",
            Self::HeardDraining => "heard draining",
            Self::HeardCancelled => "heard cancelled",
            Self::Ended => "ended",
            Self::Dropped => "dropped",
        })
    }
}

impl fmt::Display for WireSaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { client } => write!(f, "accepted client#{client}"),
            Self::Read { bytes, hash } => write!(f, "read {bytes} {hash:016x}"),
            Self::Wrote { bytes, hash } => write!(f, "wrote {bytes} {hash:016x}"),
            Self::ReadFin => f.write_str("read fin"),
            Self::WroteFin => f.write_str("wrote fin"),
            Self::Closed => f.write_str("closed"),
            Self::Aborted => f.write_str("aborted"),
        }
    }
}
