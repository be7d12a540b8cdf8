//! What a server is told by its environment: where it listens and how long its stop may take
//! (floor 3).
//!
//! **Invariant:** the environment is read once, as a whole, and never written.
//! **Invariant:** unset means not given; nothing else does, an empty variable least of all.
//! **Invariant:** no variable is read that does not change what the server does.

mod error;
mod variables;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lamplighter_lifecycle::Plan;

use crate::os::listener::{Addr, AddrError};

pub use error::ConfigError;
pub use variables::Variables;

const PORT: &str = "PORT";
const LISTEN: &str = "LISTEN";
const LAME_DUCK_MS: &str = "LAME_DUCK_MS";
const GRACEFUL_SHUTDOWN_TIMEOUT_MS: &str = "GRACEFUL_SHUTDOWN_TIMEOUT_MS";
const GRACE_PERIOD_MS: &str = "GRACE_PERIOD_MS";
const ALL: [&str; 5] = [
    PORT,
    LISTEN,
    LAME_DUCK_MS,
    GRACEFUL_SHUTDOWN_TIMEOUT_MS,
    GRACE_PERIOD_MS,
];

/// Set by the kubelet in every container, unless it is asked not to.
const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";

const DEFAULT_PORT: u16 = 5000;
const DEFAULT_LISTEN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

const KUBERNETES_LAME_DUCK: Duration = Duration::from_secs(5);
const KUBERNETES_GRACE_PERIOD: Duration = Duration::from_secs(28);

/// What the environment says about a server.
///
/// | variable | what it sets | default | allowed |
/// |---|---|---|---|
/// | `PORT` | the port to listen on; 0 is one that is free | 5000 | 0 to 65535 |
/// | `LISTEN` | the address to listen on | 0.0.0.0 | an IPv4 or IPv6 address, with or without brackets; `localhost`; `unix:` and a path |
/// | `LAME_DUCK_MS` | [`Plan::lame_duck`] | the plan's | 0 to 30 days |
/// | `GRACEFUL_SHUTDOWN_TIMEOUT_MS` | [`Plan::drain_timeout`]; 0 is one graceful pass | the plan's | 0 to 30 days |
/// | `GRACE_PERIOD_MS` | [`Plan::within`] | no grace period | 1 ms to 30 days |
///
/// `::` listens on all IPv6 and IPv4 addresses, and a Unix socket has no port: `PORT` is refused
/// beside one. Numbers are decimal digits and nothing else. A variable that is not set is not given; one that is
/// set and empty is an error.
///
/// Under Kubernetes (`KUBERNETES_SERVICE_HOST` is set and not empty), and with none of the last three
/// variables set, the plan is a lame duck of 5 s within a grace period of 28 s: without a lame duck
/// every rollout loses requests that the cluster still routes here, and a pod that says nothing has
/// 30 s, of which the plan leaves 2 s to the kubelet's own delays.
///
/// ```
/// use std::time::Duration;
/// use lamplighter::{Config, Plan};
///
/// let config = Config::from_vars([("PORT", "8080"), ("LAME_DUCK_MS", "5000")])?;
/// assert_eq!(config.address().to_string(), "0.0.0.0:8080");
/// assert_eq!(config.plan(), Plan::new().lame_duck(Duration::from_secs(5)));
///
/// let error = Config::from_vars([("PORT", "http")]).unwrap_err();
/// assert_eq!(error.to_string(), r#"PORT is "http", allowed is 0 to 65535 in decimal digits"#);
/// # Ok::<(), lamplighter::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    port: Option<u16>,
    listen: Option<Listen>,
    lame_duck: Option<Duration>,
    drain_timeout: Option<Duration>,
    grace_period: Option<Duration>,
    kubernetes: bool,
    /// Of these, the values are the program's own defaults.
    defaults: Vec<&'static str>,
}

/// Where to listen, but for the port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Listen {
    Ip(IpAddr),
    Unix(Addr),
}

impl Config {
    /// Reads the environment of this process, as it is now.
    ///
    /// # Errors
    ///
    /// Every one of the variables whose value is not allowed, in the order of the table above.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&Variables::from_env())
    }

    /// Reads these variables instead of the environment; of two with one name the first counts.
    ///
    /// Names that mean nothing here are passed over, so that a whole environment may be handed in.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn from_vars<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        Self::read(&Variables::from_vars(variables))
    }

    /// Reads what a program has already collected, its own defaults included.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn read(variables: &Variables) -> Result<Self, ConfigError> {
        let mut refused = Vec::new();
        let port = taken(variables.decimal(PORT, 0..=u16::MAX, ""), &mut refused);
        let wants_path = matches!(variables.text(LISTEN), Ok(Some(text)) if text.starts_with(UNIX));
        let allowed = if wants_path {
            AddrError::allowed_path()
        } else {
            "an IP address, localhost, or unix: and a path; a port goes into PORT".into()
        };
        let listen = taken(variables.read(LISTEN, &allowed, listen), &mut refused);
        if port.is_some() && matches!(listen, Some(Listen::Unix(_))) {
            let allowed = "none, since LISTEN is a Unix socket, which has no port";
            taken(variables.read(PORT, allowed, |_| None::<()>), &mut refused);
        }
        let read = Self {
            port,
            listen,
            lame_duck: taken(variables.millis(LAME_DUCK_MS), &mut refused),
            drain_timeout: taken(variables.millis(GRACEFUL_SHUTDOWN_TIMEOUT_MS), &mut refused),
            grace_period: taken(variables.millis_above_zero(GRACE_PERIOD_MS), &mut refused),
            kubernetes: variables.is_filled(KUBERNETES_SERVICE_HOST),
            defaults: ALL
                .into_iter()
                .filter(|name| variables.is_default(name))
                .collect(),
        };
        ConfigError::of_all(refused).map_or(Ok(read), Err)
    }

    /// The port to listen on. Default 5000; 0 asks the operating system for a free one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// The address to listen on. Default 0.0.0.0, every IPv4 address of the machine, and the
    /// [`port`](Self::port).
    ///
    /// `localhost` is 127.0.0.1: no name is looked up.
    #[must_use]
    pub fn address(&self) -> Addr {
        match &self.listen {
            Some(Listen::Unix(addr)) => addr.clone(),
            Some(Listen::Ip(ip)) => Addr::Tcp(SocketAddr::new(*ip, self.port())),
            None => Addr::Tcp(SocketAddr::new(DEFAULT_LISTEN, self.port())),
        }
    }

    /// The time budget, in which only what the environment sets is set.
    ///
    /// It is not checked: whether the parts fit into the grace period is seen at start, since a
    /// program may go on to set more of it.
    pub fn plan(&self) -> Plan {
        if self.took_kubernetes_defaults() {
            return Plan::within(KUBERNETES_GRACE_PERIOD).lame_duck(KUBERNETES_LAME_DUCK);
        }
        let mut plan = self.grace_period.map_or_else(Plan::new, Plan::within);
        if let Some(lame_duck) = self.lame_duck {
            plan = plan.lame_duck(lame_duck);
        }
        if let Some(drain_timeout) = self.drain_timeout {
            plan = plan.drain_timeout(drain_timeout);
        }
        plan
    }

    /// Which variables have a part in the plan, for people; `None` if none has.
    pub(super) fn plan_note(&self) -> Option<String> {
        let given = [
            (LAME_DUCK_MS, self.lame_duck),
            (GRACEFUL_SHUTDOWN_TIMEOUT_MS, self.drain_timeout),
            (GRACE_PERIOD_MS, self.grace_period),
        ];
        let named: Vec<String> = given
            .into_iter()
            .filter_map(|(name, value)| Some(self.named(name, value?.as_millis())))
            .collect();
        let named = named.join(", ");
        // What the reason speaks of besides.
        let others = "hooks_timeout and margin have no variable: they are what the code sets, or the defaults";
        (!named.is_empty()).then(|| format!("{named}; {others}"))
    }

    /// Which variables say where to listen, for people.
    pub(super) fn place_note(&self) -> String {
        let given = |name, value: Option<String>| match value {
            Some(value) => self.named(name, value),
            None => format!("{name} is not set"),
        };
        let listen = |listen: &Listen| match listen {
            Listen::Ip(ip) => ip.to_string(),
            Listen::Unix(addr) => addr.to_string(),
        };
        let listens = given(LISTEN, self.listen.as_ref().map(listen));
        if let Some(Listen::Unix(_)) = self.listen {
            return listens;
        }
        let port = given(PORT, self.port.map(|port| port.to_string()));
        format!("{port}, {listens}")
    }

    fn named(&self, name: &str, value: impl fmt::Display) -> String {
        let by_default = if self.defaults.contains(&name) {
            " by default"
        } else {
            ""
        };
        format!("{name} is {value}{by_default}")
    }

    /// Whether [`plan`](Self::plan) is the one for a pod of which nothing is known.
    ///
    /// The server logs it, so that a lame duck nobody asked for is no riddle.
    #[must_use]
    pub fn took_kubernetes_defaults(&self) -> bool {
        self.kubernetes
            && self.lame_duck.is_none()
            && self.drain_timeout.is_none()
            && self.grace_period.is_none()
    }

    /// Whether one of the variables in the table above was given.
    ///
    /// Tells a default apart from the same value written out. `false` for every other name.
    #[must_use]
    pub fn is_set(&self, variable: &str) -> bool {
        match variable {
            PORT => self.port.is_some(),
            LISTEN => self.listen.is_some(),
            LAME_DUCK_MS => self.lame_duck.is_some(),
            GRACEFUL_SHUTDOWN_TIMEOUT_MS => self.drain_timeout.is_some(),
            GRACE_PERIOD_MS => self.grace_period.is_some(),
            _ => false,
        }
    }
}

/// What was read, if it may be that; what was refused is kept for those who are to hear of all of it.
fn taken<T>(read: Result<Option<T>, ConfigError>, refused: &mut Vec<ConfigError>) -> Option<T> {
    read.unwrap_or_else(|error| {
        refused.push(error);
        None
    })
}

/// What the path of a Unix socket stands behind.
const UNIX: &str = "unix:";

/// The one name that is allowed is answered here: a resolver may block, fail or answer twice.
fn listen(text: &str) -> Option<Listen> {
    if text == "localhost" {
        return Some(Listen::Ip(Ipv4Addr::LOCALHOST.into()));
    }
    if text.starts_with(UNIX) {
        return text.parse().ok().map(Listen::Unix);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse().ok().map(IpAddr::V6).map(Listen::Ip),
        None => text.parse().ok().map(Listen::Ip),
    }
}

#[cfg(test)]
mod tests;
