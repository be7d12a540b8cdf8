//! A whole case as plain data: what the server is, who its clients are, and what befalls them.
//!
//! Times are gaps in milliseconds, each since the one before it, so that a case keeps its shape
//! while it shrinks. Things are known by their place in their list. Printed by `{:?}`, a scenario is
//! the Rust expression that makes it.
//!
//! **Invariant:** plain data; nothing here runs anything. **Invariant:** every value is allowed that
//! the types allow, but for what [`Scenario::check`] names.

mod act;
mod check;
mod client;
mod life;
pub(crate) mod paste;
mod plan;
mod request;

pub use act::{AcceptFault, Act, ActDoes};
pub use check::ScenarioError;
pub use client::{Client, ClientDoes, Home, ProbeOf};
pub use life::{
    Bind, Call, Callback, CallbackDoes, Check, Hook, HookDoes, Moment, Red, Start, Worker,
    WorkerDoes,
};
pub use plan::{Budget, Defences};
pub use request::{HandlerDoes, Hears, Request, RequestId};

pub(crate) use plan::millis;

use paste::paste_struct;

/// A whole case as plain data; see the module of the same name.
///
/// ```
/// use lamplighter::Signal;
/// use lamplighter_sim::{Act, ActDoes, Client, ClientDoes, Hook, Request, Scenario};
///
/// let scenario = Scenario {
///     hooks: vec![Hook { takes_ms: 20, ..Hook::default() }],
///     clients: vec![Client {
///         does: ClientDoes::Http1 { requests: vec![Request { takes_ms: 500, ..Request::default() }] },
///         ..Client::default()
///     }],
///     acts: vec![Act { gap_ms: 100, does: ActDoes::Signal(Signal::Sigterm) }],
///     ..Scenario::default()
/// };
/// assert_eq!(scenario.check(), Ok(()));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Scenario {
    /// What everything that is drawn by lot in a world is drawn from.
    pub seed: u64,
    /// The line between every client and the server.
    pub link: Link,
    /// The time budget of the server.
    pub plan: Budget,
    /// What the server defends itself with.
    pub defences: Defences,
    /// How the server is started.
    pub start: Start,
    /// The server's hooks; `h0` is the first.
    pub hooks: Vec<Hook>,
    /// The server's workers; `w0` is the first.
    pub workers: Vec<Worker>,
    /// The server's callbacks, in order of registration.
    pub callbacks: Vec<Callback>,
    /// The clients, each begun a gap after the one before it.
    pub clients: Vec<Client>,
    /// What befalls the server and its world, each a gap after the one before it.
    pub acts: Vec<Act>,
    /// From when the first client's gap and the first act's are counted.
    pub from: Origin,
}

paste_struct!(Scenario {
    seed,
    link,
    plan,
    defences,
    start,
    hooks,
    workers,
    callbacks,
    clients,
    acts,
    from,
});

/// A line: the same in both directions, in order, nothing lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// How long a byte travels. A connection takes twice that.
    pub latency_ms: u32,
    /// How many bytes each direction takes in before its reader has taken some out: those on their way
    /// and those that arrived unread.
    pub window_bytes: u32,
}

paste_struct!(Link {
    latency_ms,
    window_bytes
});

impl Default for Link {
    /// 1 ms and 64 KiB: what a line within one data centre has, rounded to what timers can tell apart.
    fn default() -> Self {
        Self {
            latency_ms: 1,
            window_bytes: 64 * 1024,
        }
    }
}

/// What times are counted from.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    /// The call of `start()`.
    Call,
    /// The server is ready. Where it never is, nobody comes and nothing happens.
    #[default]
    Ready,
}

paste::paste_enum!(Origin { Call, Ready });

impl Scenario {
    /// What the handler of this request is to do; `None` where the scenario has no such request.
    #[must_use]
    pub fn request(&self, id: RequestId) -> Option<Request> {
        self.clients
            .get(usize::from(id.client))?
            .does
            .request(id.request)
    }

    /// Whether anything in it keeps bytes or timers from being where they would be by themselves.
    #[must_use]
    pub fn disturbs(&self) -> bool {
        let disturbs = |act: &Act| {
            matches!(
                act.does,
                ActDoes::Hold { .. }
                    | ActDoes::Partition { .. }
                    | ActDoes::Jump { .. }
                    | ActDoes::Freeze { ms: 1.. }
            )
        };
        self.acts.iter().any(disturbs)
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::Signal;

    use super::*;

    #[test]
    fn a_scenario_prints_as_the_expression_that_makes_it() {
        let scenario = Scenario {
            seed: 7,
            plan: Budget {
                drain_ms: 500,
                ..Budget::default()
            },
            hooks: vec![Hook {
                does: HookDoes::Hang,
                timeout_ms: Some(3),
                ..Hook::default()
            }],
            acts: vec![
                Act::default(),
                Act {
                    gap_ms: 1,
                    does: ActDoes::Hold { client: 0 },
                },
            ],
            clients: vec![Client {
                gap_ms: 1,
                home: Home::Own,
                does: ClientDoes::Http2 {
                    requests: Vec::new(),
                },
            }],
            ..Scenario::default()
        };
        let expected = "\
Scenario {
    seed: 7,
    plan: Budget {
        drain_ms: 500,
        ..Budget::default()
    },
    hooks: vec![
        Hook {
            does: HookDoes::Hang,
            timeout_ms: Some(3),
            ..Hook::default()
        },
    ],
    clients: vec![
        Client {
            gap_ms: 1,
            home: Home::Own,
            does: ClientDoes::Http2 {
                requests: vec![],
            },
        },
    ],
    acts: vec![
        Act::default(),
        Act {
            gap_ms: 1,
            does: ActDoes::Hold {
                client: 0,
            },
        },
    ],
    ..Scenario::default()
}";
        assert_eq!(format!("{scenario:#?}"), expected);
        assert_eq!(
            format!("{:?}", scenario.acts),
            "[Act::default(), Act { gap_ms: 1, does: ActDoes::Hold { client: 0, }, }]"
        );
        let signal = ActDoes::Signal(Signal::Sighup);
        assert_eq!(format!("{signal:?}"), "ActDoes::Signal(Signal::Sighup)");
    }

    #[test]
    fn an_act_about_nobody_is_refused_with_its_numbers() {
        let mut scenario = Scenario {
            clients: vec![Client::default()],
            ..Scenario::default()
        };
        scenario.acts.push(Act {
            gap_ms: 0,
            does: ActDoes::Crash { client: 1 },
        });
        let error = scenario.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "act 0 is about client 1, and there are 1 clients"
        );
    }

    #[test]
    fn a_timeout_that_no_server_takes_is_refused_with_the_hook_that_has_it() {
        let refusal = |timeout_ms| {
            let timed = Hook {
                timeout_ms,
                ..Hook::default()
            };
            let scenario = Scenario {
                hooks: vec![Hook::default(), timed],
                ..Scenario::default()
            };
            scenario.check().err().map(|error| error.to_string())
        };
        let expected = "hook 1 has a timeout of 0 ms, and 1 to 2592000000 are allowed, or none";
        assert_eq!(refusal(Some(0)).as_deref(), Some(expected));
        let longest = lamplighter::Plan::MAX.as_millis() as u32;
        assert_eq!(refusal(Some(longest)), None);
        assert!(refusal(Some(longest + 1)).is_some());
        assert_eq!(refusal(Some(1)), None);
        assert_eq!(refusal(None), None);
    }
}
