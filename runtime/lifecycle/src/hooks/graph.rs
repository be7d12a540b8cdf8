//! Takes hooks in, refusing what can never run (floor 0).
//!
//! **Invariant:** a refused hook leaves no trace: everything that can be refused is refused before
//! the first write. **Invariant:** an anonymous hook is never part of a cycle, since nobody can be
//! after it; it has no place in the order of names.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::arena::{Arena, Key};
use super::name::{HookName, nearest};
use super::names::{Hashed, NameId, Names};
use super::order::{Cycle, Order};
use super::rows::Rows;
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
#[derive(Clone, Default)]
pub struct HookGraph {
    pub(super) specs: Arena<HookId, HookSpec>,
    /// For each hook the names it is after, each once.
    pub(super) after: Rows<HookId, NameId>,
    /// For each hook its own name.
    pub(super) own: Arena<HookId, Option<NameId>>,
    pub(super) names: Names,
    order: Order,
}

impl HookGraph {
    /// Takes one more hook in.
    ///
    /// On return the hook is part of the graph, and so are the edges that its `after` names, in
    /// whatever order hooks are registered: a name can be waited for before some hook has it, if
    /// `forward` allows that, and can get more hooks at any time.
    ///
    /// The time it takes does not depend on the number of hooks while dependencies are registered
    /// first, or while they are registered last; else it grows at most with the square root of the
    /// number of edges, on average.
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

        let mut after = Vec::with_capacity(spec.after.len());
        let mut unheard = Vec::new();
        self.order.clear_marks();
        for name in &spec.after {
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
            let has_hooks = found.is_some_and(|name| self.names.entries[name].hooks > 0);
            if forward == ForwardReferences::Refused && !has_hooks {
                return Err(self.unknown(label(id, &spec), spec.name.as_ref(), name));
            }
            match found {
                Some(name) if self.order.mark(name) => after.push(name),
                Some(_) => {}
                None => unheard.push(hashed),
            }
        }
        let own = spec.name.as_ref().map(Hashed::new);
        let own_name = own.and_then(|own| self.names.find(own));
        let raise = match own {
            Some(_) => self
                .order
                .admit(own_name, &after)
                .map_err(|cycle| self.named(cycle))?,
            None => Default::default(),
        };

        // Accepted: from here on nothing fails.
        let own = own.map(|own| own_name.unwrap_or_else(|| self.add_name(own)));
        for name in unheard {
            // One spec may mention a new name twice.
            if self.names.find(name).is_none() {
                after.push(self.add_name(name));
            }
        }
        if let Some(own) = own {
            self.names.entries[own].hooks += 1;
            self.order.connect(own, &after, raise);
        }
        let _: HookId = self.own.push(own);
        self.after.push_row(after);
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
        self.specs.try_at(id)
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
        // Neither hooks nor edges nor names are more than hooks and mentions of names together.
        let room = (u32::MAX as usize) - 1;
        let taken = self.len().saturating_add(self.after.values());
        if room.saturating_sub(taken) <= spec.after.len() {
            return Err(HookError::TooMany { max: u32::MAX - 1 });
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

    fn add_name(&mut self, name: Hashed<'_>) -> NameId {
        self.order.add_name();
        self.names.add(name)
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
            path: names
                .map(|name| self.names.entries[name].name.clone())
                .collect(),
        }
    }
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
        self.specs.entries().hash(state);
    }
}

impl fmt::Debug for HookGraph {
    /// Shows what was registered; names, edges and levels follow from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookGraph")
            .field("specs", &self.specs.entries())
            .finish_non_exhaustive()
    }
}
