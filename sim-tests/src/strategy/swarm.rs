//! Which features a case may use: drawn per seed, so that rare ones meet undisturbed by the others.
//!
//! A case that may do everything does a little of everything, and two rare things seldom meet in it.
//! Half of the features are left out of each case instead (swarm testing: Groce and others, 2012).
//!
//! **Invariant:** a switch says only what may occur, never how often.

use std::fmt;

/// The features that a case may use: a set of [`Switch`]es.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Swarm(u64);

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A feature that a case uses or does not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Switch {
            $($(#[$doc])* $name,)*
        }

        impl Switch {
            /// Every switch; its place here is its bit.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What it is called in print.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

switches! {
    /// HTTP/1.1 clients.
    Http1 = "http1",
    /// HTTP/2 clients.
    Http2 = "http2",
    /// gRPC clients.
    Grpc = "grpc",
    /// Watches of the health.
    Watch = "watch",
    /// WebSockets.
    Websocket = "websocket",
    /// Readers of server-sent events.
    Events = "events",
    /// Clients that say nothing.
    Silent = "silent",
    /// Clients that stop in the middle of a head or a preface.
    Halfway = "halfway",
    /// HTTP/2 clients that never acknowledge or answer.
    Mute = "mute",
    /// Clients that stay when they are done.
    Idle = "idle",
    /// Slow readers.
    SlowReader = "slow-reader",
    /// Slow writers.
    SlowWriter = "slow-writer",
    /// Clients that reset their connection.
    Reset = "reset",
    /// Health probes.
    Probe = "probe",
    /// More than three clients.
    Crowd = "crowd",
    /// Handlers that take time.
    Slowness = "slowness",
    /// Bodies that are not empty.
    Bodies = "bodies",
    /// Handlers that stream.
    Streams = "streams",
    /// Handlers that panic.
    HandlerPanics = "handler-panics",
    /// Handlers that never answer, or only when time is up.
    HandlerHangs = "handler-hangs",
    /// Handlers, workers and hooks that call `stop()`, `force()` or `drain()`.
    CallsFromWithin = "calls-from-within",
    /// Handlers that leave a task behind, or answer with the body unread.
    Careless = "careless",
    /// Hooks.
    Hooks = "hooks",
    /// Orders between hooks.
    HookOrder = "hook-order",
    /// Hooks that return an error.
    HookFails = "hook-fails",
    /// Hooks that panic.
    HookPanics = "hook-panics",
    /// Hooks that never return.
    HookHangs = "hook-hangs",
    /// Hooks that block their thread.
    HookBlocks = "hook-blocks",
    /// Hooks with a timeout of their own.
    HookTimeouts = "hook-timeouts",
    /// Hooks that are registered in the middle of the life.
    LateHooks = "late-hooks",
    /// Workers.
    Workers = "workers",
    /// Workers that fail, panic or hang.
    WorkerFaults = "worker-faults",
    /// Callbacks.
    Callbacks = "callbacks",
    /// Callbacks that panic.
    CallbackPanics = "callback-panics",
    /// Stops by a signal.
    Signals = "signals",
    /// More than one signal.
    MoreSignals = "more-signals",
    /// Stops by `stop()`, or by dropping the owner.
    Stops = "stops",
    /// `force()`.
    Forces = "forces",
    /// `drain()`.
    Drains = "drains",
    /// Clients that nothing reaches for a while.
    Holds = "holds",
    /// Clients that nothing reaches any more.
    Partitions = "partitions",
    /// Clients whose process ends.
    Crashes = "crashes",
    /// Accepts that fail.
    AcceptErrors = "accept-errors",
    /// A listener that breaks for good.
    BrokenListener = "broken-listener",
    /// A server that nobody runs for a while.
    Freezes = "freezes",
    /// Starts that wait: red checks, a late bind.
    SlowStart = "slow-start",
    /// Starts that fail.
    FailedStart = "failed-start",
    /// Other calls than `start()`.
    OtherCalls = "other-calls",
    /// Acts and clients that are counted from the call of the start.
    FromCall = "from-call",
    /// A lame duck.
    LameDuck = "lame-duck",
    /// A spread drain.
    Spread = "spread",
    /// Settings of the plan that are zero.
    Zeros = "zeros",
    /// A plan that waits for work as long as it takes.
    KeepWaiting = "keep-waiting",
    /// Other settings of the plan that are not as by default.
    Choices = "choices",
    /// Limits of connections.
    Limits = "limits",
    /// A line that takes time.
    Latency = "latency",
    /// A line that takes in little.
    NarrowLine = "narrow-line",
    /// Acts and clients that come in one phase, all of them.
    Aimed = "aimed",
}

impl Swarm {
    /// Every feature.
    pub const ALL: Self = Self((1 << Switch::ALL.len()) - 1);

    /// No feature but those of `switches`.
    #[must_use]
    pub fn of(switches: impl IntoIterator<Item = Switch>) -> Self {
        let bits = switches.into_iter().map(Switch::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// The features whose bits are set; bits that stand for nothing are dropped.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The bits of the features.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the case may use this feature.
    #[must_use]
    pub const fn has(self, switch: Switch) -> bool {
        self.0 & switch.bit() != 0
    }

    /// This one and one feature more.
    #[must_use]
    pub const fn with(self, switch: Switch) -> Self {
        Self(self.0 | switch.bit())
    }

    /// This one and one feature less.
    #[must_use]
    pub const fn without(self, switch: Switch) -> Self {
        Self(self.0 & !switch.bit())
    }
}

impl Switch {
    const fn bit(self) -> u64 {
        1 << self as u32
    }
}

impl fmt::Display for Swarm {
    /// The mask, and the features by their names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)?;
        for switch in Switch::ALL.iter().filter(|switch| self.has(**switch)) {
            write!(f, " {}", switch.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Swarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Swarm({self})")
    }
}
