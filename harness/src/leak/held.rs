//! Objects that must be gone with the server: pools, channels, whatever its application was given.
//!
//! **Invariant:** watching an object does not keep it.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Leak;

/// The objects of one server. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Held {
    objects: Arc<Mutex<Vec<Object>>>,
}

struct Object {
    name: String,
    object: Weak<dyn Any + Send + Sync>,
}

impl Held {
    /// Expects of this object to have no holder left when the server has stopped.
    pub(crate) fn watch<T: Send + Sync + 'static>(&self, name: String, object: Weak<T>) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.push(Object { name, object });
    }

    /// Those that somebody still holds.
    pub(super) fn left(&self) -> Vec<Leak> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let held = objects.iter().filter_map(|known| {
            let holders = known.object.strong_count();
            let name = known.name.clone();
            (holders > 0).then_some(Leak::Held { name, holders })
        });
        held.collect()
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let names = objects.iter().map(|known| &known.name);
        f.debug_list().entries(names).finish()
    }
}
