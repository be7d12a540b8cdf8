//! What a race is about, as numbers, and as the case that they make.
//!
//! **Invariant:** of what races, the one comes a millisecond before the other, with it, or after it, and
//! nothing else comes near.

use lamplighter::Signal;
use lamplighter_sim::{
    Act, ActDoes, Budget, Client, ClientDoes, HandlerDoes, Hook, Link, Request, Scenario,
};
use proptest::prelude::Just;
use proptest::prop_oneof;
use proptest::strategy::Strategy;

/// Everything that a race may be about, in milliseconds since Ready. The request is there from the
/// beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) lame_duck: u32,
    pub(crate) drain: u32,
    pub(crate) cancel_lead: u32,
    pub(crate) hooks: u32,
    /// How long the handler takes; whether it waits then until it hears that time is up.
    pub(crate) takes: u32,
    pub(crate) hears: bool,
    /// How long the hook takes, and how long it may.
    pub(crate) hook: u32,
    pub(crate) hook_may: Option<u32>,
    /// The first signal; the second and the third, each after the one before it.
    pub(crate) first: u32,
    pub(crate) second: Option<u32>,
    pub(crate) third: Option<u32>,
    pub(crate) speaks: Speaks,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Speaks {
    Http1,
    Http2,
    Grpc,
}

/// What races what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Race {
    AnswerAndDeadline,
    AnswerAndCancel,
    HearingAndDeadline,
    AnswerAndForce,
    SecondAndFirst,
    SecondAndLameDuck,
    SecondAndAnswer,
    SecondAndCancel,
    SecondAndDeadline,
    SecondAndHook,
    ThirdAndForce,
    ThirdAndAnswer,
    ThirdAndHook,
    HookAndTimeout,
    HookAndWindow,
}

impl Race {
    pub(crate) const ALL: [Self; 15] = [
        Self::AnswerAndDeadline,
        Self::AnswerAndCancel,
        Self::HearingAndDeadline,
        Self::AnswerAndForce,
        Self::SecondAndFirst,
        Self::SecondAndLameDuck,
        Self::SecondAndAnswer,
        Self::SecondAndCancel,
        Self::SecondAndDeadline,
        Self::SecondAndHook,
        Self::ThirdAndForce,
        Self::ThirdAndAnswer,
        Self::ThirdAndHook,
        Self::HookAndTimeout,
        Self::HookAndWindow,
    ];

    /// These numbers, changed so that one side comes `side` milliseconds after the other.
    pub(crate) fn set(self, side: i32, mut n: Numbers) -> Numbers {
        let beside = |at: u32| at.checked_add_signed(side).unwrap();
        let lame_duck_ends = n.first + n.lame_duck;
        let deadline = lame_duck_ends + n.drain;
        let lead = n.cancel_lead.min(n.drain / 10);
        // For those about signals: the second counts, and the request outlives all but what ends it.
        let second = 301;
        (n.second, n.third) = (None, None);
        match self {
            Self::AnswerAndDeadline => n.takes = beside(deadline),
            Self::AnswerAndCancel => n.takes = beside(deadline - lead),
            Self::HearingAndDeadline => (n.takes, n.hears) = (beside(deadline), true),
            Self::AnswerAndForce => {
                n.second = Some(second);
                n.takes = beside(n.first + second + lead);
            }
            Self::SecondAndFirst => n.second = Some(beside(300)),
            Self::SecondAndLameDuck => {
                n.lame_duck = n.lame_duck.max(second + 1);
                n.second = Some(beside(n.lame_duck));
            }
            Self::SecondAndAnswer => {
                n.second = Some(second.max(n.takes));
                n.takes = beside(n.first + second.max(n.takes));
            }
            Self::SecondAndCancel => n.second = Some(beside(n.lame_duck + n.drain - lead)),
            Self::SecondAndDeadline => n.second = Some(beside(n.lame_duck + n.drain)),
            Self::SecondAndHook => {
                (n.takes, n.hook, n.hook_may) = (0, n.hook.max(second + 1), None);
                n.hooks = n.hooks.max(n.hook + 2);
                n.second = Some(beside(n.lame_duck + n.hook));
            }
            Self::ThirdAndForce => {
                (n.cancel_lead, n.drain) = (second + 1, 10 * (second + 1));
                n.second = Some(second);
                n.third = Some(beside(second + 1));
            }
            Self::ThirdAndAnswer => {
                (n.cancel_lead, n.drain) = (2 * second, 20 * second);
                n.second = Some(second);
                n.third = Some(second);
                n.takes = beside(n.first + 2 * second);
            }
            Self::ThirdAndHook => {
                // Nothing is left for the second to force, and the hook goes on for long enough.
                (n.takes, n.hook, n.hook_may) = (0, n.hook.max(2 * second + 2), None);
                n.hooks = n.hooks.max(n.hook + 2);
                n.second = Some(n.lame_duck + second);
                n.third = Some(beside(n.hook - second));
            }
            Self::HookAndTimeout => {
                n.takes = 0;
                let may = n.hook.max(2);
                n.hooks = n.hooks.max(may + 2);
                n.hook_may = Some(may);
                n.hook = beside(may);
            }
            Self::HookAndWindow => {
                (n.takes, n.hook_may) = (0, None);
                n.hook = beside(n.hooks);
            }
        }
        n
    }
}

/// A tenth of the drain is a whole number of milliseconds: timers know no others.
pub(crate) fn numbers() -> impl Strategy<Value = Numbers> {
    let speaks = prop_oneof![Just(Speaks::Http1), Just(Speaks::Http2), Just(Speaks::Grpc)];
    let plan = (0..2_u32, 0..900_u32, 31..400_u32, 0..500_u32, 2..2_000_u32).prop_map(
        |(has, lame_duck, drain, lead, hooks)| (has * lame_duck, 10 * drain, lead, hooks),
    );
    let work = (0..20_000_u32, 0..3_u32).prop_map(|(takes, hears)| (takes, hears == 0));
    let hook = (0..1_000_u32, proptest::option::of(1..2_000_u32));
    (plan, work, hook, 1..500_u32, speaks).prop_map(
        |((lame_duck, drain, cancel_lead, hooks), (takes, hears), (hook, may), first, speaks)| {
            Numbers {
                lame_duck,
                drain,
                cancel_lead,
                hooks,
                takes,
                hears,
                hook,
                hook_may: may.map(|may| may.min(hooks)),
                first,
                second: None,
                third: None,
                speaks,
            }
        },
    )
}

impl Numbers {
    pub(crate) fn scenario(&self) -> Scenario {
        let requests = vec![Request {
            takes_ms: self.takes,
            does: if self.hears {
                HandlerDoes::HearCancelled
            } else {
                HandlerDoes::Answer
            },
            ..Request::default()
        }];
        let signals = [Some(self.first), self.second, self.third];
        let signal = |gap_ms| Act {
            gap_ms,
            does: ActDoes::Signal(Signal::Sigterm),
        };
        Scenario {
            // Whatever is sent is there in the same instant.
            link: Link {
                latency_ms: 0,
                ..Link::default()
            },
            plan: Budget {
                lame_duck_ms: self.lame_duck,
                drain_ms: self.drain,
                cancel_lead_ms: self.cancel_lead,
                hooks_ms: self.hooks,
                ..Budget::default()
            },
            hooks: vec![Hook {
                takes_ms: self.hook,
                timeout_ms: self.hook_may,
                ..Hook::default()
            }],
            clients: vec![Client {
                does: match self.speaks {
                    Speaks::Http1 => ClientDoes::Http1 { requests },
                    Speaks::Http2 => ClientDoes::Http2 { requests },
                    Speaks::Grpc => ClientDoes::Grpc { calls: requests },
                },
                ..Client::default()
            }],
            acts: signals.into_iter().flatten().map(signal).collect(),
            ..Scenario::default()
        }
    }
}
