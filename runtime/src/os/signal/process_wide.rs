//! The process's signals: one thread reads them and calls every subscriber (floor 1).
//!
//! The thread is an OS thread, so signals count even while every worker of every runtime is
//! blocked. It lives, with its pipes, as long as somebody is subscribed.
//!
//! **Invariant:** no subscriber is called under the registry's lock.
//! **Invariant:** a signal is handed to the subscribers or has its default effect: none is lost but copies.
//! **Invariant:** what is armed is heard, whatever this process inherited as blocked.

use std::io::{self, PipeWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lamplighter_lifecycle::Signal;

use super::effect::{self, Effect};
use super::mask;
use super::pipes::{self, Pipe, ReadEnd, Reader};
use crate::os::clock::{Moment, Ticks};
use crate::os::log;
use crate::os::process::Dispositions;
use crate::os::tasks::{os_thread, panic_message};

/// One signal that the process got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Counts up from 1 over all kinds of signals; the same for every subscriber.
    ///
    /// It is the order in which they were read. Signals of different kinds that were sent before
    /// the thread got to run have no order that anybody could know.
    pub(crate) number: u64,
    pub(crate) signal: Signal,
}

/// Calls `callback` on a thread of its own for each of `signals` that the process gets.
///
/// When this returns, the signals have no other effect any more, except those in
/// [`Subscription::ignored`]. The callback must not block for long: everybody's signals wait for
/// it. It may subscribe and drop subscriptions, its own among them. A panic in it is caught.
///
/// # Errors
///
/// When the OS refuses a pipe, a handler or the thread. Then nothing has changed.
pub(crate) fn subscribe(
    signals: &[Signal],
    callback: impl Fn(Arrival) + Send + Sync + 'static,
) -> io::Result<Subscription> {
    let (ignored, signals): (Vec<Signal>, Vec<Signal>) = {
        let inherited = Dispositions::inherited();
        // nohup, and a shell's background jobs, mean that these two are to be ignored. An ignored
        // SIGTERM is nobody's wish.
        signals.iter().partition(|signal| {
            matches!(signal, Signal::Sigint | Signal::Sighup) && inherited.ignores(**signal)
        })
    };
    let mut registry = registry();
    let id = registry.next_id;
    registry.next_id += 1;
    registry.subscribers.push(Subscriber {
        id,
        signals: signals.clone(),
        callback: Arc::new(callback),
    });
    let armed = registry.arm(&signals).and_then(|()| registry.listen());
    drop(registry);
    let subscription = Subscription { id, ignored };
    // An error drops the subscription and with it what was armed for it.
    armed.map(|()| subscription)
}

/// Listens until it is dropped.
///
/// A callback that has begun on the signal thread may still be running when the drop returns.
///
/// When the last subscription of the process is dropped, signals are held back for
/// [`A_CLEAN_END`] more, and then have the effect again that they had before the first
/// subscription: those that have come meanwhile have it then. So a process that is just ending
/// cleanly is not killed on its last steps, by an impatient operator or by a wrapper that sends
/// copies, behind a report that says that all went well. Who subscribes meanwhile gets what was
/// held back, but for copies of a signal that was heard.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub(crate) struct Subscription {
    id: u64,
    ignored: Vec<Signal>,
}

impl Subscription {
    /// Those asked for that stay ignored, since the process inherited them so.
    pub(crate) fn ignored(&self) -> &[Signal] {
        &self.ignored
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut registry = registry();
        let gone = registry
            .subscribers
            .iter()
            .position(|subscriber| subscriber.id == self.id)
            .map(|at| registry.subscribers.remove(at));
        let mut due = Vec::new();
        if registry.subscribers.is_empty() {
            if registry.thread.is_some() {
                registry.hold = A_CLEAN_END;
                registry.wake();
            } else {
                due = registry.close();
            }
        }
        drop(registry);
        for (effect, signal) in due {
            effect.apply(signal);
        }
        // The callback may own anything, also another subscription.
        drop(gone);
    }
}

/// Signals this close together are one intent: terminals, shells and wrappers send copies.
const ONE_SIGNAL: Duration = Duration::from_millis(300);

/// How long a process may take from the end of its last subscription to its own, before signals
/// have their effect again.
///
/// What follows a server's stop in [`block_on`](crate::block_on) takes up to 100 ms, most of the time
/// 1 ms to 3 ms: before this time was given, one in ten processes that got a signal in the first
/// 3 ms was killed by it (measured). Whoever waits longer for a process than this may end it.
const A_CLEAN_END: Duration = Duration::from_millis(300);

/// Of this it is counted in steps: time in which the process was frozen or starved is not its own.
const STEP: Duration = Duration::from_millis(20);

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    subscribers: Vec::new(),
    next_id: 0,
    arrivals: 0,
    last: None,
    hold: Duration::ZERO,
    kinds: Vec::new(),
    thread: None,
});

struct Registry {
    /// In order of subscription.
    subscribers: Vec<Subscriber>,
    next_id: u64,
    arrivals: u64,
    /// When a signal was last handed to a subscriber.
    last: Option<Moment>,
    /// How much longer effects are held back, if nobody is subscribed.
    hold: Duration,
    /// Every kind of signal that was ever armed in this process.
    kinds: Vec<Kind>,
    /// The thread, while it runs, by what wakes it up.
    thread: Option<PipeWriter>,
}

struct Subscriber {
    id: u64,
    signals: Vec<Signal>,
    callback: Callback,
}

type Callback = Arc<dyn Fn(Arrival) + Send + Sync>;

struct Kind {
    signal: Signal,
    effect: Effect,
    pipe: Option<Pipe>,
    /// When it came while nobody was subscribed any more and its effect was held back.
    held: Option<Moment>,
}

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Gives every kind of `signals` a pipe, and then takes their effects away together.
    fn arm(&mut self, signals: &[Signal]) -> io::Result<()> {
        let mut opened = Vec::new();
        for &signal in signals {
            match self.open(signal) {
                Ok(true) => opened.push(signal),
                Ok(false) => {}
                Err(error) => {
                    // Their effects were never taken away.
                    for kind in &mut self.kinds {
                        if opened.contains(&kind.signal) {
                            kind.pipe.take().map(Pipe::close);
                        }
                    }
                    return Err(error);
                }
            }
        }
        // All kinds, not only these: with a subscriber in the process none has its own effect.
        for kind in self.kinds.iter_mut().filter(|kind| kind.pipe.is_some()) {
            effect::suspend(kind.signal);
        }
        Ok(())
    }

    /// Whether `signal` had no pipe before; it has one now.
    fn open(&mut self, signal: Signal) -> io::Result<bool> {
        if !self.kinds.iter().any(|kind| kind.signal == signal) {
            self.kinds.push(Kind {
                signal,
                effect: Effect::install(signal)?,
                pipe: None,
                held: None,
            });
        }
        for kind in &mut self.kinds {
            if kind.signal == signal && kind.pipe.is_none() {
                kind.pipe = Some(Pipe::open(signal)?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sees to it that the thread runs and knows every pipe.
    fn listen(&mut self) -> io::Result<()> {
        if self.thread.is_none() {
            let (control, wake) = pipes::pair()?;
            os_thread("lamp-signals", move || read_signals(&control))?;
            self.thread = Some(wake);
        }
        self.wake();
        Ok(())
    }

    fn wake(&self) {
        if let Some(mut thread) = self.thread.as_ref() {
            // Full means that it has been woken up often enough.
            drop(thread.write(&[0]));
        }
    }

    /// What was held back when somebody subscribed after all.
    fn take_held(&mut self) -> Vec<Signal> {
        let last = self.last;
        let is_copy = |came: Moment| last.is_some_and(|last| came.since(last) < ONE_SIGNAL);
        let held = self.kinds.iter_mut().filter_map(|kind| {
            let came = kind.held.take()?;
            (!is_copy(came)).then_some(kind.signal)
        });
        held.collect()
    }

    fn readers(&self) -> Vec<Reader> {
        self.kinds
            .iter()
            .filter_map(|kind| kind.pipe.as_ref().map(Pipe::reader))
            .collect()
    }

    /// Numbers one arrival and says whom to call.
    fn arrived(&mut self, signal: Signal) -> (Arrival, Vec<Callback>) {
        self.arrivals += 1;
        let arrival = Arrival {
            number: self.arrivals,
            signal,
        };
        if self.subscribers.is_empty() {
            for kind in self.kinds.iter_mut().filter(|kind| kind.signal == signal) {
                kind.held = Some(Moment::now());
            }
        } else {
            self.last = Some(Moment::now());
        }
        let callbacks = self
            .subscribers
            .iter()
            .filter(|subscriber| subscriber.signals.contains(&signal))
            .map(|subscriber| Arc::clone(&subscriber.callback))
            .collect();
        (arrival, callbacks)
    }

    /// Ends the listening for good: no pipe, no thread; what was held back happens now.
    fn close(&mut self) -> Vec<(Effect, Signal)> {
        for kind in &self.kinds {
            effect::restore(kind.signal);
        }
        self.thread = None;
        let mut due = Vec::new();
        for kind in &mut self.kinds {
            let left = kind.pipe.take().map_or(0, Pipe::close);
            if kind.held.take().is_some() || left > 0 {
                due.push((kind.effect, kind.signal));
            }
        }
        due
    }
}

/// The thread: runs until nobody is subscribed and nothing is held back.
fn read_signals(control: &ReadEnd) {
    loop {
        let (readers, hold, held) = {
            let mut registry = registry();
            if registry.subscribers.is_empty() {
                if registry.hold.is_zero() {
                    let due = registry.close();
                    drop(registry);
                    for (effect, signal) in due {
                        effect.apply(signal);
                    }
                    return;
                }
                (registry.readers(), Some(registry.hold), Vec::new())
            } else {
                (registry.readers(), None, registry.take_held())
            }
        };
        held.into_iter().for_each(deliver);
        mask::unblock(readers.iter().map(|reader| reader.signal));
        let step = hold.map(|hold| hold.min(STEP));
        let mut ticks = Ticks::start();
        pipes::wait(control, &readers, step);
        if let Some(step) = step {
            let passed = ticks.count(step);
            let mut registry = registry();
            registry.hold = registry.hold.saturating_sub(passed);
        }
        control.take();
        for reader in &readers {
            for _ in 0..reader.take() {
                deliver(reader.signal);
            }
        }
    }
}

fn deliver(signal: Signal) {
    let (arrival, callbacks) = registry().arrived(signal);
    if callbacks.is_empty() {
        log::debug!(target: "lamplighter::os", %signal, "nobody listens to this signal now");
    }
    for callback in callbacks {
        let called = catch_unwind(AssertUnwindSafe(|| callback(arrival)));
        if let Err(payload) = called {
            let panic = panic_message(payload.as_ref());
            log::error!(target: "lamplighter::os", %signal, panic, "a subscriber panicked");
        }
        // Its last drop may come to be here, outside of the lock.
        drop(callback);
    }
}

#[cfg(test)]
mod tests;
