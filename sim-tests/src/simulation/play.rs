//! Carries one case of a simulation out, and judges it.
//!
//! **Invariant:** a panic of a service or of a visitor is a verdict, not the end of the campaign.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::AtomicU16;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use lamplighter::{ChannelSignals, Network};

use super::judge::Judge;
use super::{Broken, Host, Place, Shared, Simulation, Visit, impossible};
use crate::client;
use crate::host::Dial;
use crate::oracle::Violation;
use crate::scenario::{Call, Client, ClientDoes, Scenario, ScenarioError, Start};
use crate::trace::Trace;
use crate::world::cast::{Cast, Opened, Opening, Ways};
use crate::world::{Memory, Run, RunEnd, Turmoil};

impl Simulation {
    /// Runs a case, and judges it.
    pub(super) fn played(&self, case: &Scenario, service: &Shared) -> Result<Run, Broken> {
        let scenario = Scenario {
            // As production is called; the rest of what it says of a server is the service's own.
            start: Start {
                call: Call::Run,
                ..Start::default()
            },
            ..case.clone()
        };
        let laws = self.laws.iter().map(|law| law()).collect();
        let mut judge = Judge::new(&scenario, self.names.len(), laws);
        let cast = Own {
            names: self.names.clone().into(),
            services: std::iter::once(service)
                .chain(&self.others)
                .cloned()
                .collect(),
        };
        let panicked = Panicked::default();
        let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
            self.carried_out(&scenario, &mut judge, &cast, &panicked)
        }));
        let run = match caught {
            Ok(Ok(run)) => run,
            Ok(Err(error)) => return Err((impossible(error.to_string()), Vec::new())),
            Err(panic) => {
                panicked.by("the service", panic.as_ref());
                Run::new(Vec::new(), None, RunEnd::Broken)
            }
        };
        let panicked = panicked.take().map(|what| Violation {
            law: "nobody panics".to_owned(),
            what,
            at: None,
        });
        match panicked.or_else(|| judge.judge(&scenario, &run)) {
            Some(violation) => Err((violation, run.trace)),
            None => Ok(run),
        }
    }

    fn carried_out(
        &self,
        scenario: &Scenario,
        judge: &mut Judge,
        cast: &Own,
        panicked: &Panicked,
    ) -> Result<Run, ScenarioError> {
        match self.place {
            Place::Memory => {
                let comes = |number, client: Client, dial, trace| {
                    self.comes(number, client, dial, trace, cast, panicked)
                };
                Memory::default().run_cast(scenario, judge, cast, comes)
            }
            Place::Turmoil => {
                let comes = |number, client: Client, dial, trace| {
                    self.comes(number, client, dial, trace, cast, panicked)
                };
                Turmoil::default().run_cast(scenario, judge, cast, comes)
            }
        }
    }

    /// What a client does.
    fn comes<D: Dial>(
        &self,
        number: u16,
        client: Client,
        dial: D,
        trace: Trace,
        cast: &Own,
        panicked: &Panicked,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let ClientDoes::Own { visitor } = client.does else {
            return Box::pin(client::run(number, client, dial, trace));
        };
        let Some((name, visitor)) = self.visitors.get(usize::from(visitor)).cloned() else {
            return Box::pin(async {});
        };
        let visit = visitor(Visit {
            client: number,
            names: Arc::clone(&cast.names),
            trace,
            ways: Ways::new(dial),
            asked: AtomicU16::new(0),
        });
        let panicked = panicked.clone();
        Box::pin(async move {
            if let Err(panic) = AssertUnwindSafe(visit).catch_unwind().await {
                panicked.by(&name, panic.as_ref());
            }
        })
    }
}

/// The services of a simulation, by their hosts.
#[derive(Clone)]
struct Own {
    names: Arc<[String]>,
    services: Vec<Shared>,
}

impl Cast for Own {
    fn hosts(&self) -> u16 {
        u16::try_from(self.services.len()).unwrap_or(u16::MAX)
    }

    fn open(&self, stage: Opening<'_>, network: impl Network, signals: ChannelSignals) -> Opened {
        let host = Host {
            number: stage.host,
            names: Arc::clone(&self.names),
            seed: stage.scenario.seed,
            trace: stage.trace.clone(),
            ways: stage.ways,
        };
        let trace = stage.trace.clone();
        let is_first = stage.host == 0;
        let made = self
            .services
            .get(usize::from(stage.host))
            .map(|it| it(host));
        Opened::Making(Box::pin(async move {
            let made = made.ok_or("there is no such host")?.await?;
            let server = made.network(network).signal_source(signals);
            if is_first {
                trace.follow(server.events());
            }
            Ok(server)
        }))
    }
}

/// The first panic of a run.
#[derive(Clone, Debug, Default)]
struct Panicked(Arc<Mutex<Option<String>>>);

impl Panicked {
    fn by(&self, who: &str, panic: &(dyn std::any::Any + Send)) {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "a panic that says nothing".to_owned());
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(format!("{who}: {text}"));
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
