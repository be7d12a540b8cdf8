//! Room for many open files, for tests of many connections and many servers.
//!
//! **Invariant:** the soft limit is only ever raised, and never beyond what the process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process has open besides: its streams, its runtimes, what it reads.
const BESIDES: u64 = 64;

/// Makes room for so many more open files than there are now; says what it would take if there is
/// none.
pub(crate) fn make_room(count: usize) -> Result<(), String> {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let needed = (open + count) as u64 + BESIDES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|soft| soft >= needed) {
        return Ok(());
    }
    let refused = |hard: Option<u64>| {
        let hard = hard.map_or_else(|| String::from("none"), |hard| hard.to_string());
        format!("this process needs {needed} open files and may have {hard} (`ulimit -Hn`)")
    };
    if limit.maximum.is_some_and(|hard| hard < needed) {
        return Err(refused(limit.maximum));
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| format!("{}: {error}", refused(None)))
}
