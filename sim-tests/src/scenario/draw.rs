//! Scenarios drawn by lot: a seed says which.
//!
//! Each seed first draws what may happen at all (so that rare things meet each other often), and how
//! long things take (so that they meet in every phase); then the scenario itself.
//!
//! **Invariant:** the same seed draws the same scenario, on every machine.

mod lot;

use lamplighter::{LameDuckReadiness, OnDeadline, Signal, WhileDraining};

use super::{
    AcceptFault, Act, ActDoes, Bind, Budget, Call, Callback, CallbackDoes, Check, Client,
    ClientDoes, HandlerDoes, Hears, Hook, HookDoes, Link, Moment, Origin, ProbeOf, Red, Request,
    Scenario, Start, Worker, WorkerDoes,
};

use lot::{Lot, Swarm};

impl Scenario {
    /// The scenario of this seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Lot::new(seed).scenario()
    }
}

impl Lot {
    fn scenario(mut self) -> Scenario {
        let clients = self.list(5, Self::client);
        let many = u16::try_from(clients.len()).unwrap_or(u16::MAX);
        let mut acts = self.list(5, |lot| lot.act(many));
        if self.below(8) > 0 {
            acts.push(Act {
                gap_ms: self.time(),
                does: ActDoes::default(),
            });
        }
        Scenario {
            seed: self.seed,
            link: Link {
                latency_ms: self.pick(&[1, 0, 3, 40]).unwrap_or(1),
                window_bytes: self.pick(&[65_536, 4_096, 512]).unwrap_or(65_536),
            },
            plan: self.plan(),
            start: self.start(),
            hooks: self.list(5, Self::hook),
            workers: if self.may(Swarm::Workers) {
                self.list(3, Self::worker)
            } else {
                Vec::new()
            },
            callbacks: if self.may(Swarm::Callbacks) {
                self.list(3, Self::callback)
            } else {
                Vec::new()
            },
            from: if self.one_in(4) {
                Origin::Call
            } else {
                Origin::Ready
            },
            clients,
            acts,
            ..Scenario::default()
        }
    }

    fn plan(&mut self) -> Budget {
        let mut plan = Budget::default();
        if self.may(Swarm::LameDuck) {
            plan.lame_duck_ms = self.time();
            if self.one_in(2) {
                plan.lame_duck_readiness = LameDuckReadiness::Held;
            }
        }
        if self.one_in(2) {
            plan.drain_ms = self.time();
        }
        if self.one_in(3) {
            plan.hooks_ms = self.time().max(1);
        }
        if self.one_in(4) {
            plan.margin_ms = self.time();
        }
        if self.one_in(4) {
            plan.cancel_lead_ms = self.time();
        }
        if self.may(Swarm::Spread) {
            plan.drain_spread_ms = self.time().min(plan.drain_ms / 2);
        }
        if self.may(Swarm::Waits) && self.one_in(2) {
            plan.on_deadline = OnDeadline::KeepWaiting;
        }
        if self.one_in(4) {
            plan.while_draining = WhileDraining::Reject;
        }
        plan
    }

    fn start(&mut self) -> Start {
        let call = self
            .pick(&[
                Call::Start,
                Call::Start,
                Call::Start,
                Call::Run,
                Call::Run,
                Call::StopThenStart,
                Call::Stop,
            ])
            .unwrap_or_default();
        let mut start = Start {
            call,
            ..Start::default()
        };
        if self.may(Swarm::StartFaults) && self.one_in(2) {
            start.bind = match self.below(5) {
                0 => Bind::InUse,
                1 => Bind::Hang,
                2 => Bind::Late { ms: self.time() },
                _ => Bind::Ok,
            };
            start.checks = self.list(3, |lot| Check {
                red_ms: if lot.one_in(8) { u32::MAX } else { lot.time() },
                red: lot
                    .pick(&[Red::Fail, Red::Panic, Red::Hang])
                    .unwrap_or_default(),
            });
        }
        start
    }

    fn hook(&mut self) -> Hook {
        let does = if self.may(Swarm::HookFaults) {
            self.pick(&[
                HookDoes::Ok,
                HookDoes::Fail,
                HookDoes::Panic,
                HookDoes::Hang,
                HookDoes::Block,
                HookDoes::Stop,
                HookDoes::Force,
                HookDoes::Register,
            ])
        } else {
            None
        };
        Hook {
            after: u16::try_from(self.next() & self.next() & 0xffff).unwrap_or_default(),
            takes_ms: self.time(),
            does: does.unwrap_or_default(),
            timeout_ms: None,
        }
    }

    fn worker(&mut self) -> Worker {
        let does = self.pick(&[
            WorkerDoes::HearDraining,
            WorkerDoes::HearCancelled,
            WorkerDoes::Ok,
            WorkerDoes::Fail,
            WorkerDoes::Panic,
            WorkerDoes::Hang,
            WorkerDoes::Stop,
            WorkerDoes::Force,
        ]);
        Worker {
            takes_ms: self.time(),
            does: does.unwrap_or_default(),
        }
    }

    fn callback(&mut self) -> Callback {
        let on = self.pick(&[
            Moment::Start,
            Moment::Ready,
            Moment::Stopping,
            Moment::Error,
            Moment::Stop,
        ]);
        let does = self.pick(&[
            CallbackDoes::Panic,
            CallbackDoes::Stop,
            CallbackDoes::Force,
            CallbackDoes::Drain,
            CallbackDoes::RegisterHook,
        ]);
        Callback {
            on: on.unwrap_or_default(),
            does: does.unwrap_or_default(),
        }
    }

    fn request(&mut self) -> Request {
        let mut does = HandlerDoes::Answer;
        if self.may(Swarm::HandlerFaults) && self.one_in(3) {
            let faults = [
                HandlerDoes::Panic,
                HandlerDoes::PanicInBody,
                HandlerDoes::Hang,
                HandlerDoes::HearCancelled,
                HandlerDoes::AnswerUnread,
                HandlerDoes::Spawn { ms: self.time() },
            ];
            does = self.pick(&faults).unwrap_or_default();
        } else if self.may(Swarm::HandlerCalls) && self.one_in(6) {
            let calls = [HandlerDoes::Stop, HandlerDoes::Force, HandlerDoes::Drain];
            does = self.pick(&calls).unwrap_or_default();
        } else if self.may(Swarm::Streams) && self.one_in(3) {
            does = HandlerDoes::Stream {
                every_ms: self.time().max(self.scale_ms / 10 + 1),
                hears: self.hears(),
            };
        }
        let sizes = [0, 0, 10, 700, 9_000, 40_000];
        Request {
            gap_ms: self.time(),
            takes_ms: self.time(),
            send_bytes: self.pick(&sizes).unwrap_or_default(),
            receive_bytes: self.pick(&sizes).unwrap_or_default(),
            does,
        }
    }

    fn hears(&mut self) -> Hears {
        let hears = [Hears::Draining, Hears::Cancelled, Hears::Nothing];
        self.pick(&hears).unwrap_or_default()
    }

    fn client(&mut self) -> Client {
        Client {
            gap_ms: self.time(),
            does: self.client_does(),
            ..Client::default()
        }
    }

    fn client_does(&mut self) -> ClientDoes {
        let kind = self.below(8);
        if kind == 0 && self.may(Swarm::Http2) {
            let requests = self.list(4, Self::request);
            return ClientDoes::Http2 { requests };
        }
        if kind == 1 && self.may(Swarm::Grpc) {
            if self.one_in(3) {
                return ClientDoes::Watch;
            }
            let calls = self.list(4, Self::request);
            return ClientDoes::Grpc { calls };
        }
        if kind == 2 && self.may(Swarm::Probes) {
            return ClientDoes::Probe {
                of: self
                    .pick(&[ProbeOf::Readiness, ProbeOf::Liveness])
                    .unwrap_or_default(),
                every_ms: self.scale_ms / 4 + 1,
            };
        }
        if kind == 3 && self.may(Swarm::Streams) {
            let every_ms = self.scale_ms / 8 + 1;
            return if self.one_in(2) {
                ClientDoes::Websocket {
                    messages: 5,
                    every_ms,
                }
            } else {
                ClientDoes::Events {
                    every_ms,
                    hears: self.hears(),
                }
            };
        }
        if kind <= 5 && self.may(Swarm::BadClients) {
            return self.bad_client();
        }
        if kind == 6 {
            let requests = self.list(2, Self::request);
            return ClientDoes::Idle { requests };
        }
        let requests = self.list(4, Self::request);
        ClientDoes::Http1 { requests }
    }

    fn bad_client(&mut self) -> ClientDoes {
        let every_ms = self.time().max(1);
        let bad = [
            ClientDoes::Silent,
            ClientDoes::HalfHead,
            ClientDoes::HalfPreface,
            ClientDoes::NoSettingsAck,
            ClientDoes::NoPong,
            ClientDoes::SlowReader {
                bytes: 30_000,
                window: 2_000,
                chunk: 700,
                every_ms,
            },
            ClientDoes::SlowWriter {
                bytes: 2_000,
                chunk: 300,
                every_ms,
            },
            ClientDoes::ResetMid {
                bytes: 10_000,
                after_bytes: 1_000,
            },
        ];
        let drawn = self.below(8) as usize;
        bad.into_iter().nth(drawn).unwrap_or_default()
    }

    fn act(&mut self, clients: u16) -> Act {
        Act {
            gap_ms: self.time(),
            does: self.act_does(clients),
        }
    }

    fn act_does(&mut self, clients: u16) -> ActDoes {
        let client = u16::try_from(self.below(u32::from(clients.max(1)))).unwrap_or_default();
        match self.below(8) {
            0 | 1 if self.may(Swarm::Calls) => self
                .pick(&[
                    ActDoes::Stop,
                    ActDoes::Force,
                    ActDoes::Drain,
                    ActDoes::DropOwner,
                    ActDoes::RegisterHook,
                ])
                .unwrap_or_default(),
            2 | 3 if self.may(Swarm::Network) && clients > 0 => self
                .pick(&[
                    ActDoes::Hold { client },
                    ActDoes::Hold { client },
                    ActDoes::Release { client },
                    ActDoes::Partition { client },
                    ActDoes::Crash { client },
                ])
                .unwrap_or_default(),
            4 if self.may(Swarm::Accept) => {
                if self.one_in(4) {
                    return ActDoes::BreakListener;
                }
                let faults = [
                    AcceptFault::TooManyFiles,
                    AcceptFault::Aborted,
                    AcceptFault::OutOfMemory,
                ];
                ActDoes::AcceptErrors {
                    times: u16::try_from(self.below(4)).unwrap_or_default(),
                    error: self.pick(&faults).unwrap_or(AcceptFault::Aborted),
                }
            }
            5 if self.may(Swarm::Freeze) => ActDoes::Freeze { ms: self.time() },
            _ if self.may(Swarm::Signals) => {
                let signals = [Signal::Sigterm, Signal::Sigterm, Signal::Sigint];
                ActDoes::Signal(self.pick(&signals).unwrap_or(Signal::Sigterm))
            }
            _ => ActDoes::RegisterHook,
        }
    }
}
