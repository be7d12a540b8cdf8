//! What is checked about all hooks together, once, when the server starts (floor 0).
//!
//! **Invariant:** a check changes nothing, and finds the same first mistake every time.

use core::time::Duration;

use super::chain;
use super::graph::HookGraph;
use super::name::HookName;
use super::names::{Hashed, NodeId};
use super::spec::HookId;
use crate::error::HookError;

impl HookGraph {
    /// Checks that the hooks can be run within `hooks_timeout`, the time of all hooks together.
    ///
    /// On `Ok` every name that some hook is after has a hook, and the explicit timeouts along each
    /// chain of hooks that wait for one another fit. Does not check `hooks_timeout` itself, but for
    /// being above zero if there are hooks.
    ///
    /// # Errors
    ///
    /// The first that holds of [`HookError::NoTime`], [`HookError::Unknown`] (of the hook
    /// registered first) and [`HookError::ChainTooLong`] (with the chain that needs the most).
    pub fn check(&self, hooks_timeout: Duration) -> Result<(), HookError> {
        if self.is_empty() {
            return Ok(());
        }
        if hooks_timeout.is_zero() {
            return Err(HookError::NoTime { hooks: self.len() });
        }
        for id in self.ids() {
            if let Some(after) = self.first_unknown(id) {
                let own = self.spec(id).and_then(|spec| spec.name.as_ref());
                return Err(self.unknown(self.label(id), own, after));
            }
        }
        let (chain, needed) = chain::slowest(self);
        if needed > hooks_timeout {
            return Err(HookError::ChainTooLong {
                chain,
                needed,
                hooks_timeout,
            });
        }
        Ok(())
    }

    /// The first name in a hook's `after` that no hook has.
    fn first_unknown(&self, id: HookId) -> Option<&HookName> {
        let has_no_hook = |name: NodeId| self.names.entries[name].hooks == 0;
        if !self.after(id).any(has_no_hook) {
            return None;
        }
        // Found by its text, since names are not kept in the order in which the hook gave them.
        self.spec(id)?.after.iter().find(|name| {
            let found = self.names.find(Hashed::new(name));
            found.is_none_or(has_no_hook)
        })
    }
}
