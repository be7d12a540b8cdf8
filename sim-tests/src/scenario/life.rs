//! What the server's own code does: its start, hooks, workers and callbacks.
//!
//! **Invariant:** plain data.

use super::paste::{paste_enum, paste_struct};

/// How the server is started.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// What is called.
    pub call: Call,
    /// What binding its address comes to.
    pub bind: Bind,
    /// Its readiness checks; `c0` is the first.
    pub checks: Vec<Check>,
}

paste_struct!(Start { call, bind, checks });

/// What is called on the server.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Call {
    /// `start()`, with SIGTERM and SIGINT as its stop signals.
    #[default]
    Start,
    /// `run()`, with those that it takes by itself.
    Run,
    /// `stop()` on a handle, then `start()`.
    StopThenStart,
    /// `stop()`, instead of starting.
    Stop,
}

paste_enum!(Call {
    Start,
    Run,
    StopThenStart,
    Stop
});

/// What binding comes to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Bind {
    /// It is done at once.
    #[default]
    Ok,
    /// It is done after a while.
    Late {
        /// How long.
        ms: u32,
    },
    /// Somebody else has the address.
    InUse,
    /// It never ends.
    Hang,
}

paste_enum!(Bind { Ok, Late { ms }, InUse, Hang });

/// A readiness check: red for a while, then green.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Check {
    /// For how long it is red, from the call on. [`u32::MAX`] is for ever.
    pub red_ms: u32,
    /// What it does while it is.
    pub red: Red,
}

paste_struct!(Check { red_ms, red });

/// How a check is red.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Red {
    /// It returns an error.
    #[default]
    Fail,
    /// It panics.
    Panic,
    /// It does not return.
    Hang,
}

paste_enum!(Red { Fail, Panic, Hang });

/// A hook.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// The hooks that it comes after: bit `n` for `h{n}`, of which those before itself count.
    pub after: u16,
    /// How long it takes until it does what it does.
    pub takes_ms: u32,
    /// How it ends.
    pub does: HookDoes,
    /// Its own timeout, if it has one.
    pub timeout_ms: Option<u32>,
}

paste_struct!(Hook {
    after,
    takes_ms,
    does,
    timeout_ms
});

impl Default for Hook {
    fn default() -> Self {
        Self {
            after: 0,
            takes_ms: 0,
            does: HookDoes::Ok,
            timeout_ms: None,
        }
    }
}

impl Hook {
    /// The places of the hooks that the one at `place` comes after.
    pub fn comes_after(&self, place: usize) -> impl Iterator<Item = usize> + use<> {
        let after = self.after;
        (0..place.min(16)).filter(move |earlier| after & (1 << earlier) != 0)
    }

    /// How a report names the hook at `place`.
    #[must_use]
    pub fn name(place: usize) -> String {
        format!("h{place}")
    }
}

/// How a hook ends, once its time has passed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum HookDoes {
    /// It returns.
    #[default]
    Ok,
    /// It returns an error.
    Fail,
    /// It panics.
    Panic,
    /// It never returns.
    Hang,
    /// It is one that blocks its thread for its time, and cannot be aborted.
    Block,
    /// It calls `stop()`, waits for what that gives it, and returns.
    Stop,
    /// It calls `force()`, and returns.
    Force,
    /// It registers one more hook, which is refused, and returns.
    Register,
}

paste_enum!(HookDoes {
    Ok,
    Fail,
    Panic,
    Hang,
    Block,
    Stop,
    Force,
    Register
});

/// A worker: begins at Ready.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Worker {
    /// How long it works until it does what it does.
    pub takes_ms: u32,
    /// What it does then.
    pub does: WorkerDoes,
}

paste_struct!(Worker { takes_ms, does });

/// What a worker does once its time has passed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum WorkerDoes {
    /// It returns when it hears of draining; its time passes after that.
    #[default]
    HearDraining,
    /// It returns when it hears that time is up.
    HearCancelled,
    /// It returns.
    Ok,
    /// It returns an error.
    Fail,
    /// It panics.
    Panic,
    /// It never returns.
    Hang,
    /// It calls `stop()`, waits for what that gives it, and returns.
    Stop,
    /// It calls `force()`, and returns.
    Force,
}

paste_enum!(WorkerDoes {
    HearDraining,
    HearCancelled,
    Ok,
    Fail,
    Panic,
    Hang,
    Stop,
    Force
});

/// A callback.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Callback {
    /// What it is told of.
    pub on: Moment,
    /// What it does then.
    pub does: CallbackDoes,
}

paste_struct!(Callback { on, does });

/// What callbacks are told of.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The start begins.
    #[default]
    Start,
    /// The server is ready.
    Ready,
    /// A stop has begun.
    Stopping,
    /// Something failed.
    Error,
    /// The server has stopped.
    Stop,
}

paste_enum!(Moment {
    Start,
    Ready,
    Stopping,
    Error,
    Stop
});

/// What a callback does.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum CallbackDoes {
    /// It returns.
    #[default]
    Ok,
    /// It panics.
    Panic,
    /// It calls `stop()`.
    Stop,
    /// It calls `force()`.
    Force,
    /// It calls `drain()`.
    Drain,
    /// It registers one more hook.
    RegisterHook,
}

paste_enum!(CallbackDoes {
    Ok,
    Panic,
    Stop,
    Force,
    Drain,
    RegisterHook
});
