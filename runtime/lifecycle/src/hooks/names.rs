//! Which names there are, mentioned or registered, and how to find one (floor 0).
//!
//! **Invariant:** the table is only looked up, never walked: nothing depends on its order.

use core::hash::BuildHasher;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::arena::{Arena, key};
use super::name::HookName;

key! {
    /// A name that some hook has or is after.
    NameId
}

/// A name, whether some hook has it or some hook is merely after it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: HookName,
    /// How many registered hooks have this name.
    pub(super) hooks: u32,
    hash: u64,
}

/// A name together with its hash, so that it is hashed once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed<'a> {
    name: &'a HookName,
    hash: u64,
}

impl<'a> Hashed<'a> {
    /// The seed is fixed: names come from the program itself, so nobody can choose them to collide.
    pub(super) fn new(name: &'a HookName) -> Self {
        let hash = FixedState::with_seed(0).hash_one(name.as_str());
        Self { name, hash }
    }
}

/// All names, in the order in which they were first mentioned.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) entries: Arena<NameId, Entry>,
    table: HashTable<NameId>,
}

impl Names {
    pub(super) fn find(&self, wanted: Hashed<'_>) -> Option<NameId> {
        self.table
            .find(wanted.hash, |id| {
                let entry = &self.entries[*id];
                entry.hash == wanted.hash && entry.name == *wanted.name
            })
            .copied()
    }

    /// Adds a name that is not there yet.
    pub(super) fn add(&mut self, new: Hashed<'_>) -> NameId {
        let id = self.entries.push(Entry {
            name: new.name.clone(),
            hooks: 0,
            hash: new.hash,
        });
        self.table
            .insert_unique(new.hash, id, |id| self.entries[*id].hash);
        id
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The names that some hook has.
    pub(super) fn registered(&self) -> impl Iterator<Item = &HookName> {
        self.entries
            .entries()
            .iter()
            .filter(|entry| entry.hooks > 0)
            .map(|entry| &entry.name)
    }
}
