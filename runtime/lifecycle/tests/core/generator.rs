//! Hostile sequences: any input in any phase at any time, mixed with sensible answers (tests of
//! floor 0).
//!
//! A sequence is a life's setting and a list of numbers. Each number is read as one deed in the
//! light of what is owed just then, so that taking numbers out leaves a sequence that makes sense:
//! what a law's failure shrinks to is short.
//!
//! **Invariant:** a sequence is a function of its numbers.

mod inputs;
mod setting;

use lamplighter_lifecycle::{HookKind, HookSpec, Input, Instant, Signal};
use std::time::Duration;

pub(crate) use self::inputs::{KINDS, input, kind, peer};
pub(crate) use self::setting::{Setting, settings};
use crate::answers::Answers;
use crate::model::{Model, Moment};

/// The most deeds in one sequence.
pub(crate) const DEEDS: usize = 200;

/// One deed of a sequence.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// The world says this, at this instant.
    Input(Instant, Input),
    /// The driver's timer fires, at this instant.
    Timeout(Instant),
    RegisterHook(HookSpec),
    RegisterWorker,
    Observe(bool),
    SetPlan,
}

/// Numbers drawn from one number.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let drawn = self.0 % n;
        self.0 /= n;
        drawn
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == n - 1
    }
}

/// A driver that means no good, or only half of it.
#[derive(Clone, Debug)]
pub(crate) struct Hostile {
    pub(crate) answers: Answers,
    /// Whether callbacks run, and are reported, before anything else.
    prompt: bool,
    /// Whether what is due is handled before anything else, as often as it takes.
    sensible: bool,
    plan: lamplighter_lifecycle::Plan,
}

impl Hostile {
    pub(crate) fn new(setting: &Setting) -> Self {
        Self {
            answers: Answers::default(),
            prompt: setting.prompt,
            sensible: setting.sensible,
            plan: setting.plan.clone(),
        }
    }

    /// What one number means just now.
    pub(crate) fn deeds(&mut self, model: &Model, number: u64) -> Vec<Deed> {
        let mut draw = Draw::new(number);
        let now = model.machine.now();
        let due = model.machine.poll_timeout();
        match draw.below(32) {
            // Sensible: an answer that is owed, or all of them.
            0..=6 => {
                let (place, fate) = (draw.below(16), draw.below(64));
                let place = usize::try_from(place).unwrap_or(0);
                let answer = self.answers.give(place, fate);
                let answer = answer.unwrap_or_else(|| self.next_step(model, &mut draw));
                vec![Deed::Input(now, answer)]
            }
            7 => {
                let mut deeds = Vec::new();
                while let Some(answer) = self.answers.give(0, 7) {
                    deeds.push(Deed::Input(now, answer));
                }
                deeds
            }
            // Sensible: the timer, on time or late.
            8 | 9 => vec![Deed::Timeout(due.unwrap_or(now))],
            10 => {
                let late = Duration::from_nanos(draw.below(2_000_000_000));
                vec![Deed::Timeout(due.unwrap_or(now) + late)]
            }
            // The clock: on, back, or to its end.
            11 => vec![Deed::Timeout(self.moved(now, due, &mut draw))],
            12 => self.command(&mut draw),
            13 | 14 => {
                let connection = draw.below(6);
                vec![Deed::Input(now, inputs::opened(connection))]
            }
            15 if draw.one_in(2) => self.storm(now, &mut draw),
            // Hostile: anything, at any time.
            _ => {
                let at = if draw.one_in(3) {
                    self.moved(now, due, &mut draw)
                } else {
                    now
                };
                vec![Deed::Input(at, input(&mut draw, model, &self.answers))]
            }
        }
    }

    /// What brings a life on when nothing is owed.
    fn next_step(&self, model: &Model, draw: &mut Draw) -> Input {
        use lamplighter_lifecycle::Phase;
        match model.machine.phase() {
            Phase::Created => Input::Start,
            Phase::Running if draw.one_in(3) => Input::Signal(Signal::Sigterm),
            _ => inputs::opened(draw.below(6)),
        }
    }

    fn moved(&self, now: Instant, due: Option<Instant>, draw: &mut Draw) -> Instant {
        let nanos = draw.below(1_000_000_000);
        match draw.below(16) {
            0..=4 => now + Duration::from_nanos(nanos % 1000),
            5..=8 => now + Duration::from_nanos(nanos),
            9 | 10 => due.unwrap_or(now),
            11 => now + Duration::from_millis(300),
            12 => now + Duration::from_nanos(300_000_001),
            13 => Instant::from_nanos(now.as_nanos().saturating_sub(nanos)),
            14 => Instant::from_nanos(now.as_nanos() / 2),
            _ if nanos.is_multiple_of(64) => Instant::MAX,
            _ => now + Duration::from_secs(nanos % 100),
        }
    }

    fn storm(&self, now: Instant, draw: &mut Draw) -> Vec<Deed> {
        let signals = 1 + draw.below(4);
        let step = [0, 1, 299_999_999, 300_000_000, 300_000_001, 1_000_000_000]
            [usize::try_from(draw.below(6)).unwrap_or(0)];
        (0..signals)
            .map(|number| {
                let at = now + Duration::from_nanos(number * step);
                let signal = Signal::ALL[usize::try_from(draw.below(6)).unwrap_or(0)];
                Deed::Input(at, Input::Signal(signal))
            })
            .collect()
    }

    fn command(&self, draw: &mut Draw) -> Vec<Deed> {
        vec![match draw.below(8) {
            0..=3 => Deed::RegisterHook(setting::hook(
                draw.below(64),
                draw.below(64),
                draw.below(8),
                if draw.one_in(4) {
                    HookKind::Blocking
                } else {
                    HookKind::Async
                },
            )),
            4 | 5 => Deed::RegisterWorker,
            6 => Deed::Observe(draw.one_in(2)),
            _ => Deed::SetPlan,
        }]
    }

    /// Carries out one deed. A sensible driver handles what is due first, and after it whatever has
    /// come due; callbacks run before anything else. Every moment is shown to `seen`.
    pub(crate) fn carry_out(
        &mut self,
        model: &mut Model,
        deed: Deed,
        seen: &mut dyn FnMut(&Model, &Moment) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.sensible
            && let Deed::Input(at, _) = &deed
        {
            self.timeouts(model, *at, seen)?;
        }
        match deed {
            Deed::Input(at, input) => {
                let moment = self.hand_in(model, at, input, seen)?;
                self.settle(model, moment, seen)?;
            }
            Deed::Timeout(at) => {
                let moment = model.timeout(at);
                self.settle(model, moment, seen)?;
            }
            Deed::RegisterHook(spec) => {
                let moment = model.register_hook(spec);
                self.settle(model, moment, seen)?;
            }
            Deed::RegisterWorker => {
                let moment = model.register_worker("worker");
                self.settle(model, moment, seen)?;
            }
            Deed::Observe(observed) => {
                let moment = model.observe(observed);
                self.settle(model, moment, seen)?;
            }
            Deed::SetPlan => {
                let moment = model.set_plan(self.plan.clone());
                self.settle(model, moment, seen)?;
            }
        }
        if self.sensible {
            self.timeouts(model, model.machine.now(), seen)?;
        }
        Ok(())
    }

    /// Handles everything that is due at `at`.
    fn timeouts(
        &mut self,
        model: &mut Model,
        at: Instant,
        seen: &mut dyn FnMut(&Model, &Moment) -> Result<(), String>,
    ) -> Result<(), String> {
        let now = at.max(model.machine.now());
        for _ in 0..50 {
            if model.machine.poll_timeout().is_none_or(|due| due > now) {
                return Ok(());
            }
            let moment = model.timeout(at);
            self.settle(model, moment, seen)?;
        }
        Err(format!("at {now:?} something stays due for ever"))
    }

    fn hand_in(
        &mut self,
        model: &mut Model,
        at: Instant,
        input: Input,
        seen: &mut dyn FnMut(&Model, &Moment) -> Result<(), String>,
    ) -> Result<Moment, String> {
        let (overdue, moment) = model.handle(at, input);
        if let Some((model, moment)) = overdue {
            self.answers.observe(&moment);
            seen(&model, &moment)?;
        }
        Ok(moment)
    }

    fn settle(
        &mut self,
        model: &mut Model,
        moment: Moment,
        seen: &mut dyn FnMut(&Model, &Moment) -> Result<(), String>,
    ) -> Result<(), String> {
        self.answers.observe(&moment);
        seen(model, &moment)?;
        while self.prompt
            && let Some(announcement) = self.answers.next_announcement()
        {
            let panics = vec![];
            let input = Input::Announced {
                announcement,
                panics,
            };
            let now = model.machine.now();
            let moment = self.hand_in(model, now, input, seen)?;
            self.answers.observe(&moment);
            seen(model, &moment)?;
        }
        Ok(())
    }
}
