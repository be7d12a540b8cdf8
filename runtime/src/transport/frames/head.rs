//! The head of a frame that comes in part (floor 2).
//!
//! **Invariant:** no memory is taken.

use bytes::Buf;

use super::HEAD;

/// What is known of a frame's head whose rest is still to come.
#[derive(Clone, Debug, Default)]
pub(super) struct PartialHead {
    bytes: [u8; HEAD],
    known: usize,
}

impl PartialHead {
    /// Whether nothing is known of it: the next byte is the first.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// What is known of it.
    pub(super) fn known(&self) -> &[u8] {
        self.bytes.get(..self.known).unwrap_or_default()
    }

    /// Takes what there is of it out of `bytes`; gives it once it is whole.
    #[cold]
    pub(super) fn complete(&mut self, bytes: &mut &[u8]) -> Option<[u8; HEAD]> {
        for place in self.bytes.iter_mut().skip(self.known) {
            *place = bytes.try_get_u8().ok()?;
            self.known += 1;
        }
        self.known = 0;
        Some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_whole_with_its_last_byte_and_takes_none_behind_it() {
        for size in 1..HEAD {
            let mut partial = PartialHead::default();
            for (number, piece) in b"123456789".chunks(size).enumerate() {
                assert_eq!(partial.is_empty(), number == 0);
                let last = number == (HEAD - 1) / size;
                let next: &[u8] = if last { b"next" } else { b"" };
                let came = [piece, next].concat();
                let mut came = &*came;
                let head = partial.complete(&mut came);
                assert_eq!(head, last.then_some(*b"123456789"));
                assert_eq!(came, next);
            }
            assert!(partial.is_empty());
        }
    }
}
