//! A growing list whose entries are found by a typed number (floor 0).
//!
//! **Invariant:** nothing is ever removed, so a key stays valid for as long as its arena.
//! **Invariant:** keys are made by the arena that they belong to, which is why looking one up
//! with `[]` cannot fail; this file is the one place of the hook graph that indexes.

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::{Index, IndexMut};

/// A typed position in an [`Arena`].
pub(super) trait Key: Copy {
    fn from_index(index: usize) -> Self;
    fn index(self) -> usize;
}

/// Declares a key of 32 bits whose `Option` is no larger.
macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) struct $name(core::num::NonZeroU32);

        impl $crate::hooks::arena::Key for $name {
            fn from_index(index: usize) -> Self {
                // The graph refuses to grow to where this would be cut short.
                Self(core::num::NonZeroU32::MIN.saturating_add(index as u32))
            }

            fn index(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    };
}
pub(super) use key;

/// Entries of type `T`, found by keys of type `K`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arena<K, T> {
    entries: Vec<T>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, T> Arena<K, T> {
    /// Adds `entry` and says where it is.
    pub(super) fn push(&mut self, entry: T) -> K {
        let key = K::from_index(self.entries.len());
        self.entries.push(entry);
        key
    }

    /// An arena of `len` entries made by `entry`.
    pub(super) fn filled(len: usize, entry: impl FnMut() -> T) -> Self {
        let mut entries = Vec::new();
        entries.resize_with(len, entry);
        Self::from(entries)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at `key`; `None` for a key that some other arena has made.
    pub(super) fn try_at(&self, key: K) -> Option<&T> {
        self.entries.get(key.index())
    }

    /// The keys of all entries, oldest first.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = K> + use<K, T> {
        (0..self.entries.len()).map(K::from_index)
    }

    /// Changes every entry.
    pub(super) fn for_each_mut(&mut self, change: impl FnMut(&mut T)) {
        self.entries.iter_mut().for_each(change);
    }

    /// All entries, oldest first.
    pub(super) fn entries(&self) -> &[T] {
        &self.entries
    }
}

impl<K, T> From<Vec<T>> for Arena<K, T> {
    fn from(entries: Vec<T>) -> Self {
        Self {
            entries,
            keys: PhantomData,
        }
    }
}

impl<K, T> Default for Arena<K, T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<K: Key, T> Index<K> for Arena<K, T> {
    type Output = T;

    #[expect(
        clippy::indexing_slicing,
        reason = "keys are made by the arena and entries are never removed"
    )]
    fn index(&self, key: K) -> &T {
        &self.entries[key.index()]
    }
}

impl<K: Key, T> IndexMut<K> for Arena<K, T> {
    #[expect(
        clippy::indexing_slicing,
        reason = "keys are made by the arena and entries are never removed"
    )]
    fn index_mut(&mut self, key: K) -> &mut T {
        &mut self.entries[key.index()]
    }
}
