//! A world in which everything takes its time, and a driver that is never late (tests of floor 0).
//!
//! Everything that answers does so after a time of its own, counted from what it was told; what is
//! told sooner answers sooner. That is what lets two runs be compared.
//!
//! **Invariant:** what happens at one instant happens in a fixed order: the world first, then the
//! timers.

use lamplighter_lifecycle::{
    Announcement, Cause, ConnectionEnd, ConnectionId, Directive, Effect, HookEnd, HookId, Input,
    Instant, Protocol, Signal, StartFailure, Tally, WorkerEnd, WorkerId,
};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::generator::{Setting, peer, settings};
use crate::model::{Model, Moment};

/// How long something takes; `None` if it never ends by itself.
type Takes = Option<Duration>;

/// How long work lasts, from what it is told on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    natural: Takes,
    drained: Takes,
    cancelled: Takes,
    forced: Takes,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) setting: Setting,
    /// What comes from outside, and when.
    pub(crate) calls: Vec<(Instant, Input)>,
    binds: Duration,
    becomes_ready: Takes,
    start_fails: bool,
    start_cancelled: Takes,
    start_dropped: Takes,
    listeners_close: Takes,
    connections: Vec<Patience>,
    /// How long each connection lingers; `None` if it does not.
    lingers: Vec<Takes>,
    workers: Vec<Patience>,
    hooks: Vec<(Takes, Takes)>,
    disposes: Takes,
    callbacks_panic: u8,
}

/// What may happen, in the order in which it happens at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Call(usize),
    Bound,
    StartOver,
    Opened(usize),
    ListenersClosed,
    Connection(usize),
    Closed(usize),
    LingerOver(usize),
    Worker(usize),
    Hook(usize),
    Disposed,
}

/// One run of a world.
struct Run<'a> {
    world: &'a World,
    model: Model,
    agenda: BTreeMap<Source, Instant>,
    /// The connections that are over, whoever tells them to end again.
    gone: BTreeSet<usize>,
    forced: bool,
    told_to_end: bool,
}

impl World {
    /// Whether a stop may wait without end in this world.
    pub(crate) fn waits(&self) -> bool {
        use lamplighter_lifecycle::OnDeadline;
        let drains = |input: &Input| matches!(input, Input::Drain | Input::Stop(Cause::Drain));
        let keeps = self.setting.plan.budget().unwrap_or_default().on_deadline();
        keeps == OnDeadline::KeepWaiting || self.calls.iter().any(|(_, input)| drains(input))
    }

    /// Lives until nothing happens any more.
    pub(crate) fn live(
        &self,
        seen: &mut dyn FnMut(&Model, &Moment) -> Result<(), String>,
    ) -> Result<Model, String> {
        let mut run = Run {
            world: self,
            model: Model::default(),
            agenda: BTreeMap::new(),
            gone: BTreeSet::new(),
            forced: false,
            told_to_end: false,
        };
        let moment = run.model.set_plan(self.setting.plan.clone());
        seen(&run.model, &moment)?;
        let moment = run.model.observe(self.setting.observed);
        seen(&run.model, &moment)?;
        for hook in &self.setting.hooks {
            let moment = run.model.register_hook(hook.clone());
            seen(&run.model, &moment)?;
        }
        for _ in 0..self.setting.workers {
            let moment = run.model.register_worker("worker");
            seen(&run.model, &moment)?;
        }
        for (place, (at, _)) in self.calls.iter().enumerate() {
            run.agenda.insert(Source::Call(place), *at);
        }
        run.go(seen)?;
        Ok(run.model)
    }
}

impl Run<'_> {
    fn go(
        &mut self,
        seen: &mut dyn FnMut(&Model, &Moment) -> Result<(), String>,
    ) -> Result<(), String> {
        for _ in 0..2000 {
            let next = self.agenda.iter().map(|(source, at)| (*at, *source)).min();
            let due = self.model.machine.poll_timeout();
            let moment = match (next, due) {
                (None, None) => return Ok(()),
                (Some((at, source)), due) if due.is_none_or(|due| at <= due) => {
                    self.agenda.remove(&source);
                    let Some(input) = self.input(source, at) else {
                        continue;
                    };
                    let (overdue, moment) = self.model.handle(at, input);
                    assert!(overdue.is_none(), "a punctual driver is never late");
                    moment
                }
                (_, Some(due)) => self.model.timeout(due.max(self.model.machine.now())),
                (Some(_), None) => return Err("something waits for a timer".into()),
            };
            self.settle(moment, seen)?;
        }
        Err("it never ends".into())
    }

    fn settle(
        &mut self,
        moment: Moment,
        seen: &mut dyn FnMut(&Model, &Moment) -> Result<(), String>,
    ) -> Result<(), String> {
        seen(&self.model, &moment)?;
        let mut announced = Vec::new();
        for effect in moment.effects {
            self.carry_out(effect, &mut announced);
        }
        for announcement in announced {
            let now = self.model.machine.now();
            let panics = match announcement {
                Announcement::Stopping if self.world.callbacks_panic == 1 => {
                    vec!["a callback".into()]
                }
                Announcement::Error(_) if self.world.callbacks_panic == 2 => {
                    vec!["a callback".into()]
                }
                _ => vec![],
            };
            let input = Input::Announced {
                announcement,
                panics,
            };
            let (_, moment) = self.model.handle(now, input);
            self.settle(moment, seen)?;
        }
        Ok(())
    }

    /// Lets something happen after its time, or sooner if that is already known.
    fn after(&mut self, source: Source, takes: Takes) {
        if let Some(takes) = takes {
            let at = self.model.machine.now() + takes;
            let known = self.agenda.get(&source).copied().unwrap_or(Instant::MAX);
            self.agenda.insert(source, known.min(at));
        }
    }

    fn carry_out(&mut self, effect: Effect, announced: &mut Vec<Announcement>) {
        let world = self.world;
        match effect {
            Effect::Announce(announcement) => announced.push(announcement),
            Effect::BeginStart => {
                self.after(Source::Bound, Some(world.binds));
                let over = world.becomes_ready.map(|takes| world.binds + takes);
                self.after(Source::StartOver, over);
            }
            Effect::CancelStart => {
                self.told_to_end = true;
                self.after(Source::StartOver, world.start_cancelled);
            }
            Effect::DropStart => {
                self.told_to_end = true;
                self.after(Source::StartOver, world.start_dropped);
            }
            Effect::StartWorker(worker) => {
                let worker = worker.number() as usize;
                let patience = world.workers.get(worker).and_then(|worker| worker.natural);
                self.after(Source::Worker(worker), patience);
            }
            Effect::Direct(Directive::Serve) => {
                for place in 0..world.connections.len() {
                    self.after(Source::Opened(place), Some(Duration::from_millis(1)));
                }
            }
            Effect::Direct(Directive::Drain { .. }) => self.tell(|work| work.drained),
            Effect::Direct(Directive::Cancel) => self.tell(|work| work.cancelled),
            Effect::Direct(Directive::Force) => {
                self.forced = true;
                self.tell(|work| work.forced);
            }
            Effect::CloseListeners | Effect::DropListeners => {
                self.after(Source::ListenersClosed, world.listeners_close);
            }
            Effect::RunHook { hook, .. } => {
                let takes = world.hooks.get(hook.index()).and_then(|hook| hook.0);
                self.after(Source::Hook(hook.index()), takes);
            }
            Effect::AbortHook(hook) => {
                let takes = world.hooks.get(hook.index()).and_then(|hook| hook.1);
                self.after(Source::Hook(hook.index()), takes);
            }
            Effect::EndLinger => {
                for place in 0..world.lingers.len() {
                    if self.agenda.contains_key(&Source::LingerOver(place)) {
                        self.after(Source::LingerOver(place), Some(Duration::ZERO));
                    }
                }
            }
            Effect::Dispose { .. } => self.after(Source::Disposed, world.disposes),
            _ => {}
        }
    }

    /// Tells whoever works, who then lasts at most that long.
    fn tell(&mut self, lasts: impl Fn(&Patience) -> Takes) {
        for (place, patience) in self.world.connections.iter().enumerate() {
            // One that never came in will not: nobody accepts it now.
            if self.agenda.remove(&Source::Opened(place)).is_none() {
                self.after(Source::Connection(place), lasts(patience));
            }
        }
        for (place, patience) in self.world.workers.iter().enumerate() {
            self.after(Source::Worker(place), lasts(patience));
        }
    }

    fn input(&mut self, source: Source, at: Instant) -> Option<Input> {
        Some(match source {
            Source::Call(place) => self.world.calls[place].1.clone(),
            Source::Bound if self.told_to_end => return None,
            Source::Bound => Input::Bound,
            Source::StartOver if self.told_to_end => Input::StartEnded,
            Source::StartOver if self.world.start_fails => {
                Input::StartFailed(StartFailure::System("it broke".into()))
            }
            Source::StartOver => Input::Ready,
            Source::Opened(place) => {
                let patience = self.world.connections[place].natural;
                self.after(Source::Connection(place), patience);
                let connection = ConnectionId::new(place as u64 + 1);
                Input::ConnectionOpened {
                    connection,
                    peer: peer(connection),
                }
            }
            Source::ListenersClosed => Input::ListenersClosed,
            Source::Connection(place) if !self.gone.insert(place) => return None,
            Source::Connection(place) => {
                self.agenda.insert(Source::Closed(place), at);
                let lingers = *self.world.lingers.get(place)?;
                self.agenda.insert(Source::LingerOver(place), at + lingers?);
                Input::LingerBegan {
                    connection: ConnectionId::new(place as u64 + 1),
                }
            }
            Source::LingerOver(place) => Input::LingerEnded {
                connection: ConnectionId::new(place as u64 + 1),
            },
            Source::Closed(place) => {
                let mut tally = Tally::default();
                tally.begun = 2;
                tally.answered = 1;
                Input::ConnectionClosed {
                    connection: ConnectionId::new(place as u64 + 1),
                    protocol: Protocol::Http1,
                    end: if self.forced {
                        ConnectionEnd::Cut
                    } else {
                        ConnectionEnd::Graceful
                    },
                    tally,
                    cut: vec![],
                }
            }
            Source::Worker(place) => Input::WorkerEnded {
                worker: WorkerId::new(u32::try_from(place).unwrap_or(0)),
                end: if self.forced {
                    WorkerEnd::Aborted
                } else {
                    WorkerEnd::Ok
                },
            },
            Source::Hook(place) => {
                let hook = HookId::new(u32::try_from(place).unwrap_or(0));
                let end = if at.as_nanos().is_multiple_of(5) {
                    HookEnd::Failed("it broke".into())
                } else {
                    HookEnd::Ok
                };
                Input::HookEnded { hook, end }
            }
            Source::Disposed => Input::Disposed,
        })
    }
}

fn takes(of_ten: u32) -> impl Strategy<Value = Takes> {
    let time = prop_oneof![
        2 => Just(0_u64),
        3 => 0..2_000_u64,
        2 => 0..40_000_u64,
    ];
    let time = time.prop_map(Duration::from_millis);
    weighted(f64::from(of_ten) / 10.0 - 0.01, time)
}

fn patience() -> impl Strategy<Value = Patience> {
    (takes(3), takes(6), takes(6), takes(8)).prop_map(|(natural, drained, cancelled, forced)| {
        Patience {
            natural,
            drained,
            cancelled,
            forced,
        }
    })
}

fn calls() -> impl Strategy<Value = (Instant, Input)> {
    let input = prop_oneof![
        4 => Just(Input::Signal(Signal::Sigterm)),
        2 => Just(Input::Stop(Cause::Requested(None))),
        1 => Just(Input::Drain),
        1 => Just(Input::Force),
    ];
    (0..50_000_u64, input)
        .prop_map(|(millis, input)| (Instant::from_nanos(millis * 1_000_000), input))
}

pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let starts = (
        takes(10),
        takes(9),
        proptest::bool::weighted(0.05),
        takes(8),
        takes(9),
    );
    let works = (vec(patience(), 0..4), vec(patience(), 3));
    let ends = (takes(9), vec((takes(7), takes(7)), 8), takes(9), 0..4_u8);
    let lingers = vec(takes(4), 4);
    let calls = vec(calls(), 1..5);
    (settings(), starts, works, lingers, ends, calls).prop_map(
        |(mut setting, starts, works, lingers, ends, calls)| {
            setting.prompt = true;
            setting.sensible = true;
            let begins =
                Instant::from_nanos(u64::from(starts.0.is_some_and(|takes| takes.is_zero())));
            let mut all = vec![(begins, Input::Start)];
            all.extend(calls);
            World {
                setting,
                calls: all,
                binds: starts.0.unwrap_or_default() / 20,
                becomes_ready: starts.1.map(|takes| takes / 40),
                start_fails: starts.2,
                start_cancelled: starts.3,
                start_dropped: starts.4,
                listeners_close: ends.0,
                connections: works.0,
                lingers,
                workers: works.1,
                hooks: ends.1,
                disposes: ends.2,
                callbacks_panic: ends.3,
            }
        },
    )
}
