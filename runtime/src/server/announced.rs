//! The two lines that a log has of every life before its end: that it is ready, and that it stops
//! (floor 3).
//!
//! **Invariant:** nothing is put into words that nobody logs.

use std::fmt;

use lamplighter_lifecycle::{Announcement, Machine, Phase};

use super::life::{Bound, Life};
use crate::os::log;

/// Logs what is announced, if it is one of the two.
pub(super) fn log(life: &Life, announcement: &Announcement) {
    match announcement {
        Announcement::Ready => {
            log::info!(target: "lamplighter::lifecycle", "ready on {}", Places(life));
        }
        Announcement::Stopping => {
            log::info!(target: "lamplighter::lifecycle", "stopping: {}", Stop(life));
        }
        Announcement::Start | Announcement::Error(_) | Announcement::Stop => {}
    }
}

/// Where a server listens: every address, with its name if it has one.
struct Places<'a>(&'a Life);

impl fmt::Display for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.0.addrs.get().into_iter().flat_map(|all| all.iter());
        for (index, Bound { name, addr }) in places.enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{addr}")?;
            if let Some(name) = name {
                write!(f, " ({name})")?;
            }
        }
        Ok(())
    }
}

/// What has begun a stop, how long that may take, and what it has to wait for.
struct Stop<'a>(&'a Life);

impl fmt::Display for Stop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let life = self.0;
        let asked = |machine: &Machine| {
            let began = machine.entered(Phase::LameDuck);
            let within = machine
                .ends_by()
                .zip(began)
                .map(|(end, began)| end.since(began));
            (machine.cause().cloned(), within)
        };
        let (cause, within) = life.ask(asked);
        if let Some(cause) = cause {
            write!(f, "{cause}")?;
        }
        match within {
            Some(within) => write!(f, ", within {within:.1?}")?,
            None => f.write_str(", for as long as it takes")?,
        }
        write!(f, "; requests in flight: {}", life.in_flight())
    }
}
