//! What must come of a race, worked out from its numbers.
//!
//! **Invariant:** where two things come in one instant, either is right, and what follows from it too.

use lamplighter::SignalTaken;

use super::{Came, Numbers};

/// How a hook is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Ok,
    TimedOut,
    Abandoned,
}

/// What must come of a race: everything that may be where two things meet in one instant.
#[derive(Debug)]
pub(crate) struct Expected {
    /// Whether the request is answered; `None` where either is right.
    answered: Option<bool>,
    /// Whether handlers hear that time is up.
    cancelled: Option<bool>,
    drains: u32,
    hooks: u32,
    settled: u32,
    outcomes: Vec<Settled>,
    /// What the second signal is taken for; none after the end.
    second: Vec<Option<SignalTaken>>,
}

/// Whether the one comes before the other; `None` in one instant.
fn before(one: u32, other: u32) -> Option<bool> {
    (one != other).then_some(one < other)
}

impl Expected {
    pub(crate) fn of(n: &Numbers) -> Self {
        let lead = n.cancel_lead.min(n.drain / 10);
        let second = n.second.map(|gap| n.first + gap);
        // Within 300 ms it is the same signal once more.
        let counts = n.second.is_some_and(|gap| gap > 300);
        let second_at = second.filter(|_| counts);
        let third = n.third.filter(|gap| *gap > 300);
        let third_at = second_at.zip(third).map(|(second, gap)| second + gap);

        // The lame duck and the drain as they would be; then what a signal makes of them.
        let mut drains = n.first + n.lame_duck;
        let mut deadline = drains + n.drain;
        let mut cancels = deadline - lead;
        let alone = |work: u32, drains: u32, deadline: u32| work.clamp(drains, deadline);
        // Whether there is still something to force is a race of its own.
        let mut meets = false;
        if let Some(at) = second_at {
            let work = if n.hears {
                n.takes.max(cancels)
            } else {
                n.takes
            };
            let ends = alone(work, drains, deadline);
            meets = at == ends;
            if at < ends {
                drains = drains.min(at);
                cancels = cancels.min(at);
                deadline = deadline.min(at + lead);
            }
        }
        let uncut = deadline;
        if let Some(at) = third_at {
            deadline = deadline.min(at.max(drains));
        }
        let work = if n.hears {
            n.takes.max(cancels)
        } else {
            n.takes
        };
        let answered = before(work, deadline).filter(|_| !(meets && lead == 0 && work >= drains));
        let hooks = alone(work, drains, deadline);
        // Told as long as there is somebody to be told: when it is cut at the latest.
        let cancelled = match answered {
            Some(false) => Some(true),
            _ if meets => None,
            _ if n.hears => Some(work >= cancels).filter(|_| cancels < uncut),
            None => None,
            Some(true) if work < drains => before(cancels, drains).filter(|it| !it),
            Some(true) => before(cancels, work),
        };

        let may = n.hook_may.unwrap_or(n.hooks).min(n.hooks);
        let mut outcomes = match before(n.hook, may) {
            Some(true) => vec![Settled::Ok],
            Some(false) => vec![Settled::TimedOut],
            None => vec![Settled::Ok, Settled::TimedOut],
        };
        let mut settled = hooks + n.hook.min(may);
        if let Some(at) = third_at {
            match before(at, settled) {
                Some(true) => (settled, outcomes) = (at.max(hooks), vec![Settled::Abandoned]),
                Some(false) => {}
                None => outcomes.push(Settled::Abandoned),
            }
        }
        let taken = Some(if counts {
            SignalTaken::Second
        } else {
            SignalTaken::Repeated
        });
        Self {
            answered,
            cancelled,
            drains,
            hooks,
            settled,
            outcomes,
            second: match second.map(|at| before(at, settled)) {
                None | Some(Some(false)) => vec![None],
                Some(Some(true)) => vec![taken],
                Some(None) => vec![taken, None],
            },
        }
    }

    pub(crate) fn holds(&self, came: &Came) -> Result<(), String> {
        let times = (came.drains, came.hooks, came.settled);
        let expected = (
            u128::from(self.drains),
            u128::from(self.hooks),
            u128::from(self.settled),
        );
        let right = self.answered.is_none_or(|it| it == came.answered)
            && came.cut != came.answered
            && self.cancelled.is_none_or(|it| it == came.cancelled)
            && times == expected
            && self.outcomes.contains(&came.outcome)
            && self.second.contains(&came.second);
        if right {
            return Ok(());
        }
        Err(format!("{came:?}, expected {self:?}"))
    }
}
