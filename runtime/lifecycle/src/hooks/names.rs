//! Which names there are, mentioned or registered, and how to find one (floor 0).
//!
//! **Invariant:** the table is only looked up, never walked: nothing depends on its order.

use core::hash::BuildHasher;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::arena::{Arena, key};
use super::name::HookName;

key! {
    /// What can wait and be waited for: a name that some hook has or is after. An anonymous hook is
    /// a node too, one that nobody can wait for.
    NodeId
}

/// A name, whether some hook has it or some hook is merely after it.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// `None` for an anonymous hook.
    pub(super) text: Option<HookName>,
    /// How many registered hooks have this name.
    pub(super) hooks: u32,
}

/// A name together with its hash, so that it is hashed once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed<'a> {
    name: &'a HookName,
    pub(super) hash: Hash,
}

/// The hash of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash(u32);

impl Hash {
    /// The hash of this name, which must be the one that it was made from.
    pub(super) fn of(self, name: &HookName) -> Hashed<'_> {
        Hashed { name, hash: self }
    }

    /// What the table takes for a hash, in which the upper bits matter as much as the lower ones.
    fn spread(self) -> u64 {
        // 2^64 divided by the golden ratio.
        u64::from(self.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl<'a> Hashed<'a> {
    /// The seed is fixed: names come from the program itself, so nobody can choose them to collide.
    pub(super) fn new(name: &'a HookName) -> Self {
        let hash = FixedState::with_seed(0).hash_one(name.as_str());
        Hash((hash >> 32) as u32).of(name)
    }
}

/// All names, and anonymous hooks between them, in the order in which they were first mentioned.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) entries: Arena<NodeId, Name>,
    table: HashTable<Slot>,
}

/// Where to find a name, with its hash, to tell it from others without a look at it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: Hash,
    name: NodeId,
}

impl Names {
    pub(super) fn find(&self, wanted: Hashed<'_>) -> Option<NodeId> {
        self.table
            .find(wanted.hash.spread(), |slot| {
                slot.hash == wanted.hash
                    && self.entries[slot.name].text.as_ref() == Some(wanted.name)
            })
            .map(|slot| slot.name)
    }

    /// Finds a name, or adds it, which `true` tells.
    pub(super) fn find_or_add(&mut self, wanted: Hashed<'_>) -> (NodeId, bool) {
        let Self { entries, table } = self;
        let same = |slot: &Slot| {
            slot.hash == wanted.hash && entries[slot.name].text.as_ref() == Some(wanted.name)
        };
        match table.entry(wanted.hash.spread(), same, |slot| slot.hash.spread()) {
            Entry::Occupied(slot) => (slot.get().name, false),
            Entry::Vacant(slot) => {
                let name = entries.push(Name {
                    text: Some(wanted.name.clone()),
                    hooks: 0,
                });
                slot.insert(Slot {
                    hash: wanted.hash,
                    name,
                });
                (name, true)
            }
        }
    }

    /// Adds the node of an anonymous hook.
    pub(super) fn add_anonymous(&mut self) -> NodeId {
        self.entries.push(Name {
            text: None,
            hooks: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The names that some hook has.
    pub(super) fn registered(&self) -> impl Iterator<Item = &HookName> {
        self.entries
            .entries()
            .iter()
            .filter(|name| name.hooks > 0)
            .filter_map(|name| name.text.as_ref())
    }
}
