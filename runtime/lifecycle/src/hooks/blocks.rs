//! A growing list that never moves what is in it (floor 0).
//!
//! **Invariant:** nothing is ever removed.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::arena::Key;

/// Entries of type `T`, found by keys of type `K`.
///
/// For entries that are large and seldom looked at: adding one never copies the others, as a `Vec`
/// that outgrows its memory does. Copying specs was measured to cost a third of all registrations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Blocks<K, T> {
    /// All of them full but the last.
    blocks: Vec<Vec<T>>,
    len: usize,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, T> Blocks<K, T> {
    /// Adds `entry` and says where it is.
    pub(super) fn push(&mut self, entry: T) -> K {
        let key = K::from_index(self.len);
        self.len += 1;
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(entry),
            last => {
                // The first block grows as it needs to, since most graphs are small.
                let mut block = Vec::with_capacity(if last.is_some() { BLOCK } else { 1 });
                block.push(entry);
                self.blocks.push(block);
            }
        }
        key
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The entry at `key`, if there is one.
    pub(super) fn at(&self, key: K) -> Option<&T> {
        let block = self.blocks.get(key.index() / BLOCK)?;
        block.get(key.index() % BLOCK)
    }

    /// The keys of all entries, oldest first.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = K> + use<K, T> {
        (0..self.len).map(K::from_index)
    }

    /// All entries, oldest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }
}

impl<K, T> Default for Blocks<K, T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            len: 0,
            keys: PhantomData,
        }
    }
}

/// How many entries a block holds.
const BLOCK: usize = 256;
