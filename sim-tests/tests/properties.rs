//! What holds for every case that can be drawn: the order of events, the outcome of races, hooks that
//! wait for each other, and many who stop one server.
//!
//! A property that fails prints the smallest case that it found, its timeline, and one command that
//! shows it again. `PROPTEST_CASES` says how many cases are drawn, as everywhere in this tree: all of
//! them are drawn from fixed numbers, and more of them are other ones.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fixture that cannot go on fails its test"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each rule picks out what it is about; the others are nothing to it"
)]

#[path = "properties/cycles.rs"]
mod cycles;
#[path = "properties/ordering.rs"]
mod ordering;
#[path = "properties/races.rs"]
mod races;
#[path = "properties/stage.rs"]
mod stage;
#[path = "properties/stops.rs"]
mod stops;
