//! Scenarios by number, for worlds that do not move alike within one instant.
//!
//! Where two things come in one instant, their order is each world's own. So what acts, workers, hooks
//! and clients do comes at times of a last digit of its own, as far as it can be told beforehand, and
//! no upload fills its line's window: in turmoil a client that waits for room goes on a tick later.
//!
//! **Invariant:** the same number gives the same scenario.

use lamplighter::{LameDuckReadiness, Signal, WhileDraining};
use lamplighter_sim::scenario::Check;
use lamplighter_sim::{
    AcceptFault, Act, ActDoes, Bind, Budget, Call, Callback, CallbackDoes, Client, ClientDoes,
    HandlerDoes, Hears, Hook, HookDoes, Link, Moment, Origin, ProbeOf, Red, Request, Scenario,
    Start, Worker, WorkerDoes,
};

/// Draws numbers, the same ones for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.throw() % u64::from(end)) as u32
    }

    /// Below `end`, with this last digit.
    fn time(&mut self, end: u32, digit: u32) -> u32 {
        10 * self.below(end / 10) + digit
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    fn any<T: Copy>(&mut self, of: &[T]) -> T {
        *of.get(self.below(of.len() as u32) as usize).unwrap()
    }

    /// Fewer than `end`, and more often some than none.
    fn many<T>(&mut self, end: u32, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(end).max(self.below(end)))
            .map(|_| make(self))
            .collect()
    }
}

/// The scenario of this number.
pub(crate) fn case(number: u64) -> Scenario {
    let dice = &mut Dice(number);
    let mut scenario = Scenario {
        seed: number,
        link: Link {
            latency_ms: 1 + dice.below(4),
            window_bytes: dice.any(&[64 * 1024, 8192]),
        },
        plan: plan(dice),
        hooks: dice.many(4, hook),
        clients: dice.many(6, client),
        ..Scenario::default()
    };
    // What ends most lives early comes to few of them.
    if dice.one_in(8) {
        scenario.start = start(dice);
    }
    if dice.one_in(3) {
        scenario.workers = dice.many(3, worker);
    }
    if dice.one_in(4) {
        scenario.callbacks = dice.many(3, callback);
    }
    // Whatever keeps it from being ready, its signals come.
    if dice.one_in(6) || may_not_be_ready(&scenario) {
        scenario.from = Origin::Call;
    }
    let clients = u32::try_from(scenario.clients.len()).unwrap();
    if dice.one_in(2) {
        scenario.acts = dice.many(4, |dice| act(dice, clients));
    }
    let gap_ms = 10 + dice.time(400, 0);
    let does = ActDoes::Signal(Signal::Sigterm);
    scenario.acts.push(Act { gap_ms, does });
    if let Some(first) = scenario.acts.first_mut() {
        first.gap_ms += 105;
    }
    scenario
}

fn may_not_be_ready(scenario: &Scenario) -> bool {
    let start = &scenario.start;
    let calls = scenario.callbacks.iter();
    start.bind != Bind::Ok
        || !start.checks.is_empty()
        || matches!(start.call, Call::StopThenStart | Call::Stop)
        || calls
            .map(|callback| callback.on)
            .any(|on| on == Moment::Start)
}

fn plan(dice: &mut Dice) -> Budget {
    Budget {
        lame_duck_ms: dice.any(&[0, 0, 37]),
        drain_ms: 200 + dice.time(700, 8),
        cancel_lead_ms: dice.any(&[0, 50, 100]),
        hooks_ms: 200 + dice.time(400, 2),
        margin_ms: 100 + dice.time(300, 0),
        start_ms: 900,
        ready_ms: 300,
        while_draining: dice.any(&[WhileDraining::Serve, WhileDraining::Reject]),
        lame_duck_readiness: dice.any(&[LameDuckReadiness::Off, LameDuckReadiness::Held]),
        ..Budget::default()
    }
}

fn start(dice: &mut Dice) -> Start {
    Start {
        call: dice.any(&[Call::Start, Call::Run, Call::StopThenStart, Call::Stop]),
        bind: dice.any(&[Bind::Ok, Bind::InUse, Bind::Hang, Bind::Late { ms: 20 }]),
        checks: dice.many(3, |dice| Check {
            red_ms: dice.any(&[0, 35, 120, u32::MAX]),
            red: dice.any(&[Red::Fail, Red::Panic, Red::Hang]),
        }),
    }
}

fn hook(dice: &mut Dice) -> Hook {
    Hook {
        after: dice.throw() as u16,
        takes_ms: dice.time(150, 1),
        does: dice.any(&[
            HookDoes::Ok,
            HookDoes::Ok,
            HookDoes::Fail,
            HookDoes::Panic,
            HookDoes::Hang,
            HookDoes::Block,
            HookDoes::Stop,
            HookDoes::Force,
            HookDoes::Register,
        ]),
        timeout_ms: dice.one_in(4).then(|| dice.time(150, 7)),
    }
}

fn worker(dice: &mut Dice) -> Worker {
    Worker {
        takes_ms: dice.time(400, 3),
        does: dice.any(&[
            WorkerDoes::HearDraining,
            WorkerDoes::HearCancelled,
            WorkerDoes::Ok,
            WorkerDoes::Fail,
            WorkerDoes::Panic,
            WorkerDoes::Hang,
            WorkerDoes::Stop,
            WorkerDoes::Force,
        ]),
    }
}

fn callback(dice: &mut Dice) -> Callback {
    Callback {
        on: dice.any(&[
            Moment::Start,
            Moment::Ready,
            Moment::Stopping,
            Moment::Error,
            Moment::Stop,
        ]),
        does: dice.any(&[
            CallbackDoes::Ok,
            CallbackDoes::Panic,
            CallbackDoes::Stop,
            CallbackDoes::Force,
            CallbackDoes::Drain,
            CallbackDoes::RegisterHook,
        ]),
    }
}

fn request(dice: &mut Dice) -> Request {
    Request {
        gap_ms: 1 + dice.time(60, 0),
        takes_ms: dice.time(300, 0),
        send_bytes: dice.any(&[0, 0, 100, 5000]),
        receive_bytes: dice.any(&[0, 10, 1000, 20_000]),
        does: dice.any(&[
            HandlerDoes::Answer,
            HandlerDoes::Answer,
            HandlerDoes::Answer,
            HandlerDoes::Answer,
            HandlerDoes::Answer,
            HandlerDoes::AnswerUnread,
            HandlerDoes::Panic,
            HandlerDoes::PanicInBody,
            HandlerDoes::Hang,
            HandlerDoes::Stop,
            HandlerDoes::Force,
            HandlerDoes::Drain,
            HandlerDoes::HearCancelled,
            HandlerDoes::Spawn { ms: 30 },
            HandlerDoes::Stream {
                every_ms: 17,
                hears: Hears::Draining,
            },
            HandlerDoes::Stream {
                every_ms: 17,
                hears: Hears::Cancelled,
            },
            HandlerDoes::Stream {
                every_ms: 17,
                hears: Hears::Nothing,
            },
        ]),
    }
}

fn client(dice: &mut Dice) -> Client {
    Client {
        gap_ms: 1 + dice.time(80, 0),
        does: does(dice),
        ..Client::default()
    }
}

fn does(dice: &mut Dice) -> ClientDoes {
    let hears = dice.any(&[Hears::Draining, Hears::Cancelled, Hears::Nothing]);
    match dice.below(18) {
        0..=2 => ClientDoes::Http1 {
            requests: dice.many(4, request),
        },
        3..=4 => ClientDoes::Http2 {
            requests: dice.many(4, request),
        },
        5 => ClientDoes::Grpc {
            calls: dice.many(3, request),
        },
        6 => ClientDoes::Watch,
        7 => ClientDoes::Websocket {
            messages: 4,
            every_ms: 1 + dice.below(90),
        },
        8 => ClientDoes::Events {
            every_ms: 1 + dice.below(60),
            hears,
        },
        9 => ClientDoes::Silent,
        10 => ClientDoes::HalfHead,
        11 => ClientDoes::HalfPreface,
        12 => ClientDoes::NoSettingsAck,
        13 => ClientDoes::NoPong,
        14 => ClientDoes::Idle {
            requests: dice.many(2, request),
        },
        15 => ClientDoes::SlowReader {
            bytes: 40_000,
            window: 4096,
            chunk: 1000,
            every_ms: 1 + dice.below(30),
        },
        16 => ClientDoes::SlowWriter {
            bytes: 5000,
            chunk: 500,
            every_ms: 1 + dice.below(60),
        },
        _ => {
            if dice.one_in(2) {
                ClientDoes::ResetMid {
                    bytes: 20_000,
                    after_bytes: 1 + dice.below(20_000),
                }
            } else {
                ClientDoes::Probe {
                    of: ProbeOf::Readiness,
                    every_ms: 5 + dice.below(65),
                }
            }
        }
    }
}

fn act(dice: &mut Dice, clients: u32) -> Act {
    let mut all = vec![
        ActDoes::Signal(Signal::Sigterm),
        ActDoes::Signal(Signal::Sigint),
        ActDoes::Stop,
        ActDoes::Force,
        ActDoes::Drain,
        ActDoes::RegisterHook,
        ActDoes::DropOwner,
        ActDoes::AcceptErrors {
            times: 2,
            error: AcceptFault::TooManyFiles,
        },
        ActDoes::AcceptErrors {
            times: 1,
            error: AcceptFault::Aborted,
        },
        ActDoes::AcceptErrors {
            times: 2,
            error: AcceptFault::OutOfMemory,
        },
        ActDoes::BreakListener,
    ];
    if clients > 0 {
        let client = u16::try_from(dice.below(clients)).unwrap();
        all.extend([
            ActDoes::Crash { client },
            ActDoes::Hold { client },
            ActDoes::Release { client },
            ActDoes::Partition { client },
        ]);
    }
    Act {
        gap_ms: 10 + dice.time(300, 0),
        does: dice.any(&all),
    }
}
