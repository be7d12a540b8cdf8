//! The name of a hook, and which known name looks most like one that is unknown (floor 0).
//!
//! **Invariant:** the choice among names that look equally alike is the order in which they were
//! given, so the same mistake always gets the same advice.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// The name of a hook: what other hooks are `after`, and what logs and reports show.
///
/// Cheap to clone. Any text but the empty one; upper and lower case differ.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookName(Arc<str>);

impl HookName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for HookName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for HookName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for HookName {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<&String> for HookName {
    fn from(name: &String) -> Self {
        Self(name.as_str().into())
    }
}

impl From<Arc<str>> for HookName {
    fn from(name: Arc<str>) -> Self {
        Self(name)
    }
}

impl fmt::Display for HookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for HookName {
    /// Quoted and escaped, so that a name with a line break in it cannot garble a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// The one of `known` that looks most like `unknown`, if any does.
///
/// Alike means: at most a third of the characters (at least one) would have to be inserted,
/// removed, replaced or swapped with their neighbour, with upper and lower case taken as the same.
pub(super) fn nearest<'a>(
    unknown: &HookName,
    known: impl Iterator<Item = &'a HookName>,
) -> Option<HookName> {
    let wanted = folded(unknown);
    let mut allowed = wanted.len().max(3) / 3;
    let mut best = None;
    for name in known {
        if let Some(distance) = distance(&wanted, &folded(name), allowed) {
            best = Some(name);
            match distance.checked_sub(1) {
                // Only a better one can replace it.
                Some(better) => allowed = better,
                None => break,
            }
        }
    }
    best.cloned()
}

fn folded(name: &HookName) -> Vec<char> {
    name.as_str().chars().flat_map(char::to_lowercase).collect()
}

/// The number of edits that make `b` of `a` (optimal string alignment), if it is at most `limit`.
fn distance(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (row, &from) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(b.len() + 1);
        let mut left = row + 1;
        current.push(left);
        let mut previous_b = None;
        for (column, (&to, diagonal)) in b.iter().zip(last.windows(2)).enumerate() {
            let &[above_left, above] = diagonal else {
                break;
            };
            let mut edits = above_left + usize::from(from != to);
            edits = edits.min(above + 1).min(left + 1);
            if previous_a == Some(to) && previous_b == Some(from) {
                let swapped = column.checked_sub(1).and_then(|c| before_last.get(c));
                edits = edits.min(swapped.map_or(edits, |before| before + 1));
            }
            current.push(edits);
            left = edits;
            previous_b = Some(to);
        }
        previous_a = Some(from);
        before_last = core::mem::replace(&mut last, current);
    }
    last.last().copied().filter(|edits| *edits <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(a: &str, b: &str) -> Option<usize> {
        distance(&folded(&a.into()), &folded(&b.into()), usize::MAX)
    }

    #[test]
    fn edits_are_insertions_removals_replacements_and_swaps_of_neighbours() {
        assert_eq!(edits("cache", "cache"), Some(0));
        assert_eq!(edits("cache", "Cache"), Some(0));
        assert_eq!(edits("databse", "database"), Some(1));
        assert_eq!(edits("database", "databse"), Some(1));
        assert_eq!(edits("cache", "cacke"), Some(1));
        assert_eq!(edits("cahce", "cache"), Some(1));
        assert_eq!(edits("ab", "ba"), Some(1));
        assert_eq!(edits("kitten", "sitting"), Some(3));
        assert_eq!(edits("", "abc"), Some(3));
        assert_eq!(edits("abc", ""), Some(3));
        assert_eq!(edits("ca", "abc"), Some(3));
    }
}
