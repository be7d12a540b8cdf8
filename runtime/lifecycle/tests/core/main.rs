//! The pure core, held against the laws of a server's life (tests of floor 0).
//!
//! **Invariant:** no test sleeps, reads a clock, or draws from anything but a fixed seed.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a law looks at the few kinds that it speaks of"
)]
#![expect(
    clippy::struct_excessive_bools,
    reason = "what is owed, or has happened, is yes or no"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, in its helpers too"
)]

mod answers;
mod exploration;
mod generator;
mod hostile;
mod laws;
mod life;
mod machine;
mod metamorphic;
mod model;
mod purity;
mod reference;
mod snapshot;
mod transitions;
mod world;
