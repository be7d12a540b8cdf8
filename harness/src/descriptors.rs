//! Room for many open files, for tests of many connections and many servers.
//!
//! **Invariant:** the soft limit is only ever raised, and never beyond what the process may have.

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;
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
    let room = limit.maximum.map_or(needed, |hard| hard.min(needed));
    let raised = Rlimit {
        current: Some(room),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| format!("{}: {error}", refused(None)))?;
    if room < needed {
        return Err(refused(limit.maximum));
    }
    Ok(())
}

/// What a test server takes at most, with one client in the same process.
const OF_A_SERVER: usize = 16;

/// So many servers have room without a look at it, under any limit that is usual.
const FEW: usize = 16;

static SERVERS: AtomicUsize = AtomicUsize::new(0);

/// One test server that lives, from before it takes its first descriptor until after its last.
#[derive(Debug)]
pub(crate) struct OneServer(());

impl OneServer {
    /// Enters one, and makes room for as many as there are once more each time that they have doubled.
    ///
    /// As far as there is room to make: whoever comes too far says [`what_it_takes`].
    pub(crate) fn enter() -> Self {
        let alive = SERVERS.fetch_add(1, Ordering::Relaxed) + 1;
        if alive >= FEW && alive.is_power_of_two() {
            // They may never be that many.
            let _as_far_as_it_goes = make_room(alive * OF_A_SERVER);
        }
        Self(())
    }
}

impl Drop for OneServer {
    fn drop(&mut self) {
        SERVERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What has to be allowed to the process for one more server, if it is that which this error is about.
pub(crate) fn what_it_takes(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    loop {
        let this = cause?;
        let system = this.downcast_ref::<io::Error>();
        if system.and_then(io::Error::raw_os_error) == Some(Errno::MFILE.raw_os_error()) {
            break;
        }
        cause = this.source();
    }
    let servers = SERVERS.load(Ordering::Relaxed);
    Some(match make_room(OF_A_SERVER) {
        Ok(()) => format!("{servers} test servers live; there is room for one more now"),
        Err(lacks) => format!("{servers} test servers live, and for one more {lacks}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_for_lack_of_descriptors_says_how_many_servers_live() {
        let lacks = io::Error::from(Errno::MFILE);
        let said = what_it_takes(&lacks).unwrap();
        assert!(said.contains(" test servers live"), "{said}");
        let other = io::Error::from(Errno::ADDRINUSE);
        assert_eq!(what_it_takes(&other), None);
    }
}
