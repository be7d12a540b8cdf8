//! The server's own part of a case: its plan, its start, what it runs.
//!
//! **Invariant:** a plan that a server refuses is drawn where the swarm has failed starts, and only
//! there.

use lamplighter::{LameDuckReadiness, OnDeadline, OnListenerError, WhileDraining};

use super::draw::Draw;
use super::swarm::Switch;
use crate::scenario::{
    Bind, Budget, Call, Callback, CallbackDoes, Check, Defences, Hook, HookDoes, Moment, Red,
    Start, Worker, WorkerDoes,
};

pub(super) fn plan(draw: &mut Draw) -> Budget {
    let mut plan = Budget::default();
    if !draw.one_in(4) {
        plan.drain_ms = draw.some_ms();
        plan.hooks_ms = draw.some_ms();
        plan.margin_ms = draw.ms();
        plan.cancel_lead_ms = draw.ms();
    }
    if draw.has(Switch::LameDuck) {
        plan.lame_duck_ms = draw.ms();
    }
    if draw.has(Switch::Spread) {
        plan.drain_spread_ms = draw.ms().min(plan.drain_ms / 2);
    }
    if draw.has(Switch::Zeros) {
        for setting in [
            &mut plan.drain_ms,
            &mut plan.margin_ms,
            &mut plan.cancel_lead_ms,
            &mut plan.drain_spread_ms,
            &mut plan.lame_duck_ms,
        ] {
            if draw.one_in(3) {
                *setting = 0;
            }
        }
        plan.drain_spread_ms = plan.drain_spread_ms.min(plan.drain_ms / 2);
    }
    for span in [
        plan.lame_duck_ms,
        plan.drain_ms,
        plan.drain_ms
            .saturating_sub(plan.cancel_lead_ms.min(plan.drain_ms / 10)),
        plan.lame_duck_ms.saturating_add(plan.drain_ms),
        plan.hooks_ms,
    ] {
        draw.mark(span);
    }
    if draw.sometimes(Switch::SlowStart, 4) {
        plan.start_ms = draw.marked_ms();
        plan.ready_ms = draw.marked_ms().min(plan.start_ms);
    }
    choices(draw, &mut plan);
    plan
}

fn choices(draw: &mut Draw, plan: &mut Budget) {
    if draw.sometimes(Switch::KeepWaiting, 2) {
        plan.on_deadline = OnDeadline::KeepWaiting;
    }
    if draw.sometimes(Switch::Choices, 2) {
        plan.while_draining = WhileDraining::Reject;
    }
    if draw.sometimes(Switch::Choices, 2) {
        plan.on_listener_error = OnListenerError::Continue;
    }
    if draw.sometimes(Switch::Choices, 2) {
        plan.lame_duck_readiness = LameDuckReadiness::Held;
    }
    // What a start refuses.
    if draw.sometimes(Switch::FailedStart, 16) {
        match draw.between(0, 3) {
            0 => plan.hooks_ms = 0,
            1 => plan.drain_spread_ms = plan.drain_ms / 2 + 1,
            2 => plan.drain_ms = u32::MAX,
            _ => plan.ready_ms = plan.start_ms.saturating_add(1),
        }
    }
}

pub(super) fn defences(draw: &mut Draw) -> Defences {
    let mut defences = Defences::default();
    if draw.has(Switch::Limits) {
        let mut some = |limit: fn(&mut Draw) -> u32| draw.one_in(3).then(|| limit(draw));
        defences.max_connections = some(|draw| draw.between(1, 3));
        defences.max_requests = some(|draw| draw.between(1, 3));
        defences.max_age_ms = some(Draw::some_ms);
        defences.max_age_grace_ms = some(Draw::some_ms);
        defences.header_read_ms = match draw.between(0, 2) {
            0 => None,
            1 => Some(draw.some_ms()),
            _ => defences.header_read_ms,
        };
    }
    defences
}

pub(super) fn start(draw: &mut Draw) -> Start {
    let mut start = Start::default();
    if draw.has(Switch::OtherCalls) {
        start.call = match draw.between(0, 15) {
            0 => Call::Stop,
            1 => Call::StopThenStart,
            2..8 => Call::Start,
            _ => Call::Run,
        };
    }
    if draw.sometimes(Switch::SlowStart, 2) {
        start.bind = Bind::Late { ms: draw.ms() };
    }
    if draw.sometimes(Switch::FailedStart, 16) {
        start.bind = draw.one_of(&[Bind::InUse, Bind::Hang]).unwrap_or_default();
    }
    let slow = if draw.has(Switch::SlowStart) {
        draw.few(2)
    } else {
        0
    };
    for _ in 0..slow {
        let red = draw
            .one_of(&[Red::Fail, Red::Panic, Red::Hang])
            .unwrap_or_default();
        let for_ever = draw.sometimes(Switch::FailedStart, 8);
        let red_ms = if for_ever { u32::MAX } else { draw.ms() / 8 };
        start.checks.push(Check { red_ms, red });
    }
    start
}

pub(super) fn hooks(draw: &mut Draw) -> Vec<Hook> {
    if !draw.has(Switch::Hooks) {
        return Vec::new();
    }
    let many = if draw.one_in(32) {
        draw.between(0, 18)
    } else {
        draw.few(5)
    };
    (0..many).map(|_| hook(draw)).collect()
}

fn hook(draw: &mut Draw) -> Hook {
    let does = if draw.one_in(2) {
        HookDoes::Ok
    } else {
        draw.allowed(&[
            (None, HookDoes::Ok),
            (Some(Switch::HookFails), HookDoes::Fail),
            (Some(Switch::HookPanics), HookDoes::Panic),
            (Some(Switch::HookHangs), HookDoes::Hang),
            (Some(Switch::HookBlocks), HookDoes::Block),
            (Some(Switch::CallsFromWithin), HookDoes::Stop),
            (Some(Switch::CallsFromWithin), HookDoes::Force),
            (Some(Switch::LateHooks), HookDoes::Register),
        ])
        .unwrap_or_default()
    };
    Hook {
        after: if draw.has(Switch::HookOrder) {
            draw.bits()
        } else {
            0
        },
        takes_ms: draw.ms(),
        does,
        timeout_ms: draw
            .sometimes(Switch::HookTimeouts, 2)
            .then(|| draw.some_ms()),
    }
}

pub(super) fn workers(draw: &mut Draw) -> Vec<Worker> {
    if !draw.has(Switch::Workers) {
        return Vec::new();
    }
    let many = draw.few(3);
    let worker = |draw: &mut Draw| Worker {
        takes_ms: draw.ms(),
        does: draw
            .allowed(&[
                (None, WorkerDoes::HearDraining),
                (None, WorkerDoes::Ok),
                (None, WorkerDoes::HearCancelled),
                (Some(Switch::WorkerFaults), WorkerDoes::Fail),
                (Some(Switch::WorkerFaults), WorkerDoes::Panic),
                (Some(Switch::WorkerFaults), WorkerDoes::Hang),
                (Some(Switch::CallsFromWithin), WorkerDoes::Stop),
                (Some(Switch::CallsFromWithin), WorkerDoes::Force),
            ])
            .unwrap_or_default(),
    };
    (0..many).map(|_| worker(draw)).collect()
}

pub(super) fn callbacks(draw: &mut Draw) -> Vec<Callback> {
    if !draw.has(Switch::Callbacks) {
        return Vec::new();
    }
    let moments = [
        Moment::Start,
        Moment::Ready,
        Moment::Stopping,
        Moment::Error,
        Moment::Stop,
    ];
    let many = draw.few(3);
    let callback = |draw: &mut Draw| Callback {
        on: draw.one_of(&moments).unwrap_or_default(),
        does: draw
            .allowed(&[
                (None, CallbackDoes::Ok),
                (Some(Switch::CallbackPanics), CallbackDoes::Panic),
                (Some(Switch::CallsFromWithin), CallbackDoes::Stop),
                (Some(Switch::CallsFromWithin), CallbackDoes::Force),
                (Some(Switch::CallsFromWithin), CallbackDoes::Drain),
                (Some(Switch::LateHooks), CallbackDoes::RegisterHook),
            ])
            .unwrap_or_default(),
    };
    (0..many).map(|_| callback(draw)).collect()
}
