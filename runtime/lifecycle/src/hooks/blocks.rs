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

#[cfg(test)]
mod tests {
    use super::super::spec::HookId;
    use super::*;

    #[test]
    fn entries_are_found_where_they_were_put_and_stay_where_they_are() {
        let mut blocks = Blocks::<HookId, usize>::default();
        assert_eq!(blocks.at(HookId::new(0)), None);
        let mut second_block = Vec::new();
        for entry in 0..BLOCK * 3 + 1 {
            assert_eq!(blocks.push(entry).index(), entry);
            // Only the first block may move while it grows.
            second_block.extend(blocks.blocks.get(1).map(|block| block.as_ptr()));
        }
        assert_eq!(blocks.len(), BLOCK * 3 + 1);
        assert!(
            blocks
                .keys()
                .all(|key| blocks.at(key) == Some(&key.index()))
        );
        assert!(blocks.entries().copied().eq(0..BLOCK * 3 + 1));
        assert_eq!(blocks.at(HookId::new(BLOCK as u32 * 3 + 1)), None);
        assert!(
            second_block
                .windows(2)
                .all(|pair| pair.first() == pair.last())
        );
    }
}
