//! Campaigns over a service of one's own.

use std::sync::atomic::{AtomicU64, Ordering};

use lamplighter::{Server, ServerEventKind};
use lamplighter_sim::strategy::{Swarm, Switch};
use lamplighter_sim::trace::{Note, WhatHappened, WorldDid};
use lamplighter_sim::{ActDoes, BoxError, Entry, Host, Invariant};

use crate::stage::{simulation, slow};

/// Acknowledges before it stores: what was asked is stored 50 ms later, by a task of nobody's.
async fn forgetful(host: &Host) -> Result<Server, BoxError> {
    let host = host.clone();
    let answer = async move || {
        host.note("acknowledged", 1);
        let host = host.clone();
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            host.note("stored", 1);
        });
        "done"
    };
    let route = axum::routing::get(answer);
    Ok(Server::new(axum::Router::new().route("/slow", route)))
}

/// What was acknowledged is stored when the server has stopped.
#[derive(Default)]
struct Stored {
    owed: u64,
}

impl Invariant for Stored {
    fn name(&self) -> &'static str {
        "what is acknowledged is stored"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let Some(Note { what, of }) = entry.note() {
            match what {
                "acknowledged" => self.owed += of,
                "stored" => self.owed -= of,
                _ => {}
            }
        }
        if entry.server() == Some(&ServerEventKind::Stop) && self.owed > 0 {
            return Err(format!("{} orders are lost", self.owed));
        }
        Ok(())
    }
}

#[test]
fn a_campaign_passes_a_service_that_keeps_its_laws() {
    let summary = simulation().campaign(0..150, slow).unwrap();
    assert_eq!(summary.cases, 150);
    assert!(summary.entries > 3_000, "{summary:?}");
}

#[test]
fn a_campaign_finds_a_bug_and_makes_the_case_small() {
    let simulation = simulation().invariant(Stored::default);
    let failure = simulation.campaign(0..1_000, forgetful).unwrap_err();
    assert_eq!(failure.violation.law, "what is acknowledged is stored");
    assert_eq!(failure.violation.what, "1 orders are lost");
    assert_eq!(failure.scenario.clients.len(), 1, "{failure}");
    assert_eq!(failure.scenario.acts.len(), 1, "{failure}");
    let text = format!("{failure:?}");
    let seed = failure.seed.unwrap();
    let test = "campaigns::a_campaign_finds_a_bug_and_makes_the_case_small";
    assert!(
        text.contains(&format!("SIM_SEED={seed} cargo test {test}\n")),
        "{text}"
    );
    assert!(text.contains("host#0        acknowledged 1"), "{text}");
    // The case that was printed fails alike, as it stands.
    let again = simulation.clone().case(failure.scenario).run(forgetful);
    assert_eq!(again.unwrap_err().violation, failure.violation);
}

#[test]
fn a_campaign_in_turmoil_draws_what_can_be_there() {
    let summary = simulation().in_turmoil().campaign(0..8, slow).unwrap();
    assert_eq!(summary.cases, 8);
}

#[test]
fn a_campaign_draws_no_fault_that_may_not_be() {
    struct Only;
    impl Invariant for Only {
        fn name(&self) -> &'static str {
            "only stops"
        }

        fn event(&mut self, entry: &Entry) -> Result<(), String> {
            if let WhatHappened::World(WorldDid::Act(act)) = entry.what
                && !matches!(act, ActDoes::Signal(_) | ActDoes::Stop)
            {
                return Err(format!("{act:?}"));
            }
            Ok(())
        }
    }
    let signals = Swarm::of([Switch::Signals, Switch::MoreSignals]);
    let only = simulation().invariant(|| Only);
    only.clone().faults(signals).campaign(0..100, slow).unwrap();
    let failure = only.campaign(0..100, slow).unwrap_err();
    assert_eq!(failure.violation.law, "only stops");
}

#[test]
fn a_service_whose_runs_differ_is_found() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    async fn dice(host: &Host) -> Result<Server, BoxError> {
        host.note("drew", RUNS.fetch_add(1, Ordering::Relaxed));
        slow(host).await
    }
    let failure = simulation().campaign(0..20, dice).unwrap_err();
    assert_eq!(failure.violation.law, "the same case gives the same trace");
    assert!(failure.violation.what.contains("drew"), "{failure}");
}
