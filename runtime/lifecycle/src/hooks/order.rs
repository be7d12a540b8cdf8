//! A topological order of names that is kept up as edges come in, so that a cycle is seen at once
//! (floor 0).
//!
//! Every name has a level, and no name's level is below that of a name it is after. A new edge
//! that fits the levels is in order without a look at anything else. For one that does not, two
//! searches decide: backwards among names of one level, for a bounded number of edges, and then
//! forwards among the names whose level has to rise. Levels only rise, and the bound keeps them
//! few, which is what keeps the sum over all edges small. This is the algorithm for sparse graphs
//! of Bender, Fineman, Gilbert and Tarjan, "A New Approach to Incremental Cycle Detection and
//! Related Problems" (ACM Transactions on Algorithms 12, 2015): all of `m` edges together cost
//! at most in the order of `m · √m` steps, in whatever order they come. Two cases, which every
//! graph registered from one end to the other consists of, need no search: a name that nobody is
//! after yet cannot close a cycle, and neither can an edge to a name that is after nothing.
//!
//! **Invariant:** nothing but scratch marks is written before an edge is known to close no cycle.
//! **Invariant:** no search recurses; a chain of any length fits on any stack.

use alloc::vec::Vec;
use core::iter::successors;
use core::ops::Range;

use super::arena::{Arena, key};
use super::names::NodeId;

key! {
    /// One edge between two names.
    EdgeId
}

/// A name's place in the order. Its edges are linked lists through the edges themselves, so that a
/// registration allocates nothing per name.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Not below the level of any name that this one is after.
    level: u32,
    /// Stamp of the last search that came by.
    mark: u32,
    /// First of the edges to names that are after this one.
    dependents: Option<EdgeId>,
    /// First of the edges to names of this name's own level.
    same_level: Option<EdgeId>,
}

/// `dependent` is after `dependency`.
#[derive(Clone, Debug)]
struct Edge {
    dependent: NodeId,
    dependency: NodeId,
    /// The next edge of the same dependency.
    next_dependent: Option<EdgeId>,
    /// The next edge of the same dependent whose dependency has its level too.
    next_same_level: Option<EdgeId>,
}

/// The new edges would close a cycle, along the names in `path`: each is after the one that follows
/// it, the first and the last are the same, and there is no shorter way round.
#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) path: Vec<NodeId>,
}

/// What has to change before the edges that were asked about can be added.
#[derive(Debug, Default)]
pub(super) struct Raise {
    /// The level to which `names` rise, and with them the new edges' dependent.
    level: u32,
    names: Vec<NodeId>,
}

impl Raise {
    /// The new edges' dependent rises to `level` if it is below, and nothing else does.
    fn to(level: u32) -> Self {
        Self {
            level,
            names: Vec::new(),
        }
    }
}

/// Names, the edges between them, and a topological order of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    nodes: Arena<NodeId, Node>,
    edges: Arena<EdgeId, Edge>,
    /// The stamp that counts as marked now.
    stamp: u32,
}

impl Order {
    /// Adds a name that is after nothing and that nobody is after.
    pub(super) fn add_node(&mut self) {
        let _: NodeId = self.nodes.push(Node::default());
    }

    /// From here on no name is marked.
    pub(super) fn clear_marks(&mut self) {
        self.stamp = self.stamp.checked_add(1).unwrap_or_else(|| {
            // Old stamps would count again.
            self.nodes.for_each_mut(|node| node.mark = 0);
            1
        });
    }

    /// Marks `name`, and says whether it was not marked before.
    pub(super) fn mark(&mut self, name: NodeId) -> bool {
        core::mem::replace(&mut self.nodes[name].mark, self.stamp) != self.stamp
    }

    /// Decides whether `dependent` (`None`: a name not added yet) can be after `dependencies`.
    ///
    /// On return nothing has changed: what has to is in the [`Raise`], to be handed to
    /// [`Order::connect`]. `dependent` itself must not be one of `dependencies`.
    pub(super) fn admit(
        &mut self,
        dependent: Option<NodeId>,
        dependencies: &[NodeId],
    ) -> Result<Raise, Cycle> {
        let waited_on = dependent.filter(|name| self.nodes[*name].dependents.is_some());
        let Some(dependent) = waited_on else {
            // Nobody waits for it, so nobody it waits for does.
            return Ok(Raise::to(self.highest(dependencies)));
        };
        self.clear_marks();
        let level = self.nodes[dependent].level;
        let mut pending = Vec::new();
        for &dependency in dependencies {
            // What is below, or after nothing, is after nobody who waits.
            let node = &self.nodes[dependency];
            if node.level >= level && !node.is_source() {
                self.mark(dependency);
                pending.push(dependency);
            }
        }
        let top = self.highest(&pending);
        if pending.is_empty() {
            return Ok(Raise::default());
        }
        pending.retain(|dependency| self.nodes[*dependency].level == top);
        let raise = match self.search_level(dependent, pending) {
            Search::Met => None,
            Search::Exhausted if top == level => Some(Raise::default()),
            Search::Exhausted => self.rise(dependent, top),
            Search::GaveUp => self.rise(dependent, top + 1),
        };
        raise.ok_or_else(|| self.shortest_cycle(dependent, dependencies))
    }

    /// The highest level among `names`.
    fn highest(&self, names: &[NodeId]) -> u32 {
        let levels = names.iter().map(|name| self.nodes[*name].level);
        levels.max().unwrap_or_default()
    }

    /// Searches backwards from the names in `pending`, which are marked and of one level, among
    /// names of that level; marks what it finds.
    fn search_level(&mut self, dependent: NodeId, mut pending: Vec<NodeId>) -> Search {
        let mut steps_left = self.edges.len().isqrt().max(LEAST_STEPS);
        let Self {
            nodes,
            edges,
            stamp,
        } = self;
        while let Some(name) = pending.pop() {
            for edge in walk(edges, nodes[name].same_level, |edge| edge.next_same_level) {
                let Some(left) = steps_left.checked_sub(1) else {
                    return Search::GaveUp;
                };
                steps_left = left;
                if edge.dependency == dependent {
                    return Search::Met;
                }
                let node = &mut nodes[edge.dependency];
                if node.mark != *stamp {
                    node.mark = *stamp;
                    pending.push(edge.dependency);
                }
            }
        }
        Search::Exhausted
    }

    /// Collects `dependent` and all that waits for it below `level`; `None` if one of them is
    /// marked, which means that `dependent` is about to wait for it.
    fn rise(&mut self, dependent: NodeId, level: u32) -> Option<Raise> {
        let waited_for = self.stamp;
        self.clear_marks();
        let Self {
            nodes,
            edges,
            stamp,
        } = self;
        let mut names = Vec::new();
        names.push(dependent);
        let mut next = 0;
        while let Some(&name) = names.get(next) {
            next += 1;
            for edge in walk(edges, nodes[name].dependents, |e| e.next_dependent) {
                let node = &mut nodes[edge.dependent];
                if node.mark == waited_for {
                    return None;
                }
                if node.level < level && node.mark != *stamp {
                    node.mark = *stamp;
                    names.push(edge.dependent);
                }
            }
        }
        Some(Raise { level, names })
    }

    /// Finds a shortest way from `dependent` through what waits for it to one of `dependencies`.
    ///
    /// Looks at every edge at most once. Only for edges that were found to close a cycle.
    fn shortest_cycle(&mut self, dependent: NodeId, dependencies: &[NodeId]) -> Cycle {
        self.clear_marks();
        for &dependency in dependencies {
            self.mark(dependency);
        }
        let mut path = Vec::new();
        path.push(dependent);
        // Each name with the place of the one that it is after and was reached from.
        let mut reached = Vec::new();
        reached.push((dependent, None));
        let mut seen = Arena::<NodeId, bool>::filled(self.nodes.len(), || false);
        let mut next = 0;
        while let Some(&(name, _)) = reached.get(next) {
            if self.nodes[name].mark == self.stamp {
                let mut back = Some(next);
                while let Some(&(name, from)) = back.and_then(|place| reached.get(place)) {
                    path.push(name);
                    back = from;
                }
                return Cycle { path };
            }
            let dependents = self.nodes[name].dependents;
            for edge in walk(&self.edges, dependents, |edge| edge.next_dependent) {
                if !core::mem::replace(&mut seen[edge.dependent], true) {
                    reached.push((edge.dependent, Some(next)));
                }
            }
            next += 1;
        }
        debug_assert!(false, "the cycle that was met can be walked");
        path.push(dependent);
        Cycle { path }
    }

    /// Adds the edges that [`Order::admit`] was asked about, and any to nodes added since.
    ///
    /// They follow one another in [`Order::dependencies`].
    pub(super) fn connect(&mut self, dependent: NodeId, dependencies: &[NodeId], raise: Raise) {
        let Raise { level, mut names } = raise;
        if names.is_empty() && self.nodes[dependent].level < level {
            names.push(dependent);
        }
        for &name in &names {
            let node = &mut self.nodes[name];
            node.level = level;
            // Whatever it was level with has been left behind, unless it has risen too: below.
            node.same_level = None;
        }
        for name in names {
            let mut edge = self.nodes[name].dependents;
            while let Some(id) = edge {
                edge = self.edges[id].next_dependent;
                self.note_level(id);
            }
        }
        for &dependency in dependencies {
            self.link(dependent, dependency);
        }
    }

    fn link(&mut self, dependent: NodeId, dependency: NodeId) {
        let id = self.edges.push(Edge {
            dependent,
            dependency,
            next_dependent: self.nodes[dependency].dependents,
            next_same_level: None,
        });
        self.nodes[dependency].dependents = Some(id);
        self.note_level(id);
    }

    /// Files an edge under those within one level, if it is one.
    fn note_level(&mut self, id: EdgeId) {
        let edge = &mut self.edges[id];
        let level = self.nodes[edge.dependency].level;
        let dependent = &mut self.nodes[edge.dependent];
        if dependent.level == level {
            edge.next_same_level = dependent.same_level.replace(id);
        }
    }

    /// How many edges there are.
    pub(super) fn len(&self) -> usize {
        self.edges.len()
    }

    /// What the edges from the `begin`th to before the `end`th say is waited for.
    pub(super) fn dependencies(&self, edges: Range<usize>) -> impl Iterator<Item = NodeId> {
        let edges = self.edges.entries().get(edges).unwrap_or_default();
        edges.iter().map(|edge| edge.dependency)
    }
}

impl Node {
    /// Whether this node is known to be after nothing, which is so at the lowest level only.
    fn is_source(&self) -> bool {
        self.level == 0 && self.same_level.is_none()
    }
}

/// How a backward search ended.
enum Search {
    /// It came to the name that is to wait: a cycle.
    Met,
    /// Nothing is left to search within the level.
    Exhausted,
    /// The level has too many edges to go on.
    GaveUp,
}

/// The edges of the list that begins at `first`.
fn walk(
    edges: &Arena<EdgeId, Edge>,
    first: Option<EdgeId>,
    next: impl Fn(&Edge) -> Option<EdgeId>,
) -> impl Iterator<Item = &Edge> {
    successors(first.map(|id| &edges[id]), move |edge| {
        next(edge).map(|id| &edges[id])
    })
}

/// A backward search may always look at this many edges: in small graphs it is cheaper to look than
/// to raise.
const LEAST_STEPS: usize = 16;

#[cfg(test)]
mod tests;
