//! A campaign: many cases, judged one by one, the failing ones made small.
//!
//! What the binary of the same name does. Its arguments are in [`Arguments`]; a failing case is told
//! as one command that replays it, as the smallest case that fails alike, and as that one's timeline.
//!
//! **Invariant:** whether a case fails depends on its seed alone: not on the other cases, on the number
//! of jobs, or on the machine.

mod arguments;
mod crew;
mod failure;
mod folder;
mod judge;
mod one;
mod panics;
mod rate;
mod summary;
mod worlds;

use std::fmt;
use std::io::{self, Write};

pub use arguments::{Arguments, BadArgument, Shard};
pub use failure::{Failure, Smallest};
pub use judge::{Judge, SAME, Verdict};
pub use summary::Summary;
pub use worlds::WorldName;

/// How a campaign ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every case passed.
    Passed,
    /// Some did not, or a cell was hit that is out of reach; or one was hit less often than asked.
    Failed,
    /// The arguments make no sense, or the folder cannot be written.
    Refused,
}

impl Ended {
    /// 0, 1 or 2.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Refused => 2,
        }
    }
}

/// Does what `arguments` say, telling of it on `out`; progress goes to standard error.
///
/// From here on the process prints no panics: those of a run are kept for its verdict.
///
/// # Errors
///
/// When `out` or the folder of failures cannot be written.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> io::Result<Ended> {
    if arguments.rate {
        return rate::tell(out);
    }
    panics::keep();
    let judge = Judge::new(arguments.world);
    if let Some(seed) = arguments.seed {
        return one::tell(&judge, seed, out);
    }
    let summary = crew::work(&judge, arguments);
    folder::write(arguments, &summary)?;
    write!(out, "{summary}")?;
    if let Some(folder) = summary.folder(arguments) {
        writeln!(out, "all of it in {}", folder.display())?;
    }
    Ok(summary.ended(arguments.least()))
}

/// A list of words, as a sentence has it: `a, b or c`.
fn alternatives<T: fmt::Display>(words: &[T]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests;
