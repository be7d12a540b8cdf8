//! What a campaign has been through: which events, faults and clients met which phase.
//!
//! A law that holds in every run says nothing about what no run did. So each cell of a table (what, in
//! which phase) is counted from the traces; cells that were never hit are named, and those that no run
//! can hit are declared, with the reason. A hit in one of these is an error: the reason is wrong, or
//! the server is.
//!
//! **Invariant:** counted from scenario and trace alone, without formatting anything.

mod beyond;
mod rows;
mod table;

use lamplighter::{Phase, ServerEventKind};

pub use rows::{Row, Subject};
pub use table::Table;

use crate::scenario::{ClientDoes, HookDoes, Scenario};
use crate::trace::{ClientSaw, Entry, HandlerSaw, HookSaw, WhatHappened, Who, WorkerSaw, WorldDid};
use beyond::beyond;

/// How many phases there are.
const PHASES: usize = Phase::ALL.len();

/// How often each cell was hit.
#[derive(Clone, PartialEq, Eq)]
pub struct Coverage {
    runs: u64,
    cells: Vec<[Hits; PHASES]>,
}

/// How often a cell was hit, and by which case first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// How often.
    pub times: u64,
    /// The smallest seed of those that hit it; no seed if there is none.
    pub seed: Option<u64>,
}

impl Hits {
    fn add(&mut self, other: Self) {
        self.times += other.times;
        self.seed = match (self.seed, other.seed) {
            (Some(seed), Some(other)) => Some(seed.min(other)),
            (seed, other) => seed.or(other),
        };
    }
}

/// One cell: something, in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What.
    pub row: Row,
    /// In which phase the server was.
    pub phase: Phase,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { row, phase } = self;
        write!(f, "{} {} in {phase}", row.subject(), row.name())
    }
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            runs: 0,
            cells: vec![[Hits::default(); PHASES]; Row::ALL.len()],
        }
    }
}

impl Coverage {
    /// Of no run.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one run, that of the case which `seed` stands for.
    pub fn count(&mut self, seed: u64, scenario: &Scenario, trace: &[Entry]) {
        self.runs += 1;
        let mut phase = 0;
        for entry in trace {
            if let Some(row) = row_of(scenario, entry) {
                self.hit(late(row, phase), phase, seed);
            }
            if let Some(next) = phase_after(entry) {
                phase = next;
            }
        }
    }

    fn hit(&mut self, row: Row, phase: usize, seed: u64) {
        let cells = self.cells.get_mut(row as usize);
        if let Some(hits) = cells.and_then(|cells| cells.get_mut(phase)) {
            hits.add(Hits {
                times: 1,
                seed: Some(seed),
            });
        }
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        for (cells, others) in self.cells.iter_mut().zip(&other.cells) {
            for (hits, more) in cells.iter_mut().zip(others) {
                hits.add(*more);
            }
        }
    }

    /// How many runs were counted.
    #[must_use]
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// How often a cell was hit.
    #[must_use]
    pub fn hits(&self, cell: Cell) -> Hits {
        let cells = self.cells.get(cell.row as usize);
        let place = Phase::ALL.iter().position(|phase| *phase == cell.phase);
        cells
            .zip(place)
            .and_then(|(cells, place)| cells.get(place))
            .copied()
            .unwrap_or_default()
    }

    /// Cells that can be hit, and were not.
    #[must_use]
    pub fn missed(&self) -> Vec<Cell> {
        let open = |cell: &Cell| beyond(*cell).is_none() && self.hits(*cell).times == 0;
        cells().filter(open).collect()
    }

    /// Cells that can be hit, those that were least often first, in order otherwise.
    pub fn lowest(&self) -> impl Iterator<Item = (Cell, Hits)> {
        let open = cells().filter(|cell| beyond(*cell).is_none());
        let mut open: Vec<(Cell, Hits)> = open.map(|cell| (cell, self.hits(cell))).collect();
        open.sort_by_key(|(_, hits)| hits.times);
        open.into_iter()
    }

    /// Cells that can be hit, and were less often than `least` times.
    pub fn rare(&self, least: u64) -> impl Iterator<Item = Cell> {
        let lowest = self.lowest().map(|(cell, hits)| (cell, hits.times));
        let rare = lowest.take_while(move |(_, times)| *times < least);
        rare.map(|(cell, _)| cell)
    }

    /// Cells that cannot be hit, and were, each with the reason why it cannot.
    #[must_use]
    pub fn impossible(&self) -> Vec<(Cell, &'static str)> {
        cells()
            .filter(|cell| self.hits(*cell).times > 0)
            .filter_map(|cell| Some((cell, beyond(cell)?)))
            .collect()
    }

    /// All of it as text.
    #[must_use]
    pub const fn table(&self) -> Table<'_> {
        Table { coverage: self }
    }
}

/// Why no run can hit this cell; `None` if one can.
#[must_use]
pub fn out_of_reach(cell: Cell) -> Option<&'static str> {
    beyond(cell)
}

/// Every cell, row by row.
pub fn cells() -> impl Iterator<Item = Cell> {
    let phases = |row: &'static Row| {
        Phase::ALL
            .into_iter()
            .map(|phase| Cell { row: *row, phase })
    };
    Row::ALL.iter().flat_map(phases)
}

impl std::fmt::Debug for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coverage")
            .field("runs", &self.runs)
            .finish_non_exhaustive()
    }
}

/// What something counts as that comes when no work is begun any more: who it is makes no difference
/// then.
fn late(row: Row, phase: usize) -> Row {
    let working = Phase::ALL.get(phase) < Some(&Phase::RunningHooks);
    match row.subject() {
        Subject::Client if !working && row != Row::Refused => Row::ConnectedLate,
        Subject::Handler if !working && row != Row::HandlerDropped => Row::BegunLate,
        Subject::Event
        | Subject::Act
        | Subject::Client
        | Subject::Handler
        | Subject::Hook
        | Subject::Worker => row,
    }
}

/// The phase that the server is in once it has told this: its place in [`Phase::ALL`].
fn phase_after(entry: &Entry) -> Option<usize> {
    let phase = match &entry.what {
        WhatHappened::World(WorldDid::Returned) => Phase::Stopped,
        WhatHappened::Server(event) if event.kind == ServerEventKind::Stop => Phase::Stopped,
        WhatHappened::Server(event) => {
            let ServerEventKind::Phase(phase) = event.kind else {
                return None;
            };
            phase
        }
        WhatHappened::World(_)
        | WhatHappened::Client(_)
        | WhatHappened::Hook(_)
        | WhatHappened::Worker(_)
        | WhatHappened::Handler(_)
        | WhatHappened::Wire(_)
        | WhatHappened::Note(_) => return None,
    };
    Phase::ALL.iter().position(|it| *it == phase)
}

/// What an entry counts as; `None` for what is no event, no fault and no arrival.
fn row_of(scenario: &Scenario, entry: &Entry) -> Option<Row> {
    match (&entry.what, entry.who) {
        (WhatHappened::Server(event), _) => Some(rows::of_event(&event.kind)),
        (WhatHappened::World(WorldDid::Act(does)), _) => Some(rows::of_act(*does)),
        (WhatHappened::Client(ClientSaw::Connected), Who::Client(client)) => {
            let client = scenario.clients.get(usize::from(client))?;
            Some(rows::of_client(&client.does))
        }
        (WhatHappened::Client(ClientSaw::Refused(_)), _) => Some(Row::Refused),
        (WhatHappened::Handler(HandlerSaw::Begun), Who::Handler(id)) => {
            Some(rows::of_handler(scenario.request(id)?.does))
        }
        (WhatHappened::Handler(HandlerSaw::Dropped), Who::Handler(id)) => {
            let client = scenario.clients.get(usize::from(id.client))?;
            // What waits for a WebSocket is a task of the application's own: it hears later that there will
            // be none.
            let is_task = matches!(client.does, ClientDoes::Websocket { .. });
            (!is_task).then_some(Row::HandlerDropped)
        }
        (WhatHappened::Hook(saw @ (HookSaw::Begun | HookSaw::Ended)), Who::Hook(hook)) => {
            let does = scenario.hooks.get(usize::from(hook))?.does;
            // One that blocks its thread is seen only when it ends.
            let shows = (*saw == HookSaw::Ended) == (does == HookDoes::Block);
            shows.then(|| rows::of_hook(does))
        }
        (WhatHappened::Hook(HookSaw::Dropped), _) => Some(Row::HookDropped),
        (WhatHappened::Worker(WorkerSaw::Ended), Who::Worker(worker)) => {
            let worker = scenario.workers.get(usize::from(worker))?;
            Some(rows::of_worker(worker.does))
        }
        (WhatHappened::Worker(WorkerSaw::Dropped), _) => Some(Row::WorkerDropped),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
