//! The ledger: every connection from accept to close, and what became of its requests (floor 0).
//!
//! **Invariant:** a connection is opened once and ended once; what was accepted equals the sum of
//! the ways to end plus what is open. **Invariant:** whatever its inputs claim, at the end of a
//! connection `begun = answered + cut + aborted`. **Invariant:** nothing grows with the number of
//! ended connections, but for those that are stuck at the end.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::Instant;
use crate::connections::{ConnectionEnd, ConnectionId, Protocol, Tally, Work};
use crate::peer::PeerAddr;

/// How many pieces of cut work a report names: the slowest ones. The rest is counted.
pub(crate) const NAMED_CUT: usize = 100;

/// Work that was cut, as a report names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CutWork {
    /// The connection that carried it.
    pub connection: ConnectionId,
    /// Who was at the other end.
    pub peer: PeerAddr,
    /// What was cut.
    pub work: Work,
    /// When it was cut.
    pub at: Instant,
    /// Whether it did not end even so.
    pub stuck: bool,
}

/// A connection that is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    peer: PeerAddr,
    /// Apart, since most never are.
    forced: Option<Box<Forced>>,
}

/// What an open connection was doing when the force close reached it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Forced {
    protocol: Protocol,
    tally: Tally,
    work: Vec<Work>,
}

/// Every connection of one life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    open: BTreeMap<ConnectionId, Open>,
    accepted: u64,
    ends: [u64; ConnectionEnd::ALL.len()],
    tally: Tally,
    cut: Vec<CutWork>,
    cut_unnamed: u64,
    turned_away: u64,
    stuck: Vec<ConnectionId>,
}

impl Ledger {
    /// Takes a connection in; `false` if it is in already.
    pub(crate) fn open(&mut self, connection: ConnectionId, peer: PeerAddr) -> bool {
        if self.open.contains_key(&connection) {
            return false;
        }
        let fresh = Open { peer, forced: None };
        self.open.insert(connection, fresh);
        self.accepted = self.accepted.saturating_add(1);
        true
    }

    /// Who is at the other end of a connection that is open.
    pub(crate) fn peer(&self, connection: ConnectionId) -> Option<&PeerAddr> {
        self.open.get(&connection).map(|open| &open.peer)
    }

    /// Counts connections that never became any: they were closed as they were taken in.
    pub(crate) fn turn_away(&mut self, count: u64) {
        self.turned_away = self.turned_away.saturating_add(count);
    }

    /// Notes what a connection was doing when it was force-closed.
    pub(crate) fn force(
        &mut self,
        connection: ConnectionId,
        protocol: Protocol,
        tally: Tally,
        work: Vec<Work>,
    ) {
        if let Some(open) = self.open.get_mut(&connection) {
            open.forced = Some(Box::new(Forced {
                protocol,
                tally,
                work,
            }));
        }
    }

    /// Ends a connection; gives back its settled counts, or `None` if it is not open.
    pub(crate) fn close(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        end: ConnectionEnd,
        tally: Tally,
        cut: Vec<Work>,
    ) -> Option<Tally> {
        let open = self.open.remove(&connection)?;
        Some(self.settle(now, connection, &open.peer, end, tally, cut))
    }

    /// Ends every open connection as stuck, with what is known of it; gives back the ends.
    pub(crate) fn close_stuck(&mut self, now: Instant) -> Vec<(ConnectionId, Protocol, Tally)> {
        let open = core::mem::take(&mut self.open);
        self.stuck.extend(open.keys());
        open.into_iter()
            .map(|(connection, open)| {
                let forced = open.forced.map(|forced| *forced).unwrap_or_default();
                let tally = self.settle(
                    now,
                    connection,
                    &open.peer,
                    ConnectionEnd::Stuck,
                    forced.tally,
                    forced.work,
                );
                (connection, forced.protocol, tally)
            })
            .collect()
    }

    fn settle(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        peer: &PeerAddr,
        end: ConnectionEnd,
        mut tally: Tally,
        cut: Vec<Work>,
    ) -> Tally {
        let by_force = matches!(end, ConnectionEnd::Cut | ConnectionEnd::Stuck);
        tally.settle(by_force);
        if let Some(count) = self.ends.get_mut(end.index()) {
            *count = count.saturating_add(1);
        }
        self.tally.add(&tally);
        // No more names than there was cut: what ended in between by itself is not among them.
        let named = cut
            .len()
            .min(usize::try_from(tally.cut).unwrap_or(usize::MAX));
        let unnamed = tally
            .cut
            .saturating_sub(u64::try_from(named).unwrap_or(u64::MAX));
        self.cut_unnamed = self.cut_unnamed.saturating_add(unnamed);
        for work in cut.into_iter().take(named) {
            self.name(CutWork {
                connection,
                peer: peer.clone(),
                work,
                at: now,
                stuck: end == ConnectionEnd::Stuck,
            });
        }
        tally
    }

    /// Keeps the slowest ones, oldest first; the youngest makes room.
    fn name(&mut self, cut: CutWork) {
        let place = self
            .cut
            .partition_point(|known| known.work.begun_at <= cut.work.begun_at);
        self.cut.insert(place, cut);
        if self.cut.len() > NAMED_CUT {
            self.cut.truncate(NAMED_CUT);
            self.cut_unnamed = self.cut_unnamed.saturating_add(1);
        }
    }

    /// The connections that were ended as stuck.
    pub(crate) fn stuck(&self) -> &[ConnectionId] {
        &self.stuck
    }

    /// How many connections are open.
    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(crate) fn ends(&self) -> &[u64; ConnectionEnd::ALL.len()] {
        &self.ends
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn cut(&self) -> &[CutWork] {
        &self.cut
    }

    pub(crate) fn cut_unnamed(&self) -> u64 {
        self.cut_unnamed
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away
    }
}
