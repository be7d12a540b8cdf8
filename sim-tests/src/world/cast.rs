//! The servers that a world runs: the one that a scenario describes, or those of somebody's own.
//!
//! The first one is what the scenario is about. Others are what it depends on: they are ready before
//! it is made, and are stopped when it is over.
//!
//! **Invariant:** nothing here knows in which world it is.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;

use lamplighter::{
    ChannelSignals, Network, Phase, Report, Server, ServerHandle, ServerState, signal_channel,
};
use tokio::sync::Notify;

use crate::act::live;
use crate::host::Dial;
use crate::scenario::{Call, Scenario};
use crate::service;
use crate::simulation::Line;
use crate::trace::{Trace, Who};

/// What somebody's own code fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A server that is being made. Not `Send`: a simulation is one thread.
pub(crate) type Making = Pin<Box<dyn Future<Output = Result<Server, BoxError>>>>;

/// All servers of a run, on their way to be made.
pub(crate) type MakingAll = Pin<Box<dyn Future<Output = Result<Made, BoxError>>>>;

/// Makes the servers of a run.
pub(crate) trait Cast {
    /// How many there are.
    fn hosts(&self) -> u16;

    /// The one of this host, not started; the trace follows the first one's events from here.
    fn open(&self, stage: Opening<'_>, network: impl Network, signals: ChannelSignals) -> Opened;
}

/// What a server is made with.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) host: u16,
    pub(crate) scenario: &'a Arc<Scenario>,
    pub(crate) trace: &'a Trace,
    /// The ways from its host to the others.
    pub(crate) ways: Ways,
}

/// A server that is made, or on its way to be.
pub(crate) enum Opened {
    Made(Server),
    Making(Making),
}

/// The server that a scenario describes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scripted;

impl Cast for Scripted {
    fn hosts(&self) -> u16 {
        1
    }

    fn open(&self, stage: Opening<'_>, network: impl Network, signals: ChannelSignals) -> Opened {
        Opened::Made(service::server(
            stage.scenario,
            network,
            signals,
            stage.trace,
        ))
    }
}

type Dialling = Pin<Box<dyn Future<Output = io::Result<Line>> + Send>>;

/// The ways from one place to the hosts of a world, by their numbers.
#[derive(Clone)]
pub(crate) struct Ways(Arc<dyn Fn(u16) -> Dialling + Send + Sync>);

impl Ways {
    pub(crate) fn new<D: Dial>(dial: D) -> Self {
        Self(Arc::new(move |host| {
            let dial = dial.to_host(host);
            Box::pin(async move {
                let dial = dial.ok_or(ErrorKind::HostUnreachable)?;
                Ok(Line::new::<D>(dial.dial().await?))
            })
        }))
    }

    pub(crate) fn none() -> Self {
        Self(Arc::new(|_| {
            Box::pin(async { Err(ErrorKind::HostUnreachable.into()) })
        }))
    }

    pub(crate) async fn dial(&self, host: u16) -> io::Result<Line> {
        (self.0)(host).await
    }
}

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ways").finish_non_exhaustive()
    }
}

/// The servers of a run: the one that is about to be called, and those that it depends on.
pub(crate) struct Made {
    pub(crate) server: Server,
    supports: Vec<Support>,
}

impl Made {
    pub(crate) const fn alone(server: Server) -> Self {
        Self {
            server,
            supports: Vec::new(),
        }
    }

    /// Has the others ready, one after another, then the first one made.
    ///
    /// # Errors
    ///
    /// What their code fails with.
    pub(crate) async fn open(
        first: Opened,
        others: Vec<(u16, Opened)>,
        trace: &Trace,
    ) -> Result<Self, BoxError> {
        let mut supports = Vec::new();
        for (host, opened) in others {
            supports.push(Support::begin(host, trace, opened).await?);
        }
        let server = match first {
            Opened::Made(server) => server,
            Opened::Making(making) => making.await?,
        };
        Ok(Self { server, supports })
    }

    /// Lives the first one's life, and then ends the others, the last one first.
    pub(crate) async fn live(self, call: Call, dropped: Arc<Notify>, trace: Trace) -> Report {
        let report = live(self.server, call, dropped).await;
        // Its last lines come before the first ones of what comes now.
        trace.catch_up();
        for support in self.supports.into_iter().rev() {
            support.end().await;
        }
        report
    }
}

/// A server that another one depends on, while it lives.
#[derive(Debug)]
pub(crate) struct Support {
    handle: ServerHandle,
    owner: tokio::task::JoinHandle<Report>,
}

impl Support {
    /// Makes and starts the server of one host more; ready when this returns.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or did not get ready.
    pub(crate) async fn begin(host: u16, trace: &Trace, opened: Opened) -> Result<Self, BoxError> {
        let server = match opened {
            Opened::Made(server) => server,
            Opened::Making(making) => making.await?,
        };
        trace.follow_as(Who::Host(host), server.events());
        let handle = server.handle();
        // Nobody drops what it owns, and no signal reaches it.
        let owner = tokio::spawn(live(server, Call::Start, Arc::new(Notify::new())));
        handle.reached(Phase::Running).await;
        if handle.state() == ServerState::Running {
            Ok(Self { handle, owner })
        } else {
            Err(format!("host {host} did not get ready").into())
        }
    }

    /// Stops it; over when this returns.
    pub(crate) async fn end(self) {
        drop(self.handle.stop());
        drop(self.owner.await);
    }
}

/// A source of signals that never has any.
pub(crate) fn no_signals() -> ChannelSignals {
    signal_channel().1
}
