//! A deterministic simulator for the life of a server.
//!
//! The production runtime, unchanged, on a network and a clock that obey: a [`Scenario`] is plain data,
//! a world carries it out, a [`Trace`] holds what everybody saw, an [`Oracle`] holds it against the laws
//! of the runtime while it happens. The same scenario gives the same trace, byte for byte.
//!
//! A service of one's own goes through the same by [`scenario()`]: see [`simulation`], which begins with
//! a worked example.
//!
//! # How a world works
//!
//! A [`World`] gives the server a `Network` and a `SignalSource` through the seams that the runtime has
//! for everybody; hyper, h2 and tonic run on it as they are. Time is tokio's, paused: it moves on when
//! nobody has anything to do, so that a minute of waiting costs nothing.
//!
//! | world | for | a case takes |
//! |---|---|---|
//! | [`Memory`] | campaigns and properties: one thread, one clock, a network of bytes in two queues | 0.09 ms |
//! | [`Turmoil`] | faults between hosts, and a second opinion: every host has a clock of its own | 40 ms |
//!
//! In memory that is a [small](strategy::Case::small) case, drawn and judged, in a release build;
//! a [typical](strategy::Case::typical) one takes 0.7 ms. `campaign --rate` measures both: the medians of
//! 15 rounds, by the time of its thread and by the clock. In turmoil it is the mean of a campaign.
//!
//! A [`Scenario`] that both take has the same lifecycle in both. A service of one's own may be reached up to
//! some milliseconds later in turmoil, whose hosts take their turns by the millisecond: a case that was
//! made small in one world is to be replayed in that one.
//!
//! # What is modelled, and what is not
//!
//! | modelled | not |
//! |---|---|
//! | a line with latency and a window of bytes, in order; FIN, reset, half a close | packets, their loss and their order; congestion |
//! | the accept queue, accepts that fail, a listener that breaks | the length of the queue, the kernel's memory |
//! | holds, partitions for good, a client's crash | a partition that heals in the middle of a connection |
//! | signals at any instant, several in one | what the kernel does with a signal that nobody has armed |
//! | freezes; in turmoil a jump of the server's clock alone | a clock that runs back |
//! | hooks, workers, checks, callbacks and handlers that fail, panic or hang; hooks that block | threads: an order between two of them, a handler that blocks its own |
//! | HTTP/1.1, HTTP/2, gRPC, WebSocket, server-sent events, clients that misbehave in each | TLS, Unix sockets, more than one listener per host |
//!
//! # How the laws are tested
//!
//! `sim-tests/bugs/` holds bugs to be planted in the runtime, one for each law: `sim-tests/bugs/run`
//! builds one after another and looks for it as a campaign does, and `sim-tests/bugs/README.md` is the
//! table of which law has found which bug, after how many cases, and how small the case became.
//!
//! # How to replay
//!
//! A campaign draws each case from one number, and prints the command that shows it again: `campaign
//! --seed 17` of the binary, `SIM_SEED=17 cargo test` of a service of one's own. It prints the smallest
//! case that fails alike as a Rust expression, too: pasted into a test, that one stays.
//!
//! # How determinism is kept
//!
//! * One thread per run; every `select!` is `biased`; nothing iterates over a hash map.
//! * Everything that is drawn is drawn from the scenario's seed; no real time, and no `Date` header,
//!   whose text is that of the machine's clock.
//! * Clippy refuses what would break it (`.clippy.toml` of this package), a rule over the tree refuses a
//!   `select!` that throws dice, and `tests/determinism.rs` compares the bytes of twenty cases in both
//!   worlds: within a process, with another one, and with what a build of another profile has written
//!   down.
//!
//! **Invariant:** no logic in this file.

pub mod act;
pub mod campaign;
pub mod client;
pub mod coverage;
pub mod host;
pub mod oracle;
pub mod scenario;
pub mod service;
pub mod shrink;
pub mod simulation;
pub mod strategy;
pub mod trace;
pub mod world;

pub use oracle::{End, Invariant, Oracle, Violation};
pub use scenario::{
    AcceptFault, Act, ActDoes, Bind, Budget, Call, Callback, CallbackDoes, Check, Client,
    ClientDoes, Defences, HandlerDoes, Hears, Home, Hook, HookDoes, Link, Moment, Origin, ProbeOf,
    Red, Request, RequestId, Scenario, ScenarioError, Start, Worker, WorkerDoes,
};
pub use simulation::{
    AskError, Coming, Conversation, Failure, Host, Line, Service, Simulation, Summary, Visit,
    scenario,
};
pub use trace::{Clock, Entry, Trace};
pub use world::cast::BoxError;
pub use world::{Memory, Observer, Real, Run, RunEnd, Turmoil, World};
