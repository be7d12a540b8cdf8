//! Chosen lives, told line by line: each snapshot in `snapshots/timeline__*.snap` is one of them.
//!
//! They are meant to be read: the description says what is to be seen, the lines say when. `just
//! accept` takes what is seen as what is meant, and shows the difference.
//!
//! **Invariant:** a case here is plain data, and small enough to be read at one glance.

#[path = "timelines/faults.rs"]
mod faults;
#[path = "timelines/hooks.rs"]
mod hooks;
#[path = "timelines/long.rs"]
mod long;
#[path = "timelines/stage.rs"]
mod stage;
#[path = "timelines/starts.rs"]
mod starts;
#[path = "timelines/stops.rs"]
mod stops;
