//! Where clients are looked at: the world in memory, whose lines take no time here.
//!
//! **Invariant:** every life is over, and its clients with it.

use lamplighter_sim::trace::Who;
use lamplighter_sim::{Entry, Memory, RunEnd, Scenario, World};

/// What was seen while the scenario ran.
pub(crate) fn life(scenario: &Scenario) -> Seen {
    let run = Memory::default().run(scenario, &mut ()).unwrap();
    assert_eq!(run.end, RunEnd::Done, "{}", run.text());
    Seen(run.trace)
}

/// What was seen.
pub(crate) struct Seen(Vec<Entry>);

impl Seen {
    /// What this client saw, without when.
    pub(crate) fn by(&self, client: u16) -> Vec<String> {
        let own = |entry: &&Entry| entry.who == Who::Client(client);
        let entries = self.0.iter().filter(own);
        entries.map(|entry| entry.what.to_string()).collect()
    }

    /// When this client saw this first, in milliseconds.
    pub(crate) fn when(&self, client: u16, what: &str) -> u128 {
        let entry = self
            .0
            .iter()
            .find(|entry| entry.who == Who::Client(client) && entry.what.to_string() == what);
        let entry = entry.unwrap_or_else(|| panic!("no {what} in {:#?}", self.by(client)));
        entry.at.as_millis()
    }
}
