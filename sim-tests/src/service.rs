//! The server of a scenario: an application whose handlers do what the scenario says, and hooks,
//! workers, checks and callbacks that do.
//!
//! **Invariant:** nothing of it knows in which world it is: time is tokio's, and whatever it sees goes
//! into the trace. **Invariant:** a panic here is one that the scenario asks for, and is silent.

mod body;
mod grpc;
mod handler;
mod life;
mod plain;
mod websocket;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lamplighter::{
    App, Healthcheck, HttpHealth, Network, Server, ServerHandle, Signal, SignalSource,
};

pub use grpc::{CALL, Chunk, STREAM};
pub(crate) use life::register_late;

use crate::scenario::{Call, Scenario};
use crate::trace::Trace;

/// The port that it listens on.
pub const PORT: u16 = 80;

/// What everything of a server that does what a scenario says has to know.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) trace: Trace,
    /// Who handlers call; set as soon as there is a server.
    pub(crate) handle: Arc<OnceLock<ServerHandle>>,
}

/// The server of `scenario`, not started; the trace follows its events from here.
///
/// Its port is [`PORT`], on all addresses of what `network` is.
pub fn server(
    scenario: &Arc<Scenario>,
    network: impl Network,
    signals: impl SignalSource,
    trace: &Trace,
) -> Server {
    let stage = Stage {
        scenario: Arc::clone(scenario),
        trace: trace.clone(),
        handle: Arc::default(),
    };
    let plain = plain::Plain::new(stage.clone());
    let calls = scenario.clients.iter().any(|client| client.does.calls());
    let server = if calls {
        Server::new(App::new(plain).grpc(grpc::routes(stage.clone())))
    } else {
        Server::new(plain)
    };
    let mut server = server
        .listen(PORT)
        .plan(scenario.plan.plan())
        .limits(scenario.defences.limits())
        .protocol(Healthcheck::new().http(HttpHealth::default()))
        .network(network)
        .signal_source(signals);
    if scenario.start.call != Call::Run {
        server = server.stop_on([Signal::Sigterm, Signal::Sigint]);
    }
    stage.handle.get_or_init(|| server.handle());
    trace.follow(server.events());
    life::register(&stage, &server);
    server
}

/// Waits; not even for a turn if there is nothing to wait for.
pub(crate) async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Panics as a scenario asks for it: without a word on standard error.
pub(crate) fn panics() -> ! {
    std::panic::resume_unwind(Box::new("as the scenario says"))
}
