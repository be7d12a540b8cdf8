//! The arguments of a campaign.
//!
//! **Invariant:** what is refused is named, with its value and with what is allowed instead.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use super::alternatives;
use super::worlds::WorldName;

/// What a campaign is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// How many seeds there are, over all shards.
    pub seeds: u64,
    /// The first of them.
    pub from: u64,
    /// How many threads work on them.
    pub jobs: NonZeroUsize,
    /// Which of them are this campaign's.
    pub shard: Shard,
    /// Instead of a campaign: this one case, told in full.
    pub seed: Option<u64>,
    /// Where cases are carried out.
    pub world: WorldName,
    /// The folder of summary and failures.
    pub out: PathBuf,
    /// Instead of a campaign: how many cases a second.
    pub rate: bool,
    /// How often each cell of the coverage that can be hit has to be, or it is a failure; `None` for
    /// what so many seeds are asked for, see [`least`](Self::least).
    pub least: Option<u64>,
    /// Instead of a campaign: the words above.
    pub help: bool,
}

/// Which part of the seeds: every `of`-th, from the `index`-th on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 0.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

/// How many seeds a campaign has that was told nothing: what a change is tried with.
const SEEDS: u64 = 10_000;

/// From how many seeds on every cell has to be hit, and how often.
const MANY: u64 = 100_000;
const LEAST: u64 = 100;

/// The environment variable in which Kubernetes gives an indexed Job's pod its number.
const JOB_INDEX: &str = "JOB_COMPLETION_INDEX";

/// What can be said to it.
pub(super) const USAGE: &str = "\
campaign [--seeds N] [--from S] [--jobs N] [--shard I/N] [--world W] [--out DIR] [--least N]
campaign --seed S [--world W]
campaign --rate

  --seeds N      how many seeds, over all shards: 10000 unless told
  --from S       the first of them: 0 unless told
  --jobs N       threads: as many as there are processors unless told
  --shard I/N    only every N-th seed, from the I-th on; I is `job` for the number in the environment
                 variable JOB_COMPLETION_INDEX
  --world W      memory (unless told), or turmoil: some dozens of cases a second, each host with a clock
                 of its own; what has a line without latency has one of 1 ms there, and every other
                 case has jumps of the server's clock for freezes
  --out DIR      where summary and failures go: target/campaign unless told
  --least N      a cell of the coverage that can be hit and was, less often than N times, is a failure,
                 too: 100 from 100000 seeds on, 0 for fewer, unless told
  --seed S       one case in full: what it is, what happened, and the smallest case that fails alike
  --rate         how many small and how many typical cases a second on one core: medians of rounds
";

/// An argument that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: `{value}`; allowed: {allowed}")]
pub struct BadArgument {
    /// Which one.
    pub name: String,
    /// What was said.
    pub value: String,
    /// What may be said.
    pub allowed: String,
}

fn bad(name: &str, value: impl Into<String>, allowed: impl Into<String>) -> BadArgument {
    BadArgument {
        name: name.to_owned(),
        value: value.into(),
        allowed: allowed.into(),
    }
}

impl Default for Arguments {
    fn default() -> Self {
        let jobs = std::thread::available_parallelism();
        Self {
            seeds: SEEDS,
            from: 0,
            jobs: jobs.unwrap_or(NonZeroUsize::MIN),
            shard: Shard { index: 0, of: 1 },
            seed: None,
            world: WorldName::Memory,
            out: PathBuf::from("target/campaign"),
            rate: false,
            least: None,
            help: false,
        }
    }
}

impl Arguments {
    /// Reads them; `environment` looks a variable up.
    ///
    /// # Errors
    ///
    /// The first one that makes no sense.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadArgument> {
        let mut read = Self::default();
        let mut parser = Parser::from_args(arguments);
        loop {
            let argument = parser
                .next()
                .map_err(|error| bad("argument", error.to_string(), "see --help"))?;
            let Some(argument) = argument else {
                return Ok(read);
            };
            let Arg::Long(name) = argument else {
                let value = match argument {
                    Arg::Short(letter) => format!("-{letter}"),
                    Arg::Value(value) => value.to_string_lossy().into_owned(),
                    Arg::Long(name) => name.to_owned(),
                };
                return Err(bad("argument", value, options()));
            };
            let name = format!("--{name}");
            match name.as_str() {
                "--seeds" => read.seeds = number(&mut parser, &name, 1)?,
                "--from" => read.from = number(&mut parser, &name, 0)?,
                "--seed" => read.seed = Some(number(&mut parser, &name, 0)?),
                "--jobs" => {
                    let jobs = usize::try_from(number(&mut parser, &name, 1)?);
                    read.jobs = jobs.ok().and_then(NonZeroUsize::new).unwrap_or(read.jobs);
                }
                "--shard" => read.shard = shard(&value(&mut parser, &name, SHARD)?, &environment)?,
                "--world" => read.world = world(&value(&mut parser, &name, WORLDS)?)?,
                "--out" => read.out = value(&mut parser, &name, "a folder")?.into(),
                "--rate" => read.rate = true,
                "--least" => read.least = Some(number(&mut parser, &name, 0)?),
                "--help" => read.help = true,
                _ => return Err(bad("argument", name, options())),
            }
        }
    }

    /// What can be said.
    #[must_use]
    pub const fn usage() -> &'static str {
        USAGE
    }

    /// How often each cell of the coverage that can be hit has to be. A part of the seeds is asked for
    /// nothing: what its cells lack, those of the other parts may have.
    #[must_use]
    pub const fn least(&self) -> u64 {
        match self.least {
            Some(least) => least,
            None if self.seeds >= MANY && self.shard.of == 1 => LEAST,
            None => 0,
        }
    }

    /// The seeds of this campaign.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + Send + use<> {
        let Self {
            seeds, from, shard, ..
        } = *self;
        (shard.index..seeds)
            .step_by(usize::try_from(shard.of).unwrap_or(usize::MAX))
            .map(move |place| from.wrapping_add(place))
    }
}

const SHARD: &str = "I/N with I below N, both numbers, or I the word `job`";
const WORLDS: &str = "the name of a world";

fn options() -> String {
    alternatives(&[
        "--seeds", "--from", "--jobs", "--shard", "--world", "--out", "--least", "--seed",
        "--rate", "--help",
    ])
}

fn value(parser: &mut Parser, name: &str, allowed: &str) -> Result<String, BadArgument> {
    let value = parser.value().map_err(|_| bad(name, "", allowed))?;
    let not_text = |value: OsString| bad(name, value.to_string_lossy(), allowed);
    value.into_string().map_err(not_text)
}

fn number(parser: &mut Parser, name: &str, least: u64) -> Result<u64, BadArgument> {
    let allowed = format!("a number from {least} to {}", u64::MAX);
    let value = parser
        .value()
        .map_err(|_| bad(name, "", allowed.as_str()))?;
    let number = value.parse::<u64>().ok().filter(|number| *number >= least);
    number.ok_or_else(|| bad(name, value.to_string_lossy(), allowed))
}

fn shard(value: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Shard, BadArgument> {
    let refused = || bad("--shard", value, SHARD);
    let (index, of) = value.split_once('/').ok_or_else(refused)?;
    let of: u64 = of.parse().map_err(|_| refused())?;
    let index = if index == "job" {
        let index = environment(JOB_INDEX).unwrap_or_default();
        let allowed = format!("a number below {of}");
        let number = index.parse().ok().filter(|index: &u64| *index < of);
        number.ok_or_else(|| bad(JOB_INDEX, index, allowed))?
    } else {
        index.parse().map_err(|_| refused())?
    };
    if index < of {
        Ok(Shard { index, of })
    } else {
        Err(refused())
    }
}

fn world(value: &str) -> Result<WorldName, BadArgument> {
    let known = WorldName::ALL.iter().find(|world| world.name() == value);
    known.copied().ok_or_else(|| {
        let names = WorldName::ALL.map(WorldName::name);
        bad("--world", value, alternatives(&names))
    })
}

#[cfg(test)]
mod tests;
