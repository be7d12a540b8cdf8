//! Takes hooks in, refusing what can never run (floor 0).
//!
//! **Invariant:** a refused hook leaves no trace: everything that can be refused is refused before
//! the first write. **Invariant:** an anonymous hook is never part of a cycle, since nobody can be
//! after it.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::mem;

use super::arena::{Arena, Key};
use super::blocks::Blocks;
use super::name::{HookName, nearest};
use super::names::{Hash as NameHash, Hashed, Names, NodeId};
use super::order::{Cycle, Order};
use super::spec::{HookId, HookSpec};
use crate::error::HookError;

/// Whether a hook may be after a name that no hook has yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardReferences {
    /// It may; [`HookGraph::check`] finds the names that stayed without a hook.
    Allowed,
    /// It may not: nobody will check again.
    Refused,
}

/// The hooks of one life and the order between them.
///
/// Holds no cycle at any time. Two graphs are equal if they have accepted equal specs in the same
/// order, which is all that their behaviour depends on.
///
/// ```
/// use lamplighter_lifecycle::{ForwardReferences, HookError, HookGraph, HookSpec};
///
/// let mut hooks = HookGraph::default();
/// let cache = HookSpec::named("cache").after(["database"]);
/// hooks.register(cache, ForwardReferences::Allowed)?;
///
/// let refused = HookSpec::named("database").after(["cache"]);
/// let error = hooks.register(refused, ForwardReferences::Allowed).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "hooks would wait for each other: database → cache → database"
/// );
///
/// hooks.register(HookSpec::named("database"), ForwardReferences::Allowed)?;
/// # Ok::<(), HookError>(())
/// ```
#[derive(Clone, Default)]
pub struct HookGraph {
    specs: Blocks<HookId, HookSpec>,
    places: Arena<HookId, Place>,
    pub(super) names: Names,
    order: Order,
    // Lists for the next registration to fill, kept so that it need not allocate them.
    spare: Vec<NodeId>,
    spare_unheard: Vec<(usize, NameHash)>,
}

/// Where a hook is in the order.
#[derive(Clone, Copy, Debug)]
struct Place {
    own: NodeId,
    /// Where this hook's edges end, and those of the next hook begin.
    edges_end: u32,
}

impl HookGraph {
    /// Takes one more hook in.
    ///
    /// On `Ok` the hook is part of the graph, and so are the edges that its `after` names, in
    /// whatever order hooks are registered: a name can be waited for before some hook has it, if
    /// `forward` allows that, and can get more hooks at any time.
    ///
    /// The time it takes does not depend on the number of hooks while dependencies are registered
    /// first, or while they are registered last. In any other order the average over all
    /// registrations grows at most with the square root of the number of edges.
    ///
    /// # Errors
    ///
    /// [`HookError::Cycle`], [`HookError::EmptyAfter`], [`HookError::EmptyName`],
    /// [`HookError::TimeoutTooLong`], [`HookError::TooMany`], [`HookError::ZeroTimeout`], and
    /// [`HookError::Unknown`] if forward references are refused. The graph is then exactly as it
    /// was.
    pub fn register(
        &mut self,
        spec: HookSpec,
        forward: ForwardReferences,
    ) -> Result<HookId, HookError> {
        let id = HookId::from_index(self.len());
        self.check_alone(id, &spec)?;

        let mut after = mem::take(&mut self.spare);
        after.clear();
        let mut unheard = mem::take(&mut self.spare_unheard);
        unheard.clear();
        self.order.clear_marks();
        for (position, name) in spec.after.iter().enumerate() {
            if name.as_str().is_empty() {
                let hook = label(id, &spec);
                return Err(HookError::EmptyAfter { hook });
            }
            if spec.name.as_ref() == Some(name) {
                let path = vec![name.clone(), name.clone()];
                return Err(HookError::Cycle { path });
            }
            let hashed = Hashed::new(name);
            let found = self.names.find(hashed);
            if forward == ForwardReferences::Refused && !self.has_hooks(found) {
                return Err(self.unknown(label(id, &spec), spec.name.as_ref(), name));
            }
            match found {
                Some(name) if self.order.mark(name) => after.push(name),
                Some(_) => {}
                None => unheard.push((position, hashed.hash)),
            }
        }
        let own = spec.name.as_ref().map(Hashed::new);
        let own_name = own.and_then(|own| self.names.find(own));
        let admitted = self.order.admit(own_name, &after);
        let raise = admitted.map_err(|cycle| self.named(cycle))?;

        // Accepted: from here on nothing fails.
        let own = match (own_name, own) {
            (Some(name), _) => name,
            (None, Some(own)) => self.find_or_add(own).0,
            (None, None) => self.add_anonymous(),
        };
        for &(position, hash) in &unheard {
            // One spec may mention a new name twice.
            if let Some(name) = spec.after.get(position)
                && let (name, true) = self.find_or_add(hash.of(name))
            {
                after.push(name);
            }
        }
        self.names.entries[own].hooks += 1;
        self.order.connect(own, &after, raise);
        let edges_end = self.order.len() as u32;
        let _: HookId = self.places.push(Place { own, edges_end });
        (self.spare, self.spare_unheard) = (after, unheard);
        Ok(self.specs.push(spec))
    }

    /// How many hooks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.specs.len()
    }

    /// Whether there is no hook.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All hooks in order of registration.
    #[must_use]
    pub fn ids(&self) -> impl ExactSizeIterator<Item = HookId> + use<> {
        self.specs.keys()
    }

    /// What was registered under `id`; `None` for a hook of some other graph.
    #[must_use]
    pub fn spec(&self, id: HookId) -> Option<&HookSpec> {
        self.specs.at(id)
    }

    /// How a hook is called in errors, logs and reports: by its name, an anonymous one by its
    /// number, as in `hook#3`.
    #[must_use]
    pub fn label(&self, id: HookId) -> HookName {
        match self.spec(id) {
            Some(spec) => label(id, spec),
            None => numbered(id),
        }
    }

    /// Refuses what is wrong about a hook whatever else there is.
    fn check_alone(&self, id: HookId, spec: &HookSpec) -> Result<(), HookError> {
        let taken = self.len().saturating_add(self.order.len());
        if !has_room(taken, spec.after.len()) {
            return Err(HookError::TooMany { max: MAX_ENTRIES });
        }
        if spec
            .name
            .as_ref()
            .is_some_and(|own| own.as_str().is_empty())
        {
            let hook = numbered(id);
            return Err(HookError::EmptyName { hook });
        }
        match spec.timeout {
            Some(timeout) if timeout.is_zero() => Err(HookError::ZeroTimeout {
                hook: label(id, spec),
            }),
            Some(timeout) if timeout > HookSpec::MAX_TIMEOUT => Err(HookError::TimeoutTooLong {
                hook: label(id, spec),
                timeout,
                max: HookSpec::MAX_TIMEOUT,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a name that was looked up is one that some hook has.
    fn has_hooks(&self, found: Option<NodeId>) -> bool {
        found.is_some_and(|name| self.names.entries[name].hooks > 0)
    }

    /// The node of a hook, which it shares with all hooks of its name.
    pub(super) fn own(&self, id: HookId) -> NodeId {
        self.places[id].own
    }

    /// The names that a hook is after, each once.
    pub(super) fn after(&self, id: HookId) -> impl Iterator<Item = NodeId> {
        let before = id.index().checked_sub(1).map(HookId::from_index);
        let begin = before.map_or(0, |before| self.places[before].edges_end);
        let end = self.places[id].edges_end;
        self.order.dependencies(begin as usize..end as usize)
    }

    /// Finds a name, or adds it, which `true` tells.
    fn find_or_add(&mut self, name: Hashed<'_>) -> (NodeId, bool) {
        let (name, added) = self.names.find_or_add(name);
        if added {
            self.order.add_node();
        }
        (name, added)
    }

    fn add_anonymous(&mut self) -> NodeId {
        self.order.add_node();
        self.names.add_anonymous()
    }

    /// The error of a hook called `hook` that is after a name without hooks.
    pub(super) fn unknown(
        &self,
        hook: HookName,
        own: Option<&HookName>,
        after: &HookName,
    ) -> HookError {
        // Waiting for its own name is never what was meant.
        let known = self.names.registered().filter(|known| Some(*known) != own);
        HookError::Unknown {
            hook,
            after: after.clone(),
            nearest: nearest(after, known),
        }
    }

    fn named(&self, cycle: Cycle) -> HookError {
        let names = cycle.path.into_iter();
        HookError::Cycle {
            // Anonymous hooks are never part of one.
            path: names
                .filter_map(|name| self.names.entries[name].text.clone())
                .collect(),
        }
    }
}

/// Whether a hook with `mentions` names in its `after` fits beside what is there.
fn has_room(taken: usize, mentions: usize) -> bool {
    let room = (MAX_ENTRIES as usize).saturating_sub(taken);
    mentions < room
}

fn label(id: HookId, spec: &HookSpec) -> HookName {
    spec.name.clone().unwrap_or_else(|| numbered(id))
}

fn numbered(id: HookId) -> HookName {
    id.to_string().into()
}

impl PartialEq for HookGraph {
    fn eq(&self, other: &Self) -> bool {
        self.specs == other.specs
    }
}

impl Eq for HookGraph {}

impl Hash for HookGraph {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.specs.hash(state);
    }
}

impl fmt::Debug for HookGraph {
    /// Shows what was registered; names, edges and levels follow from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.specs.entries()).finish()
    }
}

/// How many hooks and edges there may be together, so that 32 bits number hooks, edges and names:
/// each name comes from one or the other.
const MAX_ENTRIES: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hook_that_can_be_numbered_is_the_last_that_fits() {
        let max = MAX_ENTRIES as usize;
        assert!(has_room(max - 1, 0));
        assert!(has_room(max - 3, 2));
        assert!(!has_room(max, 0));
        assert!(!has_room(max - 3, 3));
        assert!(!has_room(0, usize::MAX));
    }

    #[test]
    fn a_name_given_twice_in_one_after_is_one_edge() {
        let mut graph = HookGraph::default();
        for _ in 0..2 {
            // New to the graph the first time, known to it the second.
            let spec = HookSpec::named("b").after(["a", "c", "a", "c"]);
            graph.register(spec, ForwardReferences::Allowed).unwrap();
        }
        for id in graph.ids() {
            assert_eq!(graph.after(id).count(), 2);
        }
    }
}
