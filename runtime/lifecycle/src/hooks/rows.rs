//! Many short lists in two allocations: one row of values for each key (floor 0).
//!
//! **Invariant:** a row never changes once it is there.

use alloc::vec;
use alloc::vec::Vec;
use core::marker::PhantomData;

use super::arena::Key;

/// One row of `T` for each key of type `K`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows<K, T> {
    values: Vec<T>,
    /// Where each row ends, and thus where the next one begins.
    ends: Vec<u32>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, T: Copy> Rows<K, T> {
    /// Adds the row of the next key.
    pub(super) fn push_row(&mut self, row: impl IntoIterator<Item = T>) {
        self.values.extend(row);
        self.ends.push(self.values.len() as u32);
    }

    /// The row of `key`; empty if there is none yet.
    pub(super) fn row(&self, key: K) -> &[T] {
        let begin = match key.index().checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(key.index()).copied().unwrap_or_default();
        self.values
            .get(begin as usize..end as usize)
            .unwrap_or_default()
    }
}

impl<K: Key, V: Key> Rows<K, V> {
    /// The same relation read from the other side, with a row for each of `rows` values.
    ///
    /// Within a row the keys stand in their own order.
    pub(super) fn transposed(&self, rows: usize) -> Rows<V, K> {
        let mut ends = vec![0_u32; rows];
        for value in &self.values {
            if let Some(count) = ends.get_mut(value.index()) {
                *count += 1;
            }
        }
        // From the count of each row to the place where it begins.
        let mut begin = 0;
        for end in &mut ends {
            begin += core::mem::replace(end, begin);
        }
        let mut values = vec![K::from_index(0); self.values.len()];
        for key in (0..self.ends.len()).map(K::from_index) {
            for value in self.row(key) {
                if let Some(next) = ends.get_mut(value.index()) {
                    if let Some(slot) = values.get_mut(*next as usize) {
                        *slot = key;
                    }
                    // The place for the next key; when the row is full, where it ends.
                    *next += 1;
                }
            }
        }
        Rows {
            values,
            ends,
            keys: PhantomData,
        }
    }
}

impl<K, T> Default for Rows<K, T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            ends: Vec::new(),
            keys: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::HookId;
    use super::*;

    #[test]
    fn a_transposed_relation_keeps_every_pair_and_the_order_of_keys() {
        let ids = |ids: &[u32]| ids.iter().copied().map(HookId::new).collect::<Vec<_>>();
        let mut rows = Rows::<HookId, HookId>::default();
        for row in [&[2, 0][..], &[], &[2], &[0, 2]] {
            rows.push_row(ids(row));
        }
        let transposed = rows.transposed(4);
        let read = (0..5)
            .map(|key| transposed.row(HookId::new(key)).to_vec())
            .collect::<Vec<_>>();
        assert_eq!(
            read,
            [ids(&[0, 3]), ids(&[]), ids(&[0, 2, 3]), ids(&[]), ids(&[])]
        );
    }
}
