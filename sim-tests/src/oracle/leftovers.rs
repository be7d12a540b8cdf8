//! Law 17: nothing of a server is left when its life is over, least of all after a failed start: no
//! listener, no task, and nobody was told that it was ready.
//!
//! **Invariant:** whether a listener is left is asked by those who dial.

use lamplighter::ServerEventKind;

use super::{End, Invariant};
use crate::scenario::{ClientDoes, HandlerDoes, HookDoes, Request, Scenario};
use crate::trace::{ClientSaw, Entry, WhatHappened, Who, WorkerSaw, WorldDid};
use crate::world::RunEnd;

/// Who has dialled a server that is gone.
#[derive(Debug)]
pub(super) struct Leftovers {
    over: bool,
    ready: bool,
    worked: bool,
    /// Of each client, whether it dialled after the end.
    late: Vec<bool>,
}

impl Leftovers {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            over: false,
            ready: false,
            worked: false,
            late: vec![false; scenario.clients.len()],
        }
    }
}

impl Invariant for Leftovers {
    fn name(&self) -> &'static str {
        "nothing left"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        match (&entry.what, entry.who) {
            (WhatHappened::World(WorldDid::Returned), _) => self.over = true,
            (WhatHappened::Server(event), _) => {
                self.ready |= event.kind == ServerEventKind::Ready;
            }
            (WhatHappened::Worker(WorkerSaw::Begun), _) => {
                self.worked = true;
                if self.over {
                    return Err("a worker begins, and the life is over".to_owned());
                }
            }
            (WhatHappened::Client(saw), Who::Client(client)) => {
                let Some(late) = self.late.get_mut(usize::from(client)) else {
                    return Ok(());
                };
                match saw {
                    ClientSaw::Dialled => *late = self.over,
                    ClientSaw::Connected if *late => {
                        return Err(format!("client {client} was let in, and the life is over"));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let Some(report) = &end.run.report else {
            return Ok(());
        };
        if report.outcome().start_failure.is_some() && (self.ready || self.worked) {
            return Err("a start that failed was ready, or had workers".to_owned());
        }
        if let (RunEnd::Done, Some(left)) = (end.run.end, end.run.tasks_left)
            && left > 0
            && !outlives(end.scenario)
        {
            return Err(format!("{left} tasks are left"));
        }
        Ok(())
    }
}

/// Whether something outlives the server that is not the server's: tasks that handlers have started,
/// and hooks that block a thread for longer than they may.
fn outlives(scenario: &Scenario) -> bool {
    let spawns = |request: &Request| matches!(request.does, HandlerDoes::Spawn { .. });
    let blocks = |hook: &crate::Hook| hook.does == HookDoes::Block;
    scenario.hooks.iter().any(blocks)
        || scenario.clients.iter().any(|client| match &client.does {
            ClientDoes::Http1 { requests }
            | ClientDoes::Http2 { requests }
            | ClientDoes::Idle { requests } => requests.iter().any(spawns),
            ClientDoes::Grpc { calls } => calls.iter().any(spawns),
            _ => false,
        })
}
