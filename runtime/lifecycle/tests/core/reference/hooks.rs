//! Which hook runs, until when, and how it is settled (tests of floor 0).
//!
//! **Invariant:** the order is worked out from the specs, naively: no graph, no schedule.

use lamplighter_lifecycle::{
    HookEnd, HookId, HookKind, HookName, HookOutcome, HookSpec, Input, Instant, Phase, SignalTaken,
};
use std::time::Duration;

use crate::model::{Call, Moment};

#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) spec: HookSpec,
    pub(crate) name: HookName,
    /// When it was asked to run, and until when it may.
    pub(crate) run: Option<(Instant, Instant)>,
    pub(crate) settled: Option<(Instant, HookOutcome)>,
    pub(crate) still_running: bool,
    /// Until when its abort is waited for.
    pub(crate) join_by: Option<Instant>,
}

/// When the window of all hooks ends, and for how long an aborted one is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) window_ends: Instant,
    pub(crate) join_share: Duration,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) all: Vec<Hook>,
    /// The window of all hooks is over.
    pub(crate) window_over: bool,
    /// The hooks that have to be asked to run in this moment, and until when.
    pub(crate) to_run: Vec<(HookId, Instant)>,
    /// The hooks that have to be aborted in this moment.
    pub(crate) to_abort: Vec<HookId>,
    /// The hooks that were settled in this moment, in order.
    pub(crate) settled_now: Vec<usize>,
    /// The hook that has ended in this moment though it was settled by force before.
    pub(crate) ended_after_all: Option<usize>,
}

impl Hooks {
    pub(super) fn register(&mut self, spec: HookSpec) {
        let number = self.all.len() + 1;
        let name = spec.name.clone();
        self.all.push(Hook {
            name: name.unwrap_or_else(|| format!("hook#{number}").into()),
            spec,
            run: None,
            settled: None,
            still_running: false,
            join_by: None,
        });
    }

    pub(super) fn discard(&mut self, now: Instant) {
        self.settled_now.clear();
        for (index, hook) in self.all.iter_mut().enumerate() {
            if hook.settled.is_none() {
                hook.settled = Some((now, HookOutcome::NotStarted));
                self.settled_now.push(index);
            }
        }
    }

    /// Goes on from one moment of a stop to the next; gives back the failures.
    pub(super) fn follow(
        &mut self,
        moment: &Moment,
        now: Instant,
        times: Times,
        abandoned: bool,
        taken: Option<SignalTaken>,
    ) -> Vec<(HookName, HookOutcome)> {
        self.to_run.clear();
        self.to_abort.clear();
        self.settled_now.clear();
        self.ended_after_all = None;
        let Times {
            window_ends,
            join_share,
        } = times;
        let before = moment.before.phase;
        if before == Phase::Stopped {
            return Vec::new();
        }
        match &moment.call {
            Call::Handle(Input::HookEnded { hook, end }) => self.end(hook.index(), now, end),
            Call::Timeout | Call::Overdue if before == Phase::RunningHooks => {
                self.time_out(now, times, &|at| moment.fires(at));
            }
            _ => {}
        }
        if before <= Phase::RunningHooks {
            let third = taken == Some(SignalTaken::Third);
            if abandoned && (third || before < Phase::RunningHooks) {
                self.give_up(now, HookOutcome::Abandoned, join_share);
                for hook in &mut self.all {
                    hook.join_by = None;
                }
            }
            self.start(now, window_ends);
        }
        self.settled_now
            .iter()
            .map(|hook| &self.all[*hook])
            .filter_map(|hook| {
                let (_, outcome) = hook.settled.clone()?;
                (outcome != HookOutcome::Ok).then(|| (hook.name.clone(), outcome))
            })
            .collect()
    }

    fn end(&mut self, index: usize, now: Instant, end: &HookEnd) {
        let Some(hook) = self.all.get_mut(index) else {
            return;
        };
        if hook.run.is_some() && hook.settled.is_none() {
            let outcome = match end {
                HookEnd::Ok => HookOutcome::Ok,
                HookEnd::Failed(error) => HookOutcome::Failed(error.clone()),
                HookEnd::Panicked(message) => HookOutcome::Panicked(message.clone()),
                HookEnd::Aborted => HookOutcome::Abandoned,
            };
            hook.settled = Some((now, outcome));
            self.settled_now.push(index);
        } else if hook.still_running {
            hook.still_running = false;
            hook.join_by = None;
            self.ended_after_all = Some(index);
        }
    }

    /// Timers have fired: hooks in the order of their deadlines, then the window of all of them.
    fn time_out(&mut self, now: Instant, times: Times, fires: &dyn Fn(Instant) -> bool) {
        for hook in &mut self.all {
            hook.join_by = hook.join_by.filter(|by| !fires(*by));
        }
        let mut late: Vec<(Instant, usize)> = self
            .all
            .iter()
            .enumerate()
            .filter(|(_, hook)| hook.settled.is_none())
            .filter_map(|(index, hook)| Some((hook.run?.1, index)))
            .filter(|(deadline, _)| fires(*deadline))
            .collect();
        late.sort_unstable();
        for (_, index) in late {
            self.settle_by_force(index, now, HookOutcome::TimedOut, times.join_share);
        }
        if fires(times.window_ends) {
            self.window_over = true;
            self.give_up(now, HookOutcome::TimedOut, times.join_share);
        }
    }

    /// Settles whatever is not settled yet: what runs with `outcome`, what never began as such.
    fn give_up(&mut self, now: Instant, outcome: HookOutcome, join_share: Duration) {
        let unstarted = if outcome == HookOutcome::Abandoned {
            HookOutcome::Abandoned
        } else {
            HookOutcome::NotStarted
        };
        for running in [true, false] {
            for index in 0..self.all.len() {
                let hook = &self.all[index];
                if hook.settled.is_some() || hook.run.is_some() != running {
                    continue;
                }
                if running {
                    self.settle_by_force(index, now, outcome.clone(), join_share);
                } else {
                    self.all[index].settled = Some((now, unstarted.clone()));
                    self.settled_now.push(index);
                }
            }
        }
    }

    fn settle_by_force(
        &mut self,
        index: usize,
        now: Instant,
        outcome: HookOutcome,
        join_share: Duration,
    ) {
        let hook = &mut self.all[index];
        hook.settled = Some((now, outcome));
        hook.still_running = true;
        self.settled_now.push(index);
        if hook.spec.kind == HookKind::Async {
            hook.join_by = Some(now + join_share);
            self.to_abort.push(id(index));
        }
    }

    /// Starts what waits for nothing any more, as long as there is time.
    fn start(&mut self, now: Instant, window_ends: Instant) {
        for index in 0..self.all.len() {
            let hook = &self.all[index];
            if hook.run.is_some() || hook.settled.is_some() || now >= window_ends {
                continue;
            }
            if !self.waits_for(index).all(|other| self.is_settled(other)) {
                continue;
            }
            let left = window_ends.since(now);
            let share = || (left / self.chain(index)).max(Duration::from_nanos(1));
            let own = hook.spec.timeout.unwrap_or_else(share);
            let deadline = window_ends.min(now + own);
            self.all[index].run = Some((now, deadline));
            self.to_run.push((id(index), deadline));
        }
    }

    /// The hooks that have to be settled before this one starts.
    pub(crate) fn waits_for(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let after = &self.all[index].spec.after;
        (0..self.all.len()).filter(move |other| {
            let name = &self.all[*other].spec.name;
            name.as_ref().is_some_and(|name| after.contains(name))
        })
    }

    pub(crate) fn is_settled(&self, index: usize) -> bool {
        self.all[index].settled.is_some()
    }

    /// How many unsettled hooks stand on the longest chain that begins with this one.
    fn chain(&self, index: usize) -> u32 {
        let behind = (0..self.all.len())
            .filter(|other| !self.is_settled(*other))
            .filter(|other| self.waits_for(*other).any(|first| first == index))
            .map(|other| self.chain(other))
            .max();
        1 + behind.unwrap_or(0)
    }

    pub(crate) fn all_settled(&self) -> bool {
        self.all.iter().all(|hook| hook.settled.is_some())
    }

    /// The deadlines of the hooks that run, and of the aborted ones that are waited for.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        let run = |hook: &Hook| hook.run.filter(|_| hook.settled.is_none()).map(|run| run.1);
        self.all
            .iter()
            .filter_map(move |hook| run(hook).or(hook.join_by))
    }

    /// Whether an aborted hook is waited for.
    pub(crate) fn is_joining(&self) -> bool {
        self.all.iter().any(|hook| hook.join_by.is_some())
    }
}

fn id(index: usize) -> HookId {
    HookId::new(u32::try_from(index).expect("few hooks"))
}
