//! What a sensible driver owes a machine: the answers to its effects (tests of floor 0).
//!
//! **Invariant:** every answer here was asked for; whether and when it is given is another's choice.

use lamplighter_lifecycle::{
    Announcement, ConnectionEnd, ConnectionId, Directive, Effect, HookEnd, HookId, Input, Protocol,
    StartFailure, Tally, WorkerEnd, WorkerId,
};

use crate::model::Moment;

/// An answer that is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    Announced(Announcement),
    Bound,
    Ready,
    StartEnded,
    ListenersClosed,
    ConnectionEnds(ConnectionId),
    WorkerEnds(WorkerId),
    HookEnds(HookId),
    Disposed,
    Undisposed,
    LingerEnds(ConnectionId),
}

/// The answers that are owed, and who is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) owed: Vec<Owed>,
    pub(crate) open: Vec<ConnectionId>,
    pub(crate) lingers: Vec<ConnectionId>,
}

impl Answers {
    /// Notes what a moment asks for.
    pub(crate) fn observe(&mut self, moment: &Moment) {
        match moment.input() {
            Some(Input::ConnectionOpened { connection, .. }) if !self.open.contains(connection) => {
                self.open.push(*connection);
            }
            Some(Input::LingerBegan { connection }) if !self.lingers.contains(connection) => {
                self.lingers.push(*connection);
                self.owe(Owed::LingerEnds(*connection));
            }
            Some(Input::LingerEnded { connection }) => {
                self.lingers.retain(|lingers| lingers != connection);
            }
            Some(Input::ConnectionClosed { connection, .. }) => {
                self.open.retain(|open| open != connection);
            }
            Some(Input::StartFailed(_) | Input::StartEnded) => {
                self.owed
                    .retain(|owed| !matches!(owed, Owed::Bound | Owed::Ready | Owed::StartEnded));
            }
            _ => {}
        }
        for effect in &moment.effects {
            match effect {
                Effect::Announce(announcement) => {
                    self.owed.push(Owed::Announced(announcement.clone()));
                }
                Effect::BeginStart => self.owe(Owed::Bound),
                Effect::CancelStart | Effect::DropStart => {
                    self.owed
                        .retain(|owed| !matches!(owed, Owed::Bound | Owed::Ready));
                    self.owe(Owed::StartEnded);
                }
                Effect::CloseListeners | Effect::DropListeners => {
                    self.owe(Owed::ListenersClosed);
                }
                Effect::StartWorker(worker) => self.owe(Owed::WorkerEnds(*worker)),
                Effect::Direct(Directive::Force) => {
                    for connection in self.open.clone() {
                        self.owe(Owed::ConnectionEnds(connection));
                    }
                }
                Effect::RunHook { hook, .. } | Effect::AbortHook(hook) => {
                    self.owe(Owed::HookEnds(*hook));
                }
                Effect::EndLinger => {
                    for connection in self.lingers.clone() {
                        self.owe(Owed::LingerEnds(connection));
                    }
                }
                Effect::Dispose { .. } => self.owe(Owed::Disposed),
                Effect::NameUndisposed => self.owe(Owed::Undisposed),
                _ => {}
            }
        }
    }

    fn owe(&mut self, owed: Owed) {
        if !self.owed.contains(&owed) {
            self.owed.push(owed);
        }
    }

    /// The next announcement whose callbacks have to run before anything else.
    pub(crate) fn next_announcement(&mut self) -> Option<Announcement> {
        let place = self
            .owed
            .iter()
            .position(|owed| matches!(owed, Owed::Announced(_)))?;
        match self.owed.remove(place) {
            Owed::Announced(announcement) => Some(announcement),
            _ => None,
        }
    }

    /// Gives the answer at `place`; how it turns out is up to `fate`.
    pub(crate) fn give(&mut self, place: usize, fate: u64) -> Option<Input> {
        if self.owed.is_empty() {
            return None;
        }
        let owed = self.owed.remove(place % self.owed.len());
        let failed = fate % 8;
        Some(match owed {
            Owed::Announced(announcement) => Input::Announced {
                announcement,
                panics: match failed {
                    0 => vec!["a callback".into()],
                    1 => vec!["a callback".into(), "another callback".into()],
                    _ => vec![],
                },
            },
            Owed::Bound if failed == 0 => {
                Input::StartFailed(StartFailure::Bind("address in use".into()))
            }
            Owed::Bound => {
                self.owed.push(Owed::Ready);
                Input::Bound
            }
            Owed::Ready if failed == 0 => {
                self.owed.push(Owed::Ready);
                Input::ChecksRed("database".into())
            }
            Owed::Ready => Input::Ready,
            Owed::StartEnded => Input::StartEnded,
            Owed::ListenersClosed => Input::ListenersClosed,
            Owed::ConnectionEnds(connection) => Input::ConnectionClosed {
                connection,
                protocol: Protocol::Http1,
                end: ConnectionEnd::ALL[usize::try_from(fate % 8).unwrap_or(0)],
                tally: Tally::default(),
                cut: vec![],
            },
            Owed::WorkerEnds(worker) => Input::WorkerEnded {
                worker,
                end: match failed {
                    0 => WorkerEnd::Failed("broken".into()),
                    1 => WorkerEnd::Panicked("shaken".into()),
                    2 => WorkerEnd::Aborted,
                    _ => WorkerEnd::Ok,
                },
            },
            Owed::HookEnds(hook) => Input::HookEnded {
                hook,
                end: match failed {
                    0 => HookEnd::Failed("broken".into()),
                    1 => HookEnd::Panicked("shaken".into()),
                    2 => HookEnd::Aborted,
                    _ => HookEnd::Ok,
                },
            },
            Owed::Disposed => Input::Disposed,
            Owed::Undisposed if failed == 0 => Input::Undisposed([].into()),
            Owed::Undisposed => Input::Undisposed(["start".into()].into()),
            Owed::LingerEnds(connection) => Input::LingerEnded { connection },
        })
    }
}
