//! The campaign: many simulated lives, judged; see `lamplighter_sim::campaign`.
//!
//! **Invariant:** no logic in this file.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use lamplighter_sim::campaign::{Arguments, Ended, run};

fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args_os().skip(1), |name| std::env::var(name).ok());
    let ended = match arguments {
        Ok(arguments) if arguments.help => stdout()
            .write_all(Arguments::usage().as_bytes())
            .map(|()| Ended::Passed),
        Ok(arguments) => run(&arguments, &mut stdout()),
        Err(bad) => {
            drop(writeln!(stderr(), "{bad}"));
            Ok(Ended::Refused)
        }
    };
    let ended = ended.unwrap_or_else(|error| {
        drop(writeln!(stderr(), "cannot write: {error}"));
        Ended::Refused
    });
    ExitCode::from(ended.exit_code())
}
