//! The steps of the parts of a scenario, field by field and kind by kind.
//!
//! **Invariant:** every field and every kind is named: one that is added does not compile until it can
//! be made simpler.

use lamplighter::Signal;

use super::amounts::{Simplify, choice};
use super::lists::Place;
use crate::scenario::{
    AcceptFault, Act, ActDoes, Bind, Budget, Call, Callback, CallbackDoes, Check, Client,
    ClientDoes, Defences, HandlerDoes, Hears, Home, Hook, HookDoes, Link, Moment, Origin, ProbeOf,
    Red, Request, Start, Worker, WorkerDoes,
};

choice! {
    Origin: Ready Call;
    Home: Shared Own;
    Call: Start Run StopThenStart Stop;
    Red: Fail Panic Hang;
    Moment: Start Ready Stopping Error Stop;
    CallbackDoes: Ok Panic Stop Force Drain RegisterHook;
    HookDoes: Ok Fail Panic Hang Block Stop Force Register;
    WorkerDoes: HearDraining HearCancelled Ok Fail Panic Hang Stop Force;
    Hears: Draining Cancelled Nothing;
    ProbeOf: Readiness Liveness;
    AcceptFault: TooManyFiles Aborted OutOfMemory;
}

/// Structs: what they are by default, then each field.
macro_rules! fields {
    ($($type:ident { $($field:ident)* })*) => {
        $(impl Simplify for $type {
            fn steps(&self, simplest: &Self) -> u32 {
                if self == simplest {
                    return 0;
                }
                let Self { $($field),* } = self;
                1 $(+ $field.steps(&simplest.$field))*
            }

            fn step(&mut self, simplest: &Self, step: u32) {
                let mut place = Place(step);
                if self == simplest {
                    return;
                }
                if place.within(1).is_some() {
                    return self.clone_from(simplest);
                }
                let Self { $($field),* } = self;
                $(if let Some(step) = place.within($field.steps(&simplest.$field)) {
                    return $field.step(&simplest.$field, step);
                })*
            }
        }

        #[cfg(test)]
        impl super::Named for $type {
            const NAMES: &'static [&'static str] = &[$(concat!(" ", stringify!($field), ": ")),*];
        })*
    };
}

fields! {
    Link { latency_ms window_bytes }
    Budget {
        lame_duck_ms drain_ms cancel_lead_ms hooks_ms margin_ms drain_spread_ms start_ms ready_ms
        on_deadline while_draining on_listener_error lame_duck_readiness
    }
    Defences { header_read_ms max_connections max_age_ms max_age_grace_ms max_requests }
    Start { call bind checks }
    Check { red_ms red }
    Hook { after takes_ms does timeout_ms }
    Worker { takes_ms does }
    Callback { on does }
    Request { gap_ms takes_ms send_bytes receive_bytes does }
    Act { gap_ms does }
}

/// Kinds with numbers: those before it in the list are simpler, with the numbers written there; then
/// its own numbers come down.
macro_rules! kinds {
    ($($type:ident {
        $($kind:ident $(($inner:ident: $only:expr))? $({ $($field:ident: $least:expr),* })?;)*
    })*) => {
        $(impl Simplify for $type {
            fn steps(&self, _: &Self) -> u32 {
                let simpler = simpler_kinds(self, &Self::kinds());
                simpler + match self {
                    $(Self::$kind $(($inner))? $({ $($field),* })? => {
                        0 $(+ $inner.steps(&$only))? $($(+ $field.steps(&$least))*)?
                    })*
                }
            }

            fn step(&mut self, _: &Self, step: u32) {
                let mut place = Place(step);
                let kinds = Self::kinds();
                if let Some(kind) = place.within(simpler_kinds(self, &kinds)) {
                    if let Some(kind) = kinds.into_iter().nth(kind as usize) {
                        *self = kind;
                    }
                    return;
                }
                match self {
                    $(Self::$kind $(($inner))? $({ $($field),* })? => {
                        $($inner.step(&$only, place.0);)?
                        $($(if let Some(step) = place.within($field.steps(&$least)) {
                            return $field.step(&$least, step);
                        })*)?
                    })*
                }
            }
        }

        #[cfg(test)]
        impl super::Named for $type {
            const NAMES: &'static [&'static str] = &[
                $(concat!(stringify!($type), "::", stringify!($kind))),*
            ];
        }

        impl $type {
            fn kinds() -> Vec<Self> {
                vec![$(Self::$kind $(($only))? $({ $($field: $least),* })?),*]
            }
        })*
    };
}

/// How many kinds come before that of `value`.
fn simpler_kinds<T>(value: &T, kinds: &[T]) -> u32 {
    let kind = std::mem::discriminant(value);
    let place = kinds
        .iter()
        .position(|it| std::mem::discriminant(it) == kind);
    place
        .and_then(|place| u32::try_from(place).ok())
        .unwrap_or_default()
}

kinds! {
    Bind { Ok; Late { ms: 0 }; InUse; Hang; }
    HandlerDoes {
        Answer; AnswerUnread; Panic; PanicInBody; Hang; Stop; Force; Drain; HearCancelled;
        Spawn { ms: 0 }; Stream { every_ms: 1, hears: Hears::Draining };
    }
    ActDoes {
        Signal(signal: Signal::Sigterm); Stop; Force; Drain; DropOwner; RegisterHook;
        Hold { client: 0 }; Release { client: 0 }; Partition { client: 0 }; Crash { client: 0 };
        AcceptErrors { times: 1, error: AcceptFault::TooManyFiles };
        BreakListener; Jump { ms: 0 }; Freeze { ms: 0 };
    }
    ClientDoes {
        Http1 { requests: Vec::new() }; Http2 { requests: Vec::new() }; Grpc { calls: Vec::new() };
        Idle { requests: Vec::new() }; Watch; Websocket { messages: 0, every_ms: 0 };
        Events { every_ms: 1, hears: Hears::Draining };
        Silent; HalfHead; HalfPreface; NoSettingsAck; NoPong;
        SlowReader { bytes: 0, window: 1, chunk: 1, every_ms: 1 };
        SlowWriter { bytes: 0, chunk: 1, every_ms: 1 };
        ResetMid { bytes: 0, after_bytes: 0 };
        // As often as an orchestrator asks. Where nothing stops the server, a case with one that asks every
        // millisecond takes a thousand times as long as all others together.
        Probe { of: ProbeOf::Readiness, every_ms: 1000 };
        Own { visitor: 0 };
    }
}

/// Not field by field alone: the same requests over plain HTTP/1.1 are simpler.
impl Simplify for Client {
    fn steps(&self, simplest: &Self) -> u32 {
        let Self { gap_ms, home, does } = self;
        u32::from(plainer(does).is_some())
            + gap_ms.steps(&simplest.gap_ms)
            + home.steps(&simplest.home)
            + does.steps(&simplest.does)
    }

    fn step(&mut self, simplest: &Self, step: u32) {
        let mut place = Place(step);
        let Self { gap_ms, home, does } = self;
        if let Some(plainer) = plainer(does)
            && place.within(1).is_some()
        {
            *does = plainer;
        } else if let Some(step) = place.within(gap_ms.steps(&simplest.gap_ms)) {
            gap_ms.step(&simplest.gap_ms, step);
        } else if let Some(step) = place.within(home.steps(&simplest.home)) {
            home.step(&simplest.home, step);
        } else {
            does.step(&simplest.does, place.0);
        }
    }
}

/// The same requests by a client that is simpler.
fn plainer(does: &ClientDoes) -> Option<ClientDoes> {
    let (ClientDoes::Http2 { requests }
    | ClientDoes::Idle { requests }
    | ClientDoes::Grpc { calls: requests }) = does
    else {
        return None;
    };
    Some(ClientDoes::Http1 {
        requests: requests.clone(),
    })
}
