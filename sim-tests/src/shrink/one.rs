//! The steps that put one thing in the place of several.
//!
//! What a case needs is often something that lasts, and takes two things to say, such as a client and
//! the hold on its line: taking out either of them leaves nothing that lasts. One thing that lasts by
//! itself does as well.
//!
//! **Invariant:** every step here makes a case hold fewer things.

use super::whole::Gaps;
use crate::scenario::{Client, ClientDoes, HandlerDoes, Hook, HookDoes, Request, Scenario};

/// What one thing becomes of a client and all that befalls it.
#[derive(Clone, Copy)]
enum Lasts {
    /// A client whose request nobody answers.
    Request,
    /// A hook that does not return.
    Hook,
}

const LASTS: [Lasts; 2] = [Lasts::Request, Lasts::Hook];

/// How many ways there are.
pub(super) fn replacements(scenario: &Scenario) -> u32 {
    let befallen = befallen(scenario).count();
    u32::try_from(befallen * LASTS.len()).unwrap_or(u32::MAX)
}

/// The places of the clients that something befalls.
fn befallen(scenario: &Scenario) -> impl Iterator<Item = u16> {
    let clients = u16::try_from(scenario.clients.len()).unwrap_or(u16::MAX);
    (0..clients).filter(|client| {
        let mut acts = scenario.acts.iter();
        acts.any(|act| act.does.client() == Some(*client))
    })
}

impl Scenario {
    pub(super) fn replace(&mut self, step: u32) {
        let step = step as usize;
        let lasts = LASTS.get(step % LASTS.len());
        let client = befallen(self).nth(step / LASTS.len());
        let (Some(lasts), Some(client)) = (lasts, client) else {
            return;
        };
        let place = usize::from(client);
        match lasts {
            Lasts::Request => {
                self.remove_acts_about(place..place + 1);
                let hangs = Request {
                    does: HandlerDoes::Hang,
                    ..Request::default()
                };
                if let Some(client) = self.clients.get_mut(place) {
                    *client = Client {
                        gap_ms: client.gap_ms,
                        does: ClientDoes::Http1 {
                            requests: vec![hangs],
                        },
                        ..Client::default()
                    };
                }
            }
            Lasts::Hook => {
                self.remove_clients(place..place + 1, Gaps::Kept);
                self.hooks.push(Hook {
                    does: HookDoes::Hang,
                    ..Hook::default()
                });
            }
        }
    }
}
