//! Laws 5 and 8: every connection and every request is accounted for (tests of floor 0).

use lamplighter_lifecycle::{ConnectionEnd, ConnectionId, Event, Input, WorkerOutcome};

use super::{Law, Scene, holds};
use crate::reference::Worker;

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(ConnectionsAddUp),
        Box::new(RequestsAddUp),
        Box::new(CutWorkIsNamed),
        Box::new(WorkersAreAccountedFor),
        Box::new(ConnectionEventsFitTheLedger::default()),
    ]
}

/// accepted = open + the sum of the ways to end, each as it was told.
struct ConnectionsAddUp;

impl Law for ConnectionsAddUp {
    fn name(&self) -> &'static str {
        "law 5: accepted = the sum of the ways to end, and what is open"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let found = &scene.report.connections;
        let work = &scene.reference.work;
        let ended: u64 = found.ends.iter().sum();
        holds!(
            found.accepted == found.open + ended,
            "{} accepted, {} open, {ended} ended",
            found.accepted,
            found.open
        );
        holds!(
            found.accepted == work.accepted,
            "{} accepted instead of {}",
            found.accepted,
            work.accepted
        );
        holds!(
            found.turned_away == work.turned_away,
            "{} turned away instead of {}",
            found.turned_away,
            work.turned_away
        );
        for end in ConnectionEnd::ALL {
            let expected = work.ends.get(&end).copied().unwrap_or(0);
            holds!(
                found.ended(end) == expected,
                "{} {end} instead of {expected}",
                found.ended(end)
            );
        }
        let open = scene.machine.open_connections();
        holds!(
            open == work.open.len() && found.open == open as u64,
            "{open} open instead of {}",
            work.open.len()
        );
        Ok(())
    }
}

/// begun = answered + cut + aborted, of the connections that have ended.
struct RequestsAddUp;

impl Law for RequestsAddUp {
    fn name(&self) -> &'static str {
        "law 8: begun = answered + cut + aborted by the peer"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let tally = &scene.report.connections.tally;
        let expected = &scene.reference.work.tally;
        let ended = tally
            .answered
            .saturating_add(tally.cut)
            .saturating_add(tally.aborted);
        holds!(tally.begun == ended, "{tally:?}");
        holds!(tally.in_flight() == 0, "in flight after the end: {tally:?}");
        holds!(tally == expected, "{tally:?} instead of {expected:?}");
        Ok(())
    }
}

/// The slowest hundred pieces of cut work are named, the rest counted.
struct CutWorkIsNamed;

impl Law for CutWorkIsNamed {
    fn name(&self) -> &'static str {
        "law 8: cut work is named, the slowest first, and the rest counted"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let found = &scene.report.connections;
        let work = &scene.reference.work;
        let mut expected = work.cut.clone();
        expected.sort_by_key(|(begun_at, ..)| *begun_at);
        expected.truncate(100);
        let named: Vec<_> = found
            .cut
            .iter()
            .map(|cut| (cut.work.begun_at, cut.connection, cut.stuck))
            .collect();
        holds!(named == expected, "{named:?} instead of {expected:?}");
        // Beyond the largest number nobody can add up.
        if found.tally.cut < u64::MAX {
            let unnamed = found.tally.cut - named.len() as u64;
            holds!(
                found.cut_unnamed == unnamed,
                "{} unnamed instead of {unnamed}",
                found.cut_unnamed
            );
        }
        if let Some(cut) = found.cut.iter().find(|cut| cut.at > scene.reference.now) {
            return Err(format!("cut in the future: {cut:?}"));
        }
        for (cut, (.., connection, _)) in found.cut.iter().zip(&expected) {
            let peer = crate::generator::peer(*connection);
            holds!(cut.peer == peer, "{} instead of {peer}", cut.peer);
        }
        Ok(())
    }
}

/// A worker runs from its start to its own end, its cut, or as stuck.
struct WorkersAreAccountedFor;

impl Law for WorkersAreAccountedFor {
    fn name(&self) -> &'static str {
        "law 8: every worker that ran has its end"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let expected: Vec<Option<WorkerOutcome>> = scene
            .reference
            .work
            .workers
            .iter()
            .filter_map(|worker| match worker {
                Worker::Waiting => None,
                Worker::Running => Some(None),
                Worker::Ended(outcome) => Some(Some(outcome.clone())),
            })
            .collect();
        let found: Vec<_> = scene
            .report
            .workers
            .iter()
            .map(|worker| worker.outcome.clone())
            .collect();
        holds!(found == expected, "{found:?} instead of {expected:?}");
        let running = scene.machine.running_workers();
        holds!(
            running == scene.reference.work.running_workers(),
            "{running} run"
        );
        Ok(())
    }
}

/// Connections are told of one by one while observed; cut and stuck ones always.
#[derive(Default)]
struct ConnectionEventsFitTheLedger {
    observed: bool,
    open: usize,
    workers_ended: usize,
}

impl Law for ConnectionEventsFitTheLedger {
    fn name(&self) -> &'static str {
        "law 5: connection and worker events fit the ledger"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        if let crate::model::Call::Observe(observed) = moment.call {
            self.observed = observed;
        }
        let opened: Vec<ConnectionId> = moment
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::ConnectionOpened { connection, .. } => Some(*connection),
                _ => None,
            })
            .collect();
        let open = reference.work.open.len();
        let expected: Vec<ConnectionId> = match moment.input() {
            Some(Input::ConnectionOpened { connection, .. })
                if self.observed && open > self.open =>
            {
                vec![*connection]
            }
            _ => vec![],
        };
        holds!(opened == expected, "opened {opened:?}");
        let closed: Vec<(ConnectionId, ConnectionEnd)> = moment
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::ConnectionClosed {
                    connection, end, ..
                } => Some((*connection, *end)),
                _ => None,
            })
            .collect();
        let expected: Vec<(ConnectionId, ConnectionEnd)> = match moment.input() {
            Some(Input::ConnectionClosed {
                connection, end, ..
            }) if open < self.open && (self.observed || reference.work.last_cut > 0) => {
                vec![(*connection, *end)]
            }
            _ => reference
                .work
                .stuck_now
                .iter()
                .map(|connection| (*connection, ConnectionEnd::Stuck))
                .collect(),
        };
        holds!(
            closed == expected,
            "closed {closed:?} instead of {expected:?}"
        );
        self.open = open;

        let ended = moment
            .events
            .iter()
            .filter(|(_, event)| matches!(event, Event::WorkerEnded { .. }))
            .count();
        let total = reference
            .work
            .workers
            .iter()
            .filter(|worker| matches!(worker, Worker::Ended(_)))
            .count();
        holds!(
            ended == total - self.workers_ended,
            "{ended} workers told, {total} ended"
        );
        self.workers_ended = total;
        Ok(())
    }
}
