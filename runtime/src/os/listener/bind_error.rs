//! Why an address cannot be listened on, and what can be done about it (floor 1).
//!
//! **Invariant:** every message names the address.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

#[cfg(unix)]
use super::InheritedError;
use super::{Addr, AddrError};

/// A listener that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// What was given to listen on is no address.
    #[error(transparent)]
    Address(#[from] AddrError),
    /// No listener of this name was inherited.
    #[cfg(unix)]
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// Two listeners of one server have one name.
    #[error("two listeners are named {name:?}, allowed is each name once")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// One server was told the same address twice.
    #[error("told to listen on {addr} twice, allowed is each address once")]
    Twice {
        /// The address.
        addr: Addr,
    },
    /// These are no permissions, or there is no file to have them.
    #[error("mode is {mode:#o}, allowed is 0 to 0o777, for the path of a Unix socket")]
    Mode {
        /// The mode.
        mode: u32,
    },
    /// The OS, or the network put in its place, refused.
    #[error("cannot listen on {addr}: {source}{}", advice(.addr, .source))]
    Refused {
        /// Where to listen.
        addr: Addr,
        /// What it was refused with.
        source: io::Error,
    },
}

impl BindError {
    pub(crate) const fn refused(addr: Addr, source: io::Error) -> Self {
        Self::Refused { addr, source }
    }

    /// Whether what was given is wrong on every machine, rather than refused on this one.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }

    /// The address, if what was given is one.
    #[must_use]
    pub const fn addr(&self) -> Option<&Addr> {
        match self {
            Self::Refused { addr, .. } | Self::Twice { addr } => Some(addr),
            #[cfg(unix)]
            Self::Inherited(_) => None,
            Self::Address(_) | Self::NameTaken { .. } | Self::Mode { .. } => None,
        }
    }
}

fn advice(addr: &Addr, error: &io::Error) -> &'static str {
    if matches!(addr, Addr::Unix(_)) {
        return advice_on_path(error);
    }
    let takes_both = |addr: SocketAddr| addr.is_ipv6() && addr.ip().is_unspecified();
    let privileged = matches!(addr.port(), Some(1..1024));
    // Kinds rather than numbers, so that simulated networks get the same advice.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "advice exists for these kinds only"
    )]
    match error.kind() {
        ErrorKind::AddrInUse if addr.tcp().is_some_and(takes_both) => {
            "; `ss -ltnp` names who does, of IPv4 as well; port 0 takes a free one"
        }
        ErrorKind::AddrInUse => "; `ss -ltnp` names who does; port 0 takes a free one",
        ErrorKind::PermissionDenied if privileged => {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE: grant it, or choose a \
             port from 1024 on and let the container or the balancer map it"
        }
        ErrorKind::PermissionDenied => "; a security policy of this machine forbids it",
        ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: choose one of its own (`ip addr` names them), or \
             0.0.0.0 or [::] for all of them"
        }
        _ => "",
    }
}

fn advice_on_path(error: &io::Error) -> &'static str {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "advice exists for these kinds only"
    )]
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            "; its directory has to be there: make it, or choose another path"
        }
        ErrorKind::PermissionDenied => {
            "; this user may not write its directory, or the socket that is there"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn message(addr: &str, errno: Errno) -> String {
        BindError::refused(addr.parse().unwrap(), errno.into()).to_string()
    }

    #[test]
    fn a_refused_address_is_named_with_what_can_be_done() {
        let in_use = message("0.0.0.0:5000", Errno::ADDRINUSE);
        assert!(
            in_use.starts_with("cannot listen on 0.0.0.0:5000: "),
            "{in_use}"
        );
        assert!(in_use.contains("`ss -ltnp` names who does; "), "{in_use}");
        let both = message("[::]:5000", Errno::ADDRINUSE);
        assert!(both.contains("names who does, of IPv4 as well"), "{both}");
        let privileged = message("[::]:80", Errno::ACCESS);
        assert!(
            privileged.starts_with("cannot listen on [::]:80: "),
            "{privileged}"
        );
        assert!(privileged.contains("CAP_NET_BIND_SERVICE"), "{privileged}");
        let policy = message("5000", Errno::ACCESS);
        assert!(policy.contains("a security policy"), "{policy}");
        let foreign = message("192.0.2.1:5000", Errno::ADDRNOTAVAIL);
        assert!(foreign.contains("no such address"), "{foreign}");
    }

    #[test]
    fn an_error_without_advice_is_told_as_it_is() {
        let error = message("5000", Errno::NOMEM);
        assert!(error.ends_with("(os error 12)"), "{error}");
    }
}
