//! The steps of a whole scenario: whatever is taken out, what refers to the rest is put right.
//!
//! **Invariant:** the things that stay are the same things: orders of hooks and acts about clients
//! follow them to their new places.

use std::ops::Range;

use super::amounts::Simplify;
use super::lists::{Place, removal, removals, step_within, steps_within};
use super::one::replacements;
use crate::scenario::{ActDoes, Scenario};

/// What becomes of the time before a thing that is taken out.
#[derive(Clone, Copy)]
pub(super) enum Gaps {
    /// It goes to the thing that comes next, so that everything else stays when it was.
    Kept,
    /// It goes, too.
    Dropped,
}

impl Simplify for Scenario {
    fn steps(&self, simplest: &Self) -> u32 {
        let Self {
            seed,
            link,
            plan,
            defences,
            start,
            hooks,
            workers,
            callbacks,
            clients,
            acts,
            from,
        } = self;
        2 * removals(clients.len())
            + 2 * removals(acts.len())
            + removals(hooks.len())
            + workers.steps(&simplest.workers)
            + callbacks.steps(&simplest.callbacks)
            + start.steps(&simplest.start)
            + defences.steps(&simplest.defences)
            + link.steps(&simplest.link)
            + plan.steps(&simplest.plan)
            + steps_within(clients)
            + steps_within(acts)
            + steps_within(hooks)
            + from.steps(&simplest.from)
            + seed.steps(&simplest.seed)
            + replacements(self)
    }

    fn step(&mut self, simplest: &Self, step: u32) {
        let mut place = Place(step);
        for gaps in [Gaps::Kept, Gaps::Dropped] {
            if let Some(step) = place.within(removals(self.clients.len())) {
                return self.remove_clients(removal(self.clients.len(), step), gaps);
            }
        }
        for gaps in [Gaps::Kept, Gaps::Dropped] {
            if let Some(step) = place.within(removals(self.acts.len())) {
                return self.remove_acts(removal(self.acts.len(), step), gaps);
            }
        }
        if let Some(step) = place.within(removals(self.hooks.len())) {
            return self.remove_hooks(removal(self.hooks.len(), step));
        }
        macro_rules! field {
            ($($field:ident)*) => {
                $(if let Some(step) = place.within(self.$field.steps(&simplest.$field)) {
                    return self.$field.step(&simplest.$field, step);
                })*
            };
        }
        macro_rules! things {
            ($($field:ident)*) => {
                $(if let Some(step) = place.within(steps_within(&self.$field)) {
                    return step_within(&mut self.$field, step);
                })*
            };
        }
        field!(workers callbacks start defences link plan);
        things!(clients acts hooks);
        field!(from seed);
        self.replace(place.0);
    }
}

impl Scenario {
    pub(super) fn remove_clients(&mut self, gone: Range<usize>, gaps: Gaps) {
        let gone_clients = self.clients.drain(gone.clone());
        let time = sum(gone_clients.map(|client| client.gap_ms));
        if let (Gaps::Kept, Some(next)) = (gaps, self.clients.get_mut(gone.start)) {
            next.gap_ms = next.gap_ms.saturating_add(time);
        }
        self.remove_acts_about(gone.clone());
        for act in &mut self.acts {
            if let Some(client) = client_of(&mut act.does)
                && usize::from(*client) >= gone.end
            {
                *client -= u16::try_from(gone.len()).unwrap_or_default();
            }
        }
    }

    /// What befalls these clients befalls nobody; the time until then stays, for what comes after it.
    pub(super) fn remove_acts_about(&mut self, clients: Range<usize>) {
        let mut at = 0;
        while let Some(act) = self.acts.get(at) {
            let about = act.does.client();
            if about.is_some_and(|client| clients.contains(&usize::from(client))) {
                self.remove_acts(at..at + 1, Gaps::Kept);
            } else {
                at += 1;
            }
        }
    }

    fn remove_acts(&mut self, gone: Range<usize>, gaps: Gaps) {
        let time = sum(self.acts.drain(gone.clone()).map(|act| act.gap_ms));
        if let (Gaps::Kept, Some(next)) = (gaps, self.acts.get_mut(gone.start)) {
            next.gap_ms = next.gap_ms.saturating_add(time);
        }
    }

    pub(super) fn remove_hooks(&mut self, gone: Range<usize>) {
        self.hooks.drain(gone.clone());
        for hook in self.hooks.iter_mut().skip(gone.start) {
            let kept = |from: usize| hook.after.checked_shr(from as u32).unwrap_or_default();
            let below = hook.after & !(u16::MAX.checked_shl(gone.start as u32).unwrap_or_default());
            let above = kept(gone.end).checked_shl(gone.start as u32);
            hook.after = below | above.unwrap_or_default();
        }
    }
}

fn sum(gaps: impl Iterator<Item = u32>) -> u32 {
    gaps.fold(0, u32::saturating_add)
}

/// The client that something befalls.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an act about a client holds one, and is named in `ActDoes::client` as well"
)]
const fn client_of(does: &mut ActDoes) -> Option<&mut u16> {
    match does {
        ActDoes::Hold { client }
        | ActDoes::Release { client }
        | ActDoes::Partition { client }
        | ActDoes::Crash { client } => Some(client),
        _ => None,
    }
}
