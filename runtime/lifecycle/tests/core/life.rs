//! One life, told step by step: the driver of the examples (tests of floor 0).
//!
//! It answers the callbacks at once, keeps what it was asked for as text, and hands timers in to
//! the nanosecond, unless it is told to freeze.
//!
//! **Invariant:** it answers nothing but the callbacks by itself.

use lamplighter_lifecycle::{
    Announcement, Cause, ConnectionEnd, ConnectionId, Directive, Effect, HookEnd, HookId,
    HookOutcome, HookSpec, Input, Instant, Phase, Plan, Protocol, Readiness, Report, Signal, Stuck,
    Tally, Work,
};
use std::time::Duration;

use crate::model::Model;

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The instant that lies this many milliseconds after the server was made.
pub(crate) fn at(milliseconds: u64) -> Instant {
    Instant::ZERO + millis(milliseconds)
}

/// A life, and what was asked for in it.
pub(crate) struct Life {
    pub(crate) model: Model,
    asked: Vec<String>,
    /// The callbacks that panic, by the name of what they are told of.
    panics: Vec<&'static str>,
    /// Hooks to be registered by an `on_stopping` callback.
    from_callback: Vec<HookSpec>,
    /// Whether callbacks come back at all.
    pub(crate) answers_callbacks: bool,
}

impl Life {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut model = Model::default();
        model.set_plan(plan);
        Self {
            model,
            asked: Vec::new(),
            panics: Vec::new(),
            from_callback: Vec::new(),
            answers_callbacks: true,
        }
    }

    /// A server with these hooks; `"b: a"` is a hook `b` after `a`.
    pub(crate) fn hooks(mut self, hooks: &[&str]) -> Self {
        for hook in hooks {
            self.register(spec(hook));
        }
        self
    }

    pub(crate) fn hook(mut self, spec: HookSpec) -> Self {
        self.register(spec);
        self
    }

    pub(crate) fn register(&mut self, spec: HookSpec) {
        self.model.machine.register_hook(spec).unwrap();
    }

    pub(crate) fn panicking(mut self, callback: &'static str) -> Self {
        self.panics.push(callback);
        self
    }

    pub(crate) fn registering_in_callback(mut self, spec: HookSpec) -> Self {
        self.from_callback.push(spec);
        self
    }

    /// Started, bound and ready; what was asked for on the way is forgotten.
    pub(crate) fn running(mut self) -> Self {
        self.input(Input::Start);
        self.input(Input::Bound);
        self.input(Input::Ready);
        assert_eq!(self.phase(), Phase::Running);
        self.asked.clear();
        self
    }

    pub(crate) fn input(&mut self, input: Input) -> &mut Self {
        let now = self.model.machine.now();
        self.input_at(now, input)
    }

    /// An input that comes at this instant, before the timers that were due.
    pub(crate) fn input_at(&mut self, at: Instant, input: Input) -> &mut Self {
        let (overdue, moment) = self.model.handle(at, input);
        if let Some((_, overdue)) = overdue {
            self.take(overdue.effects);
        }
        self.take(moment.effects);
        self
    }

    /// Goes on to this many milliseconds after the beginning, every timer on time.
    pub(crate) fn to(&mut self, milliseconds: u64) -> &mut Self {
        let to = at(milliseconds);
        for _ in 0..1000 {
            match self.model.machine.poll_timeout() {
                Some(due) if due <= to => {
                    self.timeout(due);
                }
                _ => break,
            }
        }
        self.timeout(to)
    }

    /// One call of the timer.
    pub(crate) fn timeout(&mut self, at: Instant) -> &mut Self {
        let moment = self.model.timeout(at);
        self.take(moment.effects);
        self
    }

    /// Nobody runs until then; after it the timers are called for as long as one is due.
    pub(crate) fn freeze_to(&mut self, milliseconds: u64) -> &mut Self {
        let to = at(milliseconds);
        self.timeout(to);
        for _ in 0..1000 {
            if self.model.machine.poll_timeout().is_none_or(|due| due > to) {
                break;
            }
            self.timeout(to);
        }
        self
    }

    /// Goes on, every timer on time, until nothing is due any more.
    pub(crate) fn play_out(&mut self) -> &mut Self {
        for _ in 0..1000 {
            let Some(due) = self.model.machine.poll_timeout() else {
                break;
            };
            self.timeout(due.max(self.model.machine.now()));
        }
        self
    }

    /// What callbacks bring comes after what was asked for together with them.
    fn take(&mut self, effects: Vec<Effect>) {
        let mut told = Vec::new();
        for effect in effects {
            self.asked.push(self.describe(&effect));
            if let Effect::Announce(announcement) = effect {
                told.push(announcement);
            }
        }
        if self.answers_callbacks {
            for announcement in told {
                self.answer(announcement);
            }
        }
    }

    fn answer(&mut self, announcement: Announcement) {
        if announcement == Announcement::Stopping {
            for spec in std::mem::take(&mut self.from_callback) {
                self.register(spec);
            }
        }
        let name = callback(&announcement);
        let panics = if self.panics.contains(&name) {
            vec![format!("{name} callback").into()]
        } else {
            vec![]
        };
        self.input(Input::Announced {
            announcement,
            panics,
        });
    }

    fn describe(&self, effect: &Effect) -> String {
        let name = |hook: HookId| self.model.machine.hooks().label(hook).to_string();
        match effect {
            Effect::Announce(announcement) => format!("announce {}", callback(announcement)),
            Effect::BeginStart => "begin start".into(),
            Effect::CancelStart => "cancel start".into(),
            Effect::DropStart => "drop start".into(),
            Effect::SetReadiness(Readiness::Ready) => "ready".into(),
            Effect::SetReadiness(Readiness::NotReady) => "not ready".into(),
            Effect::StartWorker(worker) => format!("start worker {}", worker.number()),
            Effect::Direct(directive) => direct(directive),
            Effect::CloseListeners => "close listeners".into(),
            Effect::DropListeners => "drop listeners".into(),
            Effect::AbortWorkers => "abort workers".into(),
            Effect::AbortConnections => "abort connections".into(),
            Effect::RunHook { hook, deadline } => {
                format!("run {} until {}", name(*hook), ms(*deadline))
            }
            Effect::AbortHook(hook) => format!("abort {}", name(*hook)),
            Effect::EndLinger => "end linger".into(),
            Effect::Dispose { leave } if leave.is_empty() => "dispose".into(),
            Effect::Dispose { leave } => {
                let leave: Vec<String> = leave.iter().map(|left| self.stuck(*left)).collect();
                format!("dispose of all but {}", leave.join(", "))
            }
            Effect::NameUndisposed => "name what is left".into(),
            Effect::Seal => "seal".into(),
            Effect::Finish => "finish".into(),
            other => panic!("{other:?} has no words"),
        }
    }

    fn stuck(&self, left: Stuck) -> String {
        match left {
            Stuck::Connection(connection) => connection.to_string(),
            Stuck::Worker(worker) => {
                let name = self.model.machine.worker_name(worker).unwrap();
                format!("worker {name}")
            }
            Stuck::Hook(hook) => self.model.machine.hooks().label(hook).to_string(),
            other => panic!("{other:?} has no words"),
        }
    }

    /// What was asked for since this was last read.
    pub(crate) fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.model.machine.phase()
    }

    pub(crate) fn report(&self) -> Report {
        self.model.report()
    }

    /// The text that a person reads.
    pub(crate) fn timeline(&self) -> String {
        let report = self.report();
        format!("{}\n{report}\n", report.timeline_text())
    }

    /// How the hook of this name was settled.
    pub(crate) fn hook_outcome(&self, name: &str) -> Option<HookOutcome> {
        let report = self.report();
        let mut named = report
            .hooks
            .iter()
            .filter(|hook| hook.name.as_str() == name);
        named.next().expect("a hook of that name").outcome.clone()
    }
}

// What the world says.
impl Life {
    pub(crate) fn stop(&mut self) -> &mut Self {
        self.input(Input::Stop(Cause::Requested(None)))
    }

    pub(crate) fn signal(&mut self) -> &mut Self {
        self.input(Input::Signal(Signal::Sigterm))
    }

    pub(crate) fn listeners_closed(&mut self) -> &mut Self {
        self.input(Input::ListenersClosed)
    }

    pub(crate) fn opened(&mut self, number: u64) -> &mut Self {
        self.input(Input::ConnectionOpened {
            connection: ConnectionId::new(number),
            peer: "peer".into(),
        })
    }

    /// A connection that had one request, answered.
    pub(crate) fn closed(&mut self, number: u64) -> &mut Self {
        self.ended(number, ConnectionEnd::Graceful, requests(1, 1), vec![])
    }

    pub(crate) fn ended(
        &mut self,
        number: u64,
        end: ConnectionEnd,
        tally: Tally,
        cut: Vec<Work>,
    ) -> &mut Self {
        self.input(Input::ConnectionClosed {
            connection: ConnectionId::new(number),
            protocol: Protocol::Http1,
            end,
            tally,
            cut,
        })
    }

    pub(crate) fn hook_ended(&mut self, number: u32, end: HookEnd) -> &mut Self {
        let hook = HookId::new(number);
        self.input(Input::HookEnded { hook, end })
    }

    pub(crate) fn disposed(&mut self) -> &mut Self {
        self.input(Input::Disposed)
    }
}

/// So many requests begun, so many answered.
pub(crate) fn requests(begun: u64, answered: u64) -> Tally {
    let mut tally = Tally::default();
    tally.begun = begun;
    tally.answered = answered;
    tally
}

/// `"b: a c"` is a hook `b` after `a` and `c`.
pub(crate) fn spec(hook: &str) -> HookSpec {
    let (name, after) = hook.split_once(':').unwrap_or((hook, ""));
    HookSpec::named(name).after(after.split_whitespace())
}

fn callback(announcement: &Announcement) -> &'static str {
    match announcement {
        Announcement::Start => "start",
        Announcement::Ready => "ready",
        Announcement::Stopping => "stopping",
        Announcement::Error(_) => "error",
        Announcement::Stop => "stop",
    }
}

fn direct(directive: &Directive) -> String {
    match directive {
        Directive::Serve => "serve".into(),
        Directive::LameDuck { until, .. } => format!("lame duck until {}", ms(*until)),
        Directive::Drain {
            deadline: Some(deadline),
            ..
        } => format!("drain until {}", ms(*deadline)),
        Directive::Drain { .. } => "drain without end".into(),
        Directive::Tighten { deadline } => format!("tighten to {}", ms(*deadline)),
        Directive::Cancel => "cancel".into(),
        Directive::Force => "force".into(),
        other => panic!("{other:?} has no words"),
    }
}

fn ms(at: Instant) -> String {
    let nanos = at.as_nanos();
    if nanos.is_multiple_of(1_000_000) {
        format!("{} ms", nanos / 1_000_000)
    } else {
        format!("{nanos} ns")
    }
}
