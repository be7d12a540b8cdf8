//! The rules of this tree that no compiler checks, as tests over its text.
//!
//! Each rule is a function from text to findings, so that beside the tree it is also tried on a
//! planted sample of what it forbids.
//!
//! **Invariant:** a finding names the file, the line and what is allowed instead.
//! **Invariant:** nothing here writes, builds or runs anything.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/finding.rs"]
mod finding;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/readme.rs"]
mod readme;
#[path = "tidy/snapshots.rs"]
mod snapshots;
#[path = "tidy/spawns.rs"]
mod spawns;
#[path = "tidy/top.rs"]
mod top;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/virtual_time.rs"]
mod virtual_time;
