//! Which hook may start now, and how much is still behind each (floor 0).
//!
//! **Invariant:** no hook is handed out twice, or after it is settled, or before every hook that it
//! waits for is settled. **Invariant:** nothing here knows the time.

use alloc::collections::BinaryHeap;
use alloc::sync::Arc;
use core::cmp::Reverse;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::arena::Arena;
use super::graph::HookGraph;
use super::names::NodeId;
use super::shape::Shape;
use super::spec::HookId;

/// Hands out the hooks of a graph in the order that it asks for.
///
/// Made when hooks begin to run; hooks registered later are not part of it. A hook is over once it
/// is [settled](Self::settle), however it ended: failure stops no dependent.
///
/// ```
/// use lamplighter_lifecycle::{ForwardReferences, HookError, HookGraph, HookSpec, Schedule};
///
/// let mut hooks = HookGraph::default();
/// let cache = HookSpec::named("cache").after(["database"]);
/// let cache = hooks.register(cache, ForwardReferences::Allowed)?;
/// let database = hooks.register(HookSpec::named("database"), ForwardReferences::Allowed)?;
///
/// let mut schedule = Schedule::new(&hooks);
/// assert_eq!(schedule.chain(database), 2);
/// assert_eq!(schedule.next_startable(), Some(database));
/// assert_eq!(schedule.next_startable(), None);
/// schedule.settle(database);
/// assert_eq!(schedule.next_startable(), Some(cache));
/// # Ok::<(), HookError>(())
/// ```
#[derive(Clone)]
pub struct Schedule {
    shape: Arc<Shape>,
    progress: Arena<HookId, Progress>,
    // All that follows is derived from the two above.
    /// For each hook the number of names that it still waits for.
    waits: Arena<HookId, u32>,
    /// For each name the number of its hooks that are not settled.
    open: Arena<NodeId, u32>,
    /// Hooks that wait for nothing any more; some may have been settled unstarted since.
    ready: BinaryHeap<Reverse<HookId>>,
    unsettled: usize,
    chains: Arena<HookId, u32>,
    /// A hook that others wait for was settled before its turn, so `chains` may be too long.
    chains_outdated: bool,
}

/// How far a hook has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Progress {
    /// Not handed out yet.
    Waiting,
    /// Handed out, and not settled yet.
    Started,
    /// Over, in whatever way, started or not.
    Settled,
}

impl Schedule {
    /// A schedule of all hooks of `graph`, none of them started.
    ///
    /// A name that no hook has counts as settled.
    #[must_use]
    pub fn new(graph: &HookGraph) -> Self {
        let shape = Shape::new(graph);
        let free = shape
            .order
            .iter()
            .take_while(|hook| shape.after.row(**hook).is_empty());
        Self {
            progress: Arena::filled(graph.len(), || Progress::Waiting),
            waits: shape.waits(),
            open: shape.hooks.clone(),
            ready: free.map(|hook| Reverse(*hook)).collect(),
            unsettled: graph.len(),
            chains: shape.chains(|_| false),
            chains_outdated: false,
            shape: Arc::new(shape),
        }
    }

    /// Hands out the next hook that may start, the one registered first if there are several.
    ///
    /// Each hook is handed out at most once, after every hook that it is `after` is settled, and
    /// never after it was settled itself. `None` means: not before another hook is settled.
    pub fn next_startable(&mut self) -> Option<HookId> {
        while let Some(Reverse(hook)) = self.ready.pop() {
            let progress = &mut self.progress[hook];
            if *progress == Progress::Waiting {
                *progress = Progress::Started;
                return Some(hook);
            }
        }
        None
    }

    /// Notes that a hook is over, whether or not it was ever handed out.
    ///
    /// Returns whether this is news: settling a hook again, or one of another graph, changes
    /// nothing.
    pub fn settle(&mut self, id: HookId) -> bool {
        match self.progress.try_at(id) {
            None | Some(Progress::Settled) => return false,
            Some(Progress::Waiting | Progress::Started) => {}
        }
        self.progress[id] = Progress::Settled;
        self.unsettled -= 1;
        self.chains_outdated |= self.waits[id] > 0;
        let name = self.shape.own[id];
        self.open[name] -= 1;
        if self.open[name] == 0 {
            for &dependent in self.shape.dependents.row(name) {
                self.waits[dependent] -= 1;
                if self.waits[dependent] == 0 {
                    self.ready.push(Reverse(dependent));
                }
            }
        }
        true
    }

    /// The number of hooks on the longest chain that begins with `id`: itself, one that waits for
    /// it, one that waits for that one, and so on, settled ones left out.
    ///
    /// Never zero, since a hook counts itself; 1 for a hook that is settled. Looks nothing up but
    /// one number, except that the first call after a hook was settled before its turn looks at
    /// every hook again.
    pub fn chain(&mut self, id: HookId) -> u32 {
        if self.chains_outdated {
            let settled = |hook| self.progress[hook] == Progress::Settled;
            self.chains = self.shape.chains(settled);
            self.chains_outdated = false;
        }
        match self.progress.try_at(id) {
            None | Some(Progress::Settled) => 1,
            Some(Progress::Waiting | Progress::Started) => self.chains[id],
        }
    }

    /// The hooks that are not settled, started or not, in order of registration.
    pub fn unsettled(&self) -> impl Iterator<Item = HookId> {
        let unsettled = |hook: &HookId| self.progress[*hook] != Progress::Settled;
        self.progress.keys().filter(unsettled)
    }

    /// How many hooks are not settled.
    #[must_use]
    pub fn unsettled_count(&self) -> usize {
        self.unsettled
    }

    /// Whether every hook is settled.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.unsettled == 0
    }

    /// Whether `id` was handed out and is not settled.
    #[must_use]
    pub fn is_started(&self, id: HookId) -> bool {
        self.progress.try_at(id) == Some(&Progress::Started)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.progress == other.progress && self.shape == other.shape
    }
}

impl Eq for Schedule {}

impl Hash for Schedule {
    /// The graph is left out: a machine's states all share theirs.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.progress.entries().hash(state);
    }
}

impl fmt::Debug for Schedule {
    /// Shows how far each hook has come; the rest follows from that and the graph.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("progress", &self.progress.entries())
            .finish_non_exhaustive()
    }
}
