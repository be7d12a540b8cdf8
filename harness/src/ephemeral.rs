//! Ports of tests: whatever address a server asks for, it gets a free port of the loopback.
//!
//! **Invariant:** the port is bound by the server itself, never reserved and then let go, so no two
//! servers ever get the same one.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lamplighter::{Addr, Network, TcpNetwork};

use crate::leak::Ports;

/// A network on which every server listens on a free port of the loopback address.
///
/// IPv6 stays IPv6, and one of the loopback's own addresses stays that one. Addresses that are no TCP
/// addresses are bound as they are.
#[derive(Debug, Default)]
pub struct Ephemeral {
    network: TcpNetwork,
    ports: Ports,
}

impl Ephemeral {
    /// Enters there what it binds.
    pub(crate) fn entering(ports: Ports) -> Self {
        Self {
            network: TcpNetwork::default(),
            ports,
        }
    }
}

impl Network for Ephemeral {
    type Listener = <TcpNetwork as Network>::Listener;

    fn bind(&self, addr: &Addr) -> impl Future<Output = io::Result<Self::Listener>> + Send {
        let addr = addr.tcp().map_or_else(
            || addr.clone(),
            |tcp| Addr::Tcp(SocketAddr::new(loopback(tcp.ip()), 0)),
        );
        async move {
            let listener = self.network.bind(&addr).await?;
            self.ports.enter(&listener);
            Ok(listener)
        }
    }
}

const fn loopback(ip: IpAddr) -> IpAddr {
    match ip {
        ip if ip.is_loopback() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}
