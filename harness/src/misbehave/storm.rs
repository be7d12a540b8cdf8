//! Many connections at once.
//!
//! **Invariant:** no connection waits for another.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::panic::Location;

use lamplighter::Addr;
use tokio::task::JoinSet;

use super::Misbehave;
use crate::descriptors;
use crate::patience::{PATIENCE, bounded_at_rest, fail};
use crate::probe::Probe;

/// What a storm does with each connection once it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It is kept, and says nothing.
    Keep,
    /// It is closed, having said nothing.
    Close,
    /// It is reset, having said nothing. On a Unix socket it is closed.
    Reset,
}

/// What became of a storm.
#[derive(Debug)]
#[non_exhaustive]
pub struct Storm {
    /// The connections that were kept, in the order in which they were there.
    pub kept: Vec<Probe>,
    /// How many connections there were.
    pub connected: usize,
    /// How many were refused: nobody listened, or a Unix socket's queue was full.
    pub refused: usize,
}

impl Misbehave {
    /// Opens so many connections at once, and keeps or ends them; resolves when each is there or
    /// refused. The soft limit of open files is raised if that is what it takes.
    ///
    /// # Panics
    ///
    /// If this process may not have so many open files, saying how many it needs; if a connection is
    /// neither established nor refused.
    #[track_caller]
    pub fn storm(
        &self,
        connections: usize,
        afterwards: Afterwards,
    ) -> impl Future<Output = Storm> + use<> {
        let here = Location::caller();
        let addr = self.addr.clone();
        async move {
            if let Err(error) = descriptors::make_room(connections) {
                fail(
                    here,
                    &format!("a storm of {connections} connections: {error}"),
                );
            }
            let mut storm = Storm {
                kept: Vec::new(),
                connected: 0,
                refused: 0,
            };
            let opened = storm.opens(&addr, connections, afterwards);
            let problem = match bounded_at_rest(PATIENCE, opened).await {
                Some(Ok(())) => return storm,
                Some(Err(error)) => format!("cannot connect to {addr}: {error}"),
                None => format!("waited {PATIENCE:?} for connections to {addr}"),
            };
            let Storm {
                connected, refused, ..
            } = storm;
            fail(
                here,
                &format!(
                    "{problem}; of {connections}, {connected} were there and {refused} refused"
                ),
            )
        }
    }
}

impl Storm {
    async fn opens(
        &mut self,
        addr: &Addr,
        connections: usize,
        afterwards: Afterwards,
    ) -> io::Result<()> {
        let mut opening: JoinSet<_> = (0..connections)
            .map(|_| addr.clone())
            .map(|addr| async move { Probe::open_unbounded(&addr, None).await })
            .collect();
        while let Some(opened) = opening.join_next().await {
            match opened.unwrap_or_else(|error| Err(error.into())) {
                Ok(probe) => self.has(probe, afterwards),
                Err(error) if is_refusal(error.kind()) => self.refused += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn has(&mut self, probe: Probe, afterwards: Afterwards) {
        self.connected += 1;
        match afterwards {
            Afterwards::Keep => self.kept.push(probe),
            Afterwards::Close => drop(probe),
            Afterwards::Reset => {
                // What is gone already cannot be reset.
                let _gone = probe.reset();
            }
        }
    }
}

const fn is_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::WouldBlock
    )
}
