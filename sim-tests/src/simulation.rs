//! A simulation of a service of one's own: its hosts, its visitors, its laws, and what befalls it.
//!
//! A [`Service`] is the code that makes the server of production. A *visitor* is a client of one's own;
//! an [`Invariant`] is a law of one's own, beside those that hold for every server. One case is written
//! by hand and [run](Simulation::run); a [campaign](Simulation::campaign) draws many by lot, and makes
//! the first one that fails as small as it can be.
//!
//! # A bug, found and fixed
//!
//! A service looks orders up in a pool of connections. Somebody has thought of its end: a worker hears
//! that the server drains, and closes the pool.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use std::time::Duration;
//!
//! use axum::{Router, extract::State, http::StatusCode, routing::get};
//! use bytes::Bytes;
//! use http::Request;
//! use lamplighter::{Hook, Server, ShutdownSignal};
//! use lamplighter_sim::trace::{ClientSaw, WhatHappened};
//! use lamplighter_sim::{BoxError, Entry, Host, Invariant, Visit, scenario};
//!
//! #[derive(Clone, Default)]
//! struct Pool {
//!     closed: Arc<AtomicBool>,
//! }
//!
//! impl Pool {
//!     async fn order(&self) -> Result<&'static str, StatusCode> {
//!         tokio::time::sleep(Duration::from_millis(20)).await;
//!         match self.closed.load(Ordering::Relaxed) {
//!             false => Ok("one lamp"),
//!             true => Err(StatusCode::INTERNAL_SERVER_ERROR),
//!         }
//!     }
//!
//!     fn close(&self) {
//!         self.closed.store(true, Ordering::Relaxed);
//!     }
//! }
//!
//! fn router(pool: &Pool) -> Router {
//!     let order = async |State(pool): State<Pool>| pool.order().await;
//!     Router::new().route("/order", get(order)).with_state(pool.clone())
//! }
//!
//! async fn hasty(_: &Host) -> Result<Server, BoxError> {
//!     let pool = Pool::default();
//!     let server = Server::new(router(&pool));
//!     server.worker("pool", async move |signal: ShutdownSignal| {
//!         signal.draining().await;
//!         pool.close();
//!     })?;
//!     Ok(server)
//! }
//!
//! // What its clients do, and what must hold for them whatever happens: no answer is an error of ours.
//! async fn buyer(visit: Visit) {
//!     let request = Request::get("/order").header("host", "orders").body(Bytes::new());
//!     // Whether there is an answer depends on the network; the law is about the answers.
//!     let _ = visit.ask(request.unwrap()).await;
//! }
//!
//! struct NoErrors;
//!
//! impl Invariant for NoErrors {
//!     fn name(&self) -> &str {
//!         "no answer is an error"
//!     }
//!
//!     fn event(&mut self, entry: &Entry) -> Result<(), String> {
//!         match entry.what {
//!             WhatHappened::Client(ClientSaw::Answered { status: 500, .. }) => {
//!                 Err(format!("{} got a 500", entry.who))
//!             }
//!             _ => Ok(()),
//!         }
//!     }
//! }
//!
//! let orders = scenario().visitor("buyer", buyer).invariant(|| NoErrors);
//! let failure = orders.campaign(0..200, hasty).unwrap_err();
//!
//! // Of all that was drawn, the smallest case that fails alike is left: one buyer, who has asked when
//! // the server is told to stop.
//! assert_eq!(failure.violation.law, "no answer is an error");
//! assert_eq!(failure.scenario.clients.len(), 1, "{failure}");
//! assert_eq!(failure.scenario.acts.len(), 1, "{failure}");
//! println!("{failure}"); // the case to paste, what happened in it, the command that replays it
//!
//! // Work in flight still needs the pool while the server drains. A hook runs when there is none left.
//! async fn patient(_: &Host) -> Result<Server, BoxError> {
//!     let pool = Pool::default();
//!     let server = Server::new(router(&pool));
//!     server.hook(Hook::named("pool", async move || pool.close()))?;
//!     Ok(server)
//! }
//!
//! let summary = orders.campaign(0..200, patient).unwrap();
//! assert_eq!(summary.cases, 200);
//! // The case that found it, kept as a test.
//! orders.case(failure.scenario).run(patient).unwrap();
//! ```
//!
//! What the simulated world is made of, and what it is not, is said at the [top](crate).
//!
//! **Invariant:** nothing of a service has to be changed for it: it is made as `main` makes it.

mod campaign;
mod coming;
mod failure;
mod host;
mod judge;
mod line;
mod play;
mod visit;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lamplighter::{Server, Signal};

pub use campaign::Summary;
pub use coming::Coming;
pub use failure::Failure;
pub use host::{Host, Service};
pub use line::Line;
pub use visit::{AskError, Conversation, Visit};

use self::visit::Visitor;
use crate::oracle::{Invariant, Violation};
use crate::scenario::{ActDoes, Link, Origin, Scenario};
use crate::strategy::Swarm;
use crate::trace::Entry;
use crate::world::Run;
use crate::world::cast::BoxError;

/// A simulation of a service: what a case of it is, and how it is judged.
///
/// Made by [`scenario`]; every setting takes it and gives it back.
#[derive(Clone)]
pub struct Simulation {
    case: Scenario,
    comes: Vec<(Duration, Coming)>,
    befalls: Vec<(Duration, ActDoes)>,
    /// The first one is the service itself.
    names: Vec<String>,
    others: Vec<Shared>,
    visitors: Vec<(String, Visitor)>,
    laws: Vec<Rc<dyn Fn() -> Box<dyn Invariant>>>,
    faults: Swarm,
    place: Place,
}

/// Where it is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Memory,
    Turmoil,
}

/// A service, whatever its type.
pub(crate) type Shared =
    Rc<dyn Fn(Host) -> Pin<Box<dyn Future<Output = Result<Server, BoxError>>>>>;

fn shared(service: impl Service + 'static) -> Shared {
    let service = Rc::new(service);
    Rc::new(move |host| {
        let service = Rc::clone(&service);
        Box::pin(async move { service.build(&host).await })
    })
}

/// A simulation of a service of one's own, in which nobody comes and nothing happens yet.
///
/// The line between two hosts takes 1 ms and 64 KiB; whoever is not stopped by the case is sent SIGTERM
/// by the world, a minute and a budget after the last thing of the case.
#[must_use]
pub fn scenario() -> Simulation {
    Simulation {
        case: Scenario::default(),
        comes: Vec::new(),
        befalls: Vec::new(),
        names: vec!["service".to_owned()],
        others: Vec::new(),
        visitors: Vec::new(),
        laws: Vec::new(),
        faults: Swarm::ALL,
        place: Place::Memory,
    }
}

impl Simulation {
    /// What the world and the service draw by lot is drawn from this; 0 unless told.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.case.seed = seed;
        self
    }

    /// The line between any two hosts of the case that is told; a campaign draws its own.
    #[must_use]
    pub const fn link(mut self, link: Link) -> Self {
        self.case.link = link;
        self
    }

    /// Counts all times from here; from when the service is ready, unless told.
    #[must_use]
    pub const fn from(mut self, origin: Origin) -> Self {
        self.case.from = origin;
        self
    }

    /// One host more, on which this service runs: something that the simulated one depends on. It is
    /// ready before the service is made, and stopped when the service is over; signals and calls of the
    /// case are not for it. The service reaches it by [`Host::dial`], visitors by
    /// [`Visit::connect_to`].
    #[must_use]
    pub fn host(mut self, name: impl Into<String>, service: impl Service + 'static) -> Self {
        self.names.push(name.into());
        self.others.push(shared(service));
        self
    }

    /// A kind of client, known by this name: `visit` is called for each that comes. A visitor that
    /// panics, as by a failed assertion, fails the case.
    #[must_use]
    pub fn visitor<F, Fut>(mut self, name: impl Into<String>, visit: F) -> Self
    where
        F: Fn(Visit) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let visit: Visitor = Arc::new(move |it| Box::pin(visit(it)));
        self.visitors.push((name.into(), visit));
        self
    }

    /// A law of one's own, made anew for each run, beside those that hold for every server: a life goes
    /// forward and ends once, within its budget; every connection ends once, and every request is
    /// accounted for; whoever is told that time is up was asked to finish first; the report adds up.
    #[must_use]
    pub fn invariant<I: Invariant + 'static>(mut self, law: impl Fn() -> I + 'static) -> Self {
        self.laws.push(Rc::new(move || Box::new(law())));
        self
    }

    /// What may befall the service in a campaign; everything, unless told.
    #[must_use]
    pub const fn faults(mut self, faults: Swarm) -> Self {
        self.faults = faults;
        self
    }

    /// Carries it out in [`Turmoil`](crate::Turmoil) instead of in memory: hosts with clocks of their own, slower by
    /// far. A line has 1 ms of latency there at least: a campaign draws no other, and a case that is told
    /// with less is refused.
    #[must_use]
    pub const fn in_turmoil(mut self) -> Self {
        self.place = Place::Turmoil;
        self
    }

    /// This one comes, so long after the [origin](Self::from), in whole milliseconds.
    #[must_use]
    pub fn client_at(mut self, at: Duration, comes: impl Into<Coming>) -> Self {
        self.comes.push((at, comes.into()));
        self
    }

    /// The service's process gets this signal then.
    #[must_use]
    pub fn signal_at(self, at: Duration, signal: Signal) -> Self {
        self.act_at(at, ActDoes::Signal(signal))
    }

    /// This befalls then. Clients are known by their place in the order in which they come.
    #[must_use]
    pub fn act_at(mut self, at: Duration, does: ActDoes) -> Self {
        self.befalls.push((at, does));
        self
    }

    /// This case, as a failure has printed it, instead of all that was told of one. What it says of the
    /// server itself (plan, hooks, workers) is the service's own business here, and not looked at.
    #[must_use]
    pub fn case(mut self, case: Scenario) -> Self {
        self.case = case;
        self.comes.clear();
        self.befalls.clear();
        self
    }

    /// Runs the case that was told, and gives what was seen.
    ///
    /// # Errors
    ///
    /// A law was broken, somebody panicked, or the case cannot be carried out.
    pub fn run(&self, service: impl Service + 'static) -> Result<Run, Box<Failure>> {
        let failed = |scenario: &Scenario, (violation, trace): Broken| {
            Box::new(Failure {
                seed: None,
                violation,
                scenario: scenario.clone(),
                trace,
                runs: 1,
                test: None,
            })
        };
        let scenario = self.told();
        let scenario = scenario.map_err(|told| failed(&self.case, (told, Vec::new())))?;
        self.played(&scenario, &shared(service))
            .map_err(|broken| failed(&scenario, broken))
    }

    fn visitors_known(&self) -> u16 {
        u16::try_from(self.visitors.len()).unwrap_or(u16::MAX)
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let visitors: Vec<&str> = self
            .visitors
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        f.debug_struct("Simulation")
            .field("case", &self.case)
            .field("hosts", &self.names)
            .field("visitors", &visitors)
            .finish_non_exhaustive()
    }
}

/// What was broken, and what was seen until then.
type Broken = (Violation, Vec<Entry>);

fn impossible(what: String) -> Violation {
    Violation {
        law: "every case can be carried out".to_owned(),
        what,
        at: None,
    }
}
