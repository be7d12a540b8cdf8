//! The server as its users hold it, and the driver that carries out what the core decides
//! (floor 3).
//!
//! **Invariant:** every decision about a life is the core's; here it is only carried out.

mod admin;
mod announced;
mod callbacks;
#[cfg(feature = "config")]
mod config;
mod driver;
mod ends;
mod error;
mod events;
mod explain;
mod handle;
mod hook;
mod late_listener;
mod life;
mod report;
mod running;
mod signals;
mod start;
mod worker;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lamplighter_lifecycle::{Cause, HookError, Input, Machine, Plan, Signal};
use tokio::runtime::Handle;

#[cfg(feature = "config")]
pub use config::{Config, ConfigError, Variables};
pub use error::{ServerError, StartError, StartReason};
pub use events::{Events, ServerEvent};
pub use handle::{ServerHandle, Stopping};
pub use hook::{Hook, HookContext, HookFn, HookResult, IntoHook};
pub use late_listener::NotAccepting;
pub use report::Report;
pub use running::{Ready, Running};

use self::admin::Admin;
use self::driver::Driver;
use self::ends::Ends;
use self::life::Life;
use self::signals::{Mode, arm_process, arm_source};
use self::start::Start;
use crate::os::listener::{Bind, BoxNetwork, Network, TcpNetwork};
use crate::os::log;
use crate::os::process;
use crate::os::signal::{BoxSignalSource, SignalSource};
use crate::os::tasks::{HandOver, Tasks};
use crate::os::watchdog::{self, Guarded};
use crate::transport::{
    Application, Erased, Health, Limits, Protocols, ServerProtocol, Setup, ShutdownSignal, Sink,
    Transport,
};

/// Where a server listens that was told nothing else.
const DEFAULT_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5000);

/// A drain that is shorter, and was not set but left over by the rest of its plan, is nobody's wish.
const LITTLE: Duration = Duration::from_secs(1);

/// A server that was made and not started: one entry point that wires everything up.
///
/// Setters take it and never fail; what they were given is checked by [`check`](Self::check) and
/// by the start. Registrations borrow it, and are there on every [`handle`](Self::handle) too.
/// Dropped without having been started, it runs nothing: its hooks are settled as not started.
pub struct Server {
    life: Arc<Life>,
    /// `None` once it was started.
    parts: Option<Box<Parts>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

/// What a server is made of until it starts.
struct Parts {
    app: Erased,
    binds: Vec<Bind>,
    limits: Limits,
    protocols: Protocols,
    network: BoxNetwork,
    stop_on: Option<Vec<Signal>>,
    source: Option<BoxSignalSource>,
    /// What was found wrong with a setting when it was made.
    refused: Option<StartReason>,
    /// Whether `listen` was called.
    listens: bool,
    /// Which variables say where to listen, where `listen` was not called.
    place_note: Option<String>,
}

impl Server {
    /// A server for this application, on `0.0.0.0:5000` unless told otherwise. Reads no
    /// environment.
    pub fn new(app: impl Application) -> Self {
        Self {
            life: Life::new(),
            parts: Some(Box::new(Parts {
                app: app.erase(),
                binds: vec![Bind::from(DEFAULT_ADDR)],
                limits: Limits::default(),
                protocols: Protocols::default(),
                network: BoxNetwork::new(TcpNetwork),
                stop_on: None,
                source: None,
                refused: None,
                listens: false,
                place_note: None,
            })),
        }
    }
}

// Settings from the environment.
#[cfg(feature = "config")]
impl Server {
    /// [`new`](Self::new), with what the environment says: see [`Config`] for the variables.
    ///
    /// A variable that is refused comes out of [`check`](Self::check) and of the start, which
    /// then fails with exit code 78.
    pub fn from_env(app: impl Application) -> Self {
        let server = Self::new(app);
        match Config::from_env() {
            Ok(config) => server.config(&config),
            Err(error) => {
                let refused = StartReason::Config(Arc::new(error));
                server.change(|parts| parts.refused = Some(refused))
            }
        }
    }

    /// Listens where `config` says, unless [`listen`](Self::listen) says otherwise, and takes its
    /// plan.
    #[must_use]
    pub fn config(self, config: &Config) -> Self {
        if config.took_kubernetes_defaults() {
            log::info!(
                target: "lamplighter::server",
                "in a pod, and told nothing of a plan: taking a lame duck of 5 s within 28 s"
            );
        }
        if let Some(note) = config.plan_note() {
            self.life.set_plan_note(note);
        }
        let bind = Bind::from(config.address());
        self.plan(config.plan()).change(|parts| {
            if !parts.listens {
                parts.binds = vec![bind];
                parts.place_note = Some(config.place_note());
            }
        })
    }
}

// Made, not started: what it consists of.
impl Server {
    /// Listens here. The first call replaces the default, later ones add listeners.
    ///
    /// Takes a port, an address, text such as `"127.0.0.1:8080"`, `"[::]:80"`, `"localhost:0"` or
    /// `"unix:/run/app.sock"`, a listener of std, or a [`Bind`], whose documentation has the table.
    /// All are bound or none. What does not hold comes out of [`check`](Self::check) and of the start.
    #[must_use]
    pub fn listen(mut self, bind: impl Into<Bind>) -> Self {
        let bind = bind.into();
        if let Some(parts) = &mut self.parts {
            if !std::mem::replace(&mut parts.listens, true) {
                parts.binds.clear();
                parts.place_note = None;
            }
            parts.binds.push(bind);
        }
        self
    }

    /// The time budget of its start and its stop.
    #[must_use]
    pub fn plan(self, plan: Plan) -> Self {
        self.life.set_plan(plan);
        self
    }

    /// What a peer may take and grow.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.change(|parts| parts.limits = limits)
    }

    /// Speaks this beside the application, outside of its layers: [`Healthcheck`](crate::Healthcheck),
    /// `Reflection`. Each once; what does not hold comes out of [`check`](Self::check) and of the
    /// start.
    #[must_use]
    pub fn protocol(self, protocol: impl ServerProtocol) -> Self {
        self.change(|parts| protocol.add(&mut parts.protocols))
    }

    /// The signals that stop it. Unless told: none under [`start`](Self::start); SIGTERM, SIGINT
    /// and SIGHUP under [`run`](Self::run).
    #[must_use]
    pub fn stop_on(self, signals: impl IntoIterator<Item = Signal>) -> Self {
        let signals = signals.into_iter().collect();
        self.change(|parts| parts.stop_on = Some(signals))
    }

    /// Where signals come from: the process, unless told otherwise.
    #[must_use]
    pub fn signal_source(self, source: impl SignalSource) -> Self {
        self.change(|parts| parts.source = Some(BoxSignalSource::new(source)))
    }

    /// What binds the addresses: the operating system, unless told otherwise.
    #[must_use]
    pub fn network(self, network: impl Network) -> Self {
        self.change(|parts| parts.network = BoxNetwork::new(network))
    }

    fn change(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        if let Some(parts) = &mut self.parts {
            change(parts);
        }
        self
    }
}

// The same as on every handle.
impl Server {
    /// What everybody else may hold, before, during and after the run.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(Arc::clone(&self.life))
    }

    /// What handlers, streams and workers of this server listen to.
    #[must_use]
    pub fn shutdown_signal(&self) -> ShutdownSignal {
        self.handle().shutdown_signal()
    }

    /// The health of this server.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle().health()
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.handle().events()
    }

    /// Registers a cleanup step. See [`ServerHandle::hook`].
    ///
    /// # Errors
    ///
    /// A cycle, with its path; a name or timeout that cannot be. Nothing is changed then.
    #[doc(alias = "on_shutdown")]
    pub fn hook<M>(&self, hook: impl IntoHook<M>) -> Result<(), HookError> {
        self.handle().hook(hook)
    }

    /// Registers a background task. See [`ServerHandle::worker`].
    ///
    /// # Errors
    ///
    /// None: only a server that is draining refuses, and this one has not been started. The handle's
    /// method of the same name can fail.
    pub fn worker<F, Fut, R>(&self, name: impl Into<String>, worker: F) -> Result<(), HookError>
    where
        F: FnOnce(ShutdownSignal) -> Fut + Send + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: HookResult,
    {
        self.handle().worker(name, worker)
    }

    /// Is told when the start begins. See [`ServerHandle::on_start`].
    pub fn on_start(&self, callback: impl FnMut() + Send + 'static) {
        self.handle().on_start(callback);
    }

    /// Is told when the server is bound, accepting and ready.
    pub fn on_ready(&self, callback: impl FnMut(&Ready) + Send + 'static) {
        self.handle().on_ready(callback);
    }

    /// Is told when a stop has begun; readiness is off already.
    pub fn on_stopping(&self, callback: impl FnMut(&Cause) + Send + 'static) {
        self.handle().on_stopping(callback);
    }

    /// Is told when the server has stopped, with the complete report; last of all.
    pub fn on_stop(&self, callback: impl FnMut(&Report) + Send + 'static) {
        self.handle().on_stop(callback);
    }

    /// Is told what failed: at once before a stop, all at once at its end.
    pub fn on_error(&self, callback: impl FnMut(&ServerError) + Send + 'static) {
        self.handle().on_error(callback);
    }
}

// Its life.
impl Server {
    /// Everything that the start would refuse without binding: configuration, addresses, plan,
    /// hooks.
    ///
    /// # Errors
    ///
    /// The first thing that does not hold.
    pub fn check(&self) -> Result<(), StartReason> {
        if let Some(parts) = &self.parts {
            parts.check()?;
        }
        Ok(self.life.ask(Machine::check)?)
    }

    /// Starts, and resolves when the server is ready: bound, accepting, every readiness check
    /// green, every `on_ready` callback run. No signal stops it unless
    /// [`stop_on`](Self::stop_on) says so.
    ///
    /// What runs for the server (requests, callbacks, checks, workers, hooks) logs into the `tracing`
    /// span that is current when the start is first polled, so that the lines of several servers of one
    /// process can be told apart. Started outside of any span, each line stands for itself. Tasks that
    /// the application spawns know of no span, as everywhere.
    ///
    /// A server lives once; to start it twice does not compile:
    ///
    /// ```compile_fail,E0382
    /// # async fn twice(server: lamplighter::Server) -> Result<(), lamplighter::StartError> {
    /// let first = server.start().await?;
    /// let second = server.start().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What stood in the way. Nothing of the server is left then: listeners are closed, hooks
    /// settled.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future begins a stop in the background.
    pub async fn start(self) -> Result<Running, StartError> {
        self.begin(Mode::Started).await
    }

    /// Starts, serves until SIGTERM, SIGINT or whatever else stops it, and resolves with the
    /// report. A start that failed is in the report, too.
    ///
    /// It logs into the span that is current here: see [`start`](Self::start).
    ///
    /// A SIGHUP stops it as well, unless [`stop_on`](Self::stop_on) says otherwise; a SIGUSR2 is
    /// logged and ignored: both would kill the process otherwise, hooks unrun. They would again
    /// 300 ms after the last server of the process that listens to signals has stopped.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future begins a stop in the background.
    pub async fn run(self) -> Report {
        match self.begin(Mode::Run).await {
            Ok(running) => running.wait().await,
            Err(error) => error.into_report(),
        }
    }

    /// Stops without having been started: the hooks run, nothing is bound.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing once it was polled; the stop goes on in the background.
    pub async fn stop(mut self) -> Report {
        let stopping = self.handle().stop();
        self.launch(Mode::Started);
        stopping.await
    }

    async fn begin(mut self, mode: Mode) -> Result<Running, StartError> {
        let life = Arc::clone(&self.life);
        self.launch(mode);
        let mut owner = Owner(Some(Arc::clone(&life)));
        let is_ready = tokio::select! {
            biased;
            _ready = life.ready().wait_for(|ready| *ready) => true,
            _report = life.finished().wait_for(Option::is_some) => false,
        };
        owner.0 = None;
        if is_ready {
            let addrs = life.addrs.get().cloned().unwrap_or_default();
            return Ok(Running::new(ServerHandle::new(life), addrs));
        }
        Err(life.start_error())
    }

    /// Sets everything in motion. Callable once.
    fn launch(&mut self, mode: Mode) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        let life = &self.life;
        let runtime = Handle::current();
        life.clock.begin(&runtime);
        life.set_hand_over(HandOver::on(&runtime));
        let tasks = Tasks::new(runtime.clone(), &|name, message| {
            log::error!(target: "lamplighter::lifecycle", "{name} panicked: {message}");
        });
        let own = Tasks::new(runtime, &|name, message| {
            log::error!(target: "lamplighter::server", %name, "own task panicked: {message}");
        });
        if process::panics_abort() {
            log::warn!(
                target: "lamplighter::server",
                "built with panic = \"abort\": a panic anywhere ends the process, hooks unrun"
            );
        }
        // Empty so far: a server is launched once.
        drop(life.rolls.set(tasks.rolls()));
        let refused = parts.check();
        let budget = life.ask(|machine| *machine.budget());
        if budget.grace_period() == Some(budget.total()) && budget.drain_timeout() < LITTLE {
            let (drain, whole) = (budget.drain_timeout(), budget.total());
            log::warn!(
                target: "lamplighter::server",
                "of a grace period of {whole:.1?} the plan leaves {drain:.1?} to requests in flight"
            );
        }
        let limits = if parts.network.has_clock() {
            parts.limits
        } else {
            parts.limits.date_header(false)
        };
        // First of all: a signal during the start is a stop, not the end of the process.
        let (signals, armed) = match parts.source {
            Some(source) => arm_source(life, &own, source, parts.stop_on, mode),
            None => arm_process(life, parts.stop_on, mode),
        };
        let mut protocols = parts.protocols;
        let admin_bind = protocols.take_bind();
        let infrastructure = protocols.build(&life.health, &life.signal);
        let admin = admin_bind.map(|bind| {
            let limits = limits.clone();
            let infrastructure = infrastructure.as_ref().map(|shown| shown.for_admin());
            Admin::new(bind, life, infrastructure, limits, &tasks)
        });
        let transport = Transport::new(Setup {
            app: parts.app,
            infrastructure,
            limits,
            budget,
            clock: life.clock.clone(),
            tasks: tasks.clone(),
            sink: Arc::clone(life) as Arc<dyn Sink>,
            server: life.key.clone(),
            controller: life.controller.clone(),
        });
        life.set_transport(transport.clone());
        life.set_watch(watchdog::watch(Arc::clone(life) as Arc<dyn Guarded>));
        let admin_transport = admin.as_ref().map(|admin| admin.transport.clone());
        let start = Start {
            life: Arc::clone(life),
            binds: parts.binds,
            place_note: parts.place_note,
            network: parts.network,
            transport: transport.clone(),
            admin,
            refused: refused.and(armed),
        };
        let driver = Driver {
            life: Arc::clone(life),
            tasks,
            ends: Ends::new(own.clone()),
            transport,
            admin: admin_transport,
            start: Some(start),
            start_task: None,
            hooks: BTreeMap::new(),
            workers: BTreeMap::new(),
            signals,
        };
        life.input(Input::Start);
        drop(own.spawn("driver", driver.run()));
    }
}

impl Parts {
    fn check(&self) -> Result<(), StartReason> {
        if let Some(reason) = &self.refused {
            return Err(reason.clone());
        }
        let admin = self.protocols.bind();
        Bind::check_all(self.binds.iter().chain(admin)).map_err(Arc::new)?;
        self.limits.check()?;
        self.protocols.check().map_err(Arc::new)?;
        Ok(())
    }
}

/// Stops a start whose future is dropped.
struct Owner(Option<Arc<Life>>);

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(life) = &self.0 {
            life.input(Input::Stop(Cause::Dropped));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.parts.is_none() {
            return;
        }
        let hooks = self.life.ask(|machine| machine.hooks().len());
        if hooks > 0 {
            log::warn!(
                target: "lamplighter::server",
                hooks,
                "a server with hooks was dropped without having been started: they do not run"
            );
        }
        self.life.input(Input::Discard);
        let report = self.life.report();
        self.life.finish(report);
    }
}
