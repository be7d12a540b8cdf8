//! The same questions answered by plain search over the list of edges, sharing nothing with the
//! graph's own way to answer them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A hook as the oracle sees it: a name, the names it is after, a timeout in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) name: Option<usize>,
    pub(crate) after: Vec<usize>,
    pub(crate) timeout: Option<u64>,
}

/// The hooks that were accepted so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) hooks: Vec<Hook>,
}

impl Oracle {
    /// Every "name is after name" that some hook has said, and those of `new` beside them.
    pub(crate) fn edges(&self, new: &Hook) -> BTreeSet<(usize, usize)> {
        let hooks = self.hooks.iter().chain([new]);
        let edges = hooks.flat_map(|hook| {
            let pairs = hook.after.iter().map(|after| (hook.name, *after));
            pairs.filter_map(|(name, after)| Some((name?, after)))
        });
        edges.collect()
    }

    /// The number of names on the shortest cycle that `new` would close, if it would.
    pub(crate) fn shortest_cycle(&self, new: &Hook) -> Option<usize> {
        let own = new.name?;
        let edges = self.edges(new);
        let mut distance = BTreeMap::from([(own, 0)]);
        let mut queue = VecDeque::from([own]);
        while let Some(name) = queue.pop_front() {
            for (_, after) in edges.iter().filter(|(from, _)| *from == name) {
                if *after == own {
                    return Some(distance[&name] + 1);
                }
                if !distance.contains_key(after) {
                    distance.insert(*after, distance[&name] + 1);
                    queue.push_back(*after);
                }
            }
        }
        None
    }

    pub(crate) fn is_registered(&self, name: usize) -> bool {
        self.hooks.iter().any(|hook| hook.name == Some(name))
    }

    /// The hooks that `hook` waits for directly.
    pub(crate) fn waits_for(&self, hook: usize) -> Vec<usize> {
        let after = &self.hooks[hook].after;
        let is_after = |other: &usize| self.hooks[*other].name.is_some_and(|n| after.contains(&n));
        (0..self.hooks.len()).filter(is_after).collect()
    }

    /// The number of hooks on the longest chain that begins with `hook`, without the `settled`.
    pub(crate) fn chain(&self, hook: usize, settled: &[bool]) -> u32 {
        let next = (0..self.hooks.len()).filter(|other| !settled[*other]);
        let behind = next.filter(|other| self.waits_for(*other).contains(&hook));
        let longest = behind.map(|other| self.chain(other, settled)).max();
        longest.unwrap_or(0) + 1
    }

    /// The largest sum of timeouts along any chain that ends with `hook`.
    pub(crate) fn slowest(&self, hook: usize) -> u64 {
        let before = self.waits_for(hook).into_iter();
        let before = before.map(|other| self.slowest(other)).max();
        before.unwrap_or(0) + self.hooks[hook].timeout.unwrap_or(0)
    }
}
