//! What may happen next in the small world (tests of floor 0).
//!
//! **Invariant:** every act is one that a real driver could do just then.

use lamplighter_lifecycle::{
    Announcement, Cause, ConnectionEnd, ConnectionId, Directive, Effect, HookEnd, HookId, Input,
    Instant, Machine, Phase, Protocol, Signal, StartFailure, Tally,
};
use std::time::Duration;

/// One act of the world or of the driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Act {
    /// The callbacks have run; one of them panicked, or none.
    Callbacks {
        panic: bool,
    },
    Input(Input),
    /// The next timer is due.
    Timer,
    /// Time enough passes for a signal to count as a new one.
    Debounce,
}

/// A connection is accepted.
pub(super) fn opened(number: u64) -> Act {
    Act::Input(open(ConnectionId::new(number)))
}

fn open(connection: ConnectionId) -> Input {
    let peer = "peer".into();
    Input::ConnectionOpened { connection, peer }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Connection {
    #[default]
    Outside,
    Open,
    Gone,
}

/// How far a connection has come that has ended its side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Linger {
    #[default]
    Not,
    Lingers,
    Gone,
}

/// How far a hook has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Hook {
    #[default]
    Waits,
    Runs,
    Aborted,
    Gone,
}

/// How far the start has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Start {
    #[default]
    None,
    Binds,
    Proves,
    /// Told to end.
    Ends,
    Gone,
}

/// What is owed, and what may still come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Driver {
    world: World,
    announced: Vec<Announcement>,
    start: Start,
    listeners_owed: bool,
    connections: [Connection; 2],
    hooks: [Hook; 3],
    dispose_owed: bool,
    names_owed: bool,
    lingers: [Linger; 1],
    forced: bool,
    signals: u8,
    stops: u8,
    forces: u8,
    drains: u8,
    panics: u8,
    breaks: u8,
    /// When a signal came last, while a later one may still count as the same.
    last_signal: Option<Instant>,
    pub(super) drained: bool,
    pub(super) finished: bool,
}

/// What there is in a world, and how often it may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) connections: usize,
    pub(super) hooks: usize,
    pub(super) signals: u8,
    /// How many of `stop()`, `force()` and `drain()` there are.
    pub(super) calls: u8,
    pub(super) panics: u8,
    /// How many listeners there are that may break.
    pub(super) breaks: u8,
    /// Whether a connection may linger.
    pub(super) lingers: bool,
    /// How often it is looked whether the process runs, before the time of the checks is over.
    pub(super) pulses: u32,
}

impl Driver {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            announced: Vec::new(),
            start: Start::None,
            listeners_owed: false,
            connections: [Connection::Outside; 2],
            hooks: [Hook::Waits; 3],
            dispose_owed: false,
            names_owed: false,
            lingers: [Linger::Not],
            forced: false,
            signals: world.signals,
            stops: world.calls,
            forces: world.calls,
            drains: world.calls,
            panics: world.panics,
            breaks: world.breaks,
            last_signal: None,
            drained: false,
            finished: false,
        }
    }
}

const DEBOUNCE: Duration = Duration::from_nanos(300_000_001);

impl Driver {
    /// Everything that may happen now.
    pub(super) fn acts(&self, machine: &Machine) -> Vec<Act> {
        if !self.announced.is_empty() {
            // Callbacks run before anything else.
            let mut acts = vec![Act::Callbacks { panic: false }];
            acts.extend((self.panics > 0).then_some(Act::Callbacks { panic: true }));
            return acts;
        }
        let phase = machine.phase();
        let mut inputs = Vec::new();
        if phase == Phase::Created {
            inputs.extend([Input::Start, Input::Discard]);
        }
        if self.signals > 0 {
            inputs.push(Input::Signal(Signal::Sigterm));
        }
        if self.stops > 0 {
            inputs.push(Input::Stop(Cause::Requested(None)));
        }
        if self.forces > 0 {
            inputs.push(Input::Force);
        }
        if self.drains > 0 {
            inputs.push(Input::Drain);
        }
        self.work(machine, &mut inputs);
        for (number, hook) in (0..).zip(self.hooks) {
            let hook_id = HookId::new(number);
            let end = |end| Input::HookEnded { hook: hook_id, end };
            match hook {
                Hook::Runs => {
                    inputs.push(end(HookEnd::Ok));
                    // Which of the two it is makes a difference in words only.
                    inputs.push(end(if number == 0 {
                        HookEnd::Failed("broken".into())
                    } else {
                        HookEnd::Panicked("shaken".into())
                    }));
                }
                Hook::Aborted => inputs.push(end(HookEnd::Aborted)),
                Hook::Waits | Hook::Gone => {}
            }
        }
        if self.dispose_owed {
            inputs.push(Input::Disposed);
        }
        if self.names_owed {
            inputs.push(Input::Undisposed(["start".into()].into()));
        }
        let mut acts: Vec<Act> = inputs.into_iter().map(Act::Input).collect();
        let due = machine.poll_timeout();
        acts.extend(due.map(|_| Act::Timer));
        if let Some(last) = self.last_signal
            && self.signals > 0
            && due.is_none_or(|due| last + DEBOUNCE < due)
        {
            acts.push(Act::Debounce);
        }
        acts
    }

    /// What the start, the listeners and the connections may say.
    fn work(&self, machine: &Machine, inputs: &mut Vec<Input>) {
        let failed = Input::StartFailed(StartFailure::System("no descriptors".into()));
        match self.start {
            Start::Binds => inputs.extend([Input::Bound, failed]),
            Start::Proves => inputs.extend([Input::Ready, failed]),
            Start::Ends => inputs.push(Input::StartEnded),
            Start::None | Start::Gone => {}
        }
        if self.lingers[0] == Linger::Lingers && self.connections[0] == Connection::Gone {
            let connection = ConnectionId::new(1);
            inputs.push(Input::LingerEnded { connection });
        }
        if self.listeners_owed {
            inputs.push(Input::ListenersClosed);
        }
        if self.breaks > 0 && (Phase::Starting..=Phase::LameDuck).contains(&machine.phase()) {
            inputs.push(Input::ListenerFailed {
                listener: "0.0.0.0:5000".into(),
                error: "bad file descriptor".into(),
                left: usize::from(self.breaks) - 1,
            });
        }
        let accepts = matches!(machine.phase(), Phase::Running | Phase::LameDuck)
            || machine.phase() == Phase::Draining && self.listeners_owed;
        for (number, connection) in (1..).zip(self.connections).take(self.world.connections) {
            let id = ConnectionId::new(number);
            // The second comes after the first: which is which makes no difference.
            let turn = number == 1 || self.connections[0] != Connection::Outside;
            match connection {
                Connection::Outside if accepts && turn => {
                    inputs.push(open(id));
                }
                Connection::Open => {
                    inputs.push(self.closed(id));
                    // Only the first one ever lingers: one is enough to hold a stop.
                    if number == 1 && self.world.lingers && self.lingers[0] == Linger::Not {
                        inputs.push(Input::LingerBegan { connection: id });
                    }
                }
                Connection::Outside | Connection::Gone => {}
            }
        }
    }

    fn closed(&self, connection: ConnectionId) -> Input {
        let mut tally = Tally::default();
        tally.begun = 1;
        tally.answered = u64::from(!self.forced);
        Input::ConnectionClosed {
            connection,
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

    /// Does one act.
    pub(super) fn act(&mut self, machine: &mut Machine, act: &Act) {
        let now = machine.now();
        match act {
            Act::Timer => {
                let due = machine.poll_timeout().unwrap_or(now);
                machine.handle_timeout(due.max(now));
            }
            Act::Debounce => {
                let at = self.last_signal.map_or(now, |last| last + DEBOUNCE);
                machine.handle_timeout(at.max(now));
            }
            Act::Callbacks { panic } => {
                let announcement = self.announced.remove(0);
                self.panics -= u8::from(*panic);
                let panics = if *panic {
                    vec!["a callback".into()]
                } else {
                    vec![]
                };
                let input = Input::Announced {
                    announcement,
                    panics,
                };
                machine.handle(now, input);
            }
            Act::Input(input) => {
                self.note(input, machine);
                machine.handle(now, input.clone());
            }
        }
        // Once it counts as a new one anyway, when the last one came is of no interest.
        let now = machine.now();
        self.last_signal = self.last_signal.filter(|last| now < *last + DEBOUNCE);
    }

    fn note(&mut self, input: &Input, machine: &Machine) {
        match input {
            Input::Signal(_) => {
                self.signals -= 1;
                self.last_signal.get_or_insert(machine.now());
            }
            Input::Stop(_) => self.stops -= 1,
            Input::Force => self.forces -= 1,
            Input::ListenerFailed { .. } => self.breaks -= 1,
            Input::Drain => {
                self.drains -= 1;
                self.drained |= machine.phase() < Phase::LameDuck;
            }
            Input::Bound => self.start = Start::Proves,
            Input::Ready | Input::StartFailed(_) | Input::StartEnded => self.start = Start::Gone,
            Input::ListenersClosed => self.listeners_owed = false,
            Input::ConnectionOpened { connection, .. } => {
                self.set(*connection, Connection::Open);
            }
            Input::ConnectionClosed { connection, .. } => {
                self.set(*connection, Connection::Gone);
            }
            Input::HookEnded { hook, .. } => self.hooks[hook.index()] = Hook::Gone,
            Input::Disposed => self.dispose_owed = false,
            Input::Undisposed(_) => self.names_owed = false,
            Input::LingerBegan { .. } => {
                self.lingers[0] = Linger::Lingers;
            }
            Input::LingerEnded { .. } => {
                self.lingers[0] = Linger::Gone;
            }
            _ => {}
        }
    }

    fn set(&mut self, connection: ConnectionId, to: Connection) {
        let place = usize::from(connection.number() == 2);
        self.connections[place] = to;
    }

    /// Takes in what the machine asks for.
    pub(super) fn carry_out_all(&mut self, machine: &mut Machine) -> Result<(), String> {
        while machine.poll_event().is_some() {}
        while let Some(effect) = machine.poll_effect() {
            if self.finished {
                return Err(format!("{effect:?} after the end"));
            }
            self.carry_out(effect)?;
        }
        if machine.phase() > Phase::Draining {
            // From here on these must do nothing, which is seen by their leading nowhere: so they
            // may come any number of times.
            (self.stops, self.forces, self.drains) =
                (self.world.calls, self.world.calls, self.world.calls);
        }
        if machine.phase() == Phase::Disposing {
            // Only a third signal makes a difference now, and no hook does.
            self.signals = if self.signals == 1 { 1 } else { 0 };
            self.hooks = [Hook::Gone; 3];
        }
        if self.signals == 0 {
            self.last_signal = None;
        }
        if machine.phase() == Phase::Stopped {
            // Whoever is left is left alone.
            *self = Self {
                finished: self.finished,
                drained: self.drained,
                ..Self::new(self.world)
            };
            self.hooks = [Hook::Gone; 3];
            self.connections = [Connection::Gone; 2];
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Announce(announcement) => self.announced.push(announcement),
            Effect::BeginStart => self.start = Start::Binds,
            Effect::CancelStart | Effect::DropStart => {
                if !matches!(self.start, Start::Binds | Start::Proves | Start::Ends) {
                    return Err(format!("{effect:?} of a start that is {:?}", self.start));
                }
                self.start = Start::Ends;
            }
            Effect::CloseListeners | Effect::DropListeners => self.listeners_owed = true,
            Effect::Direct(Directive::Force) => self.forced = true,
            Effect::RunHook { hook, .. } => {
                let waits_for = (hook.index() == 1).then_some(self.hooks[0]);
                let ready =
                    waits_for.is_none_or(|other| matches!(other, Hook::Aborted | Hook::Gone));
                if self.hooks[hook.index()] != Hook::Waits || !ready {
                    return Err(format!("{hook} runs out of turn"));
                }
                self.hooks[hook.index()] = Hook::Runs;
            }
            Effect::AbortHook(hook) => {
                if self.hooks[hook.index()] != Hook::Runs {
                    return Err(format!("{hook} is aborted, but does not run"));
                }
                self.hooks[hook.index()] = Hook::Aborted;
            }
            Effect::Dispose { .. } => self.dispose_owed = true,
            Effect::NameUndisposed => self.names_owed = true,
            Effect::EndLinger => {
                if !self.lingers.contains(&Linger::Lingers) {
                    return Err("nothing lingers".into());
                }
                for linger in &mut self.lingers {
                    if *linger == Linger::Lingers {
                        *linger = Linger::Gone;
                    }
                }
            }
            Effect::Finish => self.finished = true,
            _ => {}
        }
        Ok(())
    }
}
