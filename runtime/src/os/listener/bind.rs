//! What a server is told to listen on, and making listeners of it at the start (floor 1).
//!
//! **Invariant:** making a [`Bind`] never fails and touches nothing: a wrong text comes out at the
//! start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addr, AddrError, AnyListener, BindError, BoxNetwork, Listener, TcpListener};

/// What to listen on.
///
/// Made of a port, a text, an address, or a listener that is bound already:
///
/// ```
/// use lamplighter::Bind;
///
/// let all = Bind::from(5000); // 0.0.0.0:5000
/// let text = Bind::from("[::1]:5000").named("local");
/// let free = Bind::from(([127, 0, 0, 1], 0)); // a free port
/// # let _ = (all, text, free);
/// ```
#[derive(Debug)]
pub struct Bind {
    target: Target,
    name: Option<String>,
    refuse_new: bool,
}

#[derive(Debug)]
enum Target {
    Addr(Addr),
    /// Kept until the start.
    Invalid(AddrError),
    Std(std::net::TcpListener),
    Listener(AnyListener),
}

/// A listener that was made, with what was said about it.
#[derive(Debug)]
pub(crate) struct BoundListener {
    listener: AnyListener,
    addr: Addr,
    name: Option<String>,
    refuse_new: bool,
}

impl BoundListener {
    /// Where it listens, with the real port.
    pub(crate) const fn addr(&self) -> &Addr {
        &self.addr
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether new connections are to be refused at the final stop before the queue is emptied.
    pub(crate) const fn refuses_new_at_stop(&self) -> bool {
        self.refuse_new
    }

    pub(crate) fn into_listener(self) -> AnyListener {
        self.listener
    }
}

impl Bind {
    const fn new(target: Target) -> Self {
        Self {
            target,
            name: None,
            refuse_new: false,
        }
    }

    /// Serves the connections of a listener of any type.
    #[must_use]
    pub fn listener(listener: impl Listener) -> Self {
        Self::new(Target::Listener(AnyListener::new(listener)))
    }

    /// Gives it a name to ask for its address by.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// At the final stop, lets no new connection begin before the queue is emptied.
    ///
    /// Then every connection that was made is served, exactly, and none is reset. The price: a client
    /// that comes in the 10 ms before the listener closes learns of it a second later, when its
    /// first packet is repeated. Linux only; without effect elsewhere. Off by default.
    #[must_use]
    pub const fn refuse_new_at_stop(mut self) -> Self {
        self.refuse_new = true;
        self
    }

    /// Refuses what is no address, without binding.
    pub(crate) fn check(&self) -> Result<(), BindError> {
        match &self.target {
            Target::Invalid(error) => Err(error.clone().into()),
            Target::Addr(_) | Target::Std(_) | Target::Listener(_) => Ok(()),
        }
    }

    /// Makes the listener, addresses by way of `network`. Within the runtime that will accept.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing bound, and closes a listener that was bound already.
    pub(crate) async fn open(self, network: &BoxNetwork) -> Result<BoundListener, BindError> {
        let Self {
            target,
            name,
            refuse_new,
        } = self;
        let (listener, asked) = match target {
            Target::Invalid(error) => return Err(error.into()),
            Target::Addr(addr) => match network.bind(&addr).await {
                Ok(listener) => (listener, addr),
                Err(error) => return Err(BindError::refused(addr, error)),
            },
            Target::Std(listener) => {
                let addr = listener.local_addr().map_or_else(
                    |_| Addr::Named("a listener that was bound already".to_owned()),
                    Addr::Tcp,
                );
                match TcpListener::from_std(listener) {
                    Ok(listener) => (AnyListener::Tcp(listener), addr),
                    Err(error) => return Err(BindError::refused(addr, error)),
                }
            }
            Target::Listener(listener) => (
                listener,
                Addr::Named("a listener that was given".to_owned()),
            ),
        };
        match listener.local_addr() {
            Ok(addr) => Ok(BoundListener {
                listener,
                addr,
                name,
                refuse_new,
            }),
            Err(error) => Err(BindError::refused(asked, error)),
        }
    }
}

/// A text, read as [`Addr`] reads it. One that is no address comes out as an error at the start.
impl From<&str> for Bind {
    fn from(text: &str) -> Self {
        Self::new(match text.parse() {
            Ok(addr) => Target::Addr(addr),
            Err(error) => Target::Invalid(error),
        })
    }
}

/// A text, read as [`Addr`] reads it. One that is no address comes out as an error at the start.
impl From<String> for Bind {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// A port, on all IPv4 addresses of the machine; 0 takes a free one.
impl From<u16> for Bind {
    fn from(port: u16) -> Self {
        Self::from((Ipv4Addr::UNSPECIFIED, port))
    }
}

impl From<Addr> for Bind {
    fn from(addr: Addr) -> Self {
        Self::new(Target::Addr(addr))
    }
}

impl From<SocketAddr> for Bind {
    fn from(addr: SocketAddr) -> Self {
        Self::new(Target::Addr(Addr::Tcp(addr)))
    }
}

impl From<([u8; 4], u16)> for Bind {
    fn from(addr: ([u8; 4], u16)) -> Self {
        Self::from(SocketAddr::from(addr))
    }
}

impl From<(IpAddr, u16)> for Bind {
    fn from(addr: (IpAddr, u16)) -> Self {
        Self::from(SocketAddr::from(addr))
    }
}

impl From<(Ipv4Addr, u16)> for Bind {
    fn from(addr: (Ipv4Addr, u16)) -> Self {
        Self::from(SocketAddr::from(addr))
    }
}

impl From<(Ipv6Addr, u16)> for Bind {
    fn from(addr: (Ipv6Addr, u16)) -> Self {
        Self::from(SocketAddr::from(addr))
    }
}

/// A listener that is bound already, as by a test that wanted to know the port first.
impl From<std::net::TcpListener> for Bind {
    fn from(listener: std::net::TcpListener) -> Self {
        Self::new(Target::Std(listener))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::listener::TcpNetwork;

    fn network() -> BoxNetwork {
        BoxNetwork::new(TcpNetwork)
    }

    #[test]
    fn everything_that_names_an_address_is_taken() {
        let addr = |bind: Bind| {
            let Target::Addr(addr) = &bind.target else {
                panic!("{bind:?} is no address")
            };
            addr.to_string()
        };
        assert_eq!(addr(5000.into()), "0.0.0.0:5000");
        assert_eq!(addr("5000".into()), "0.0.0.0:5000");
        assert_eq!(addr(String::from("[::1]:1").into()), "[::1]:1");
        assert_eq!(addr(([127, 0, 0, 1], 2).into()), "127.0.0.1:2");
        assert_eq!(addr((Ipv6Addr::LOCALHOST, 3).into()), "[::1]:3");
        assert_eq!(addr((IpAddr::from([10, 0, 0, 1]), 4).into()), "10.0.0.1:4");
        assert_eq!(
            addr(SocketAddr::from(([10, 0, 0, 1], 5)).into()),
            "10.0.0.1:5"
        );
        assert_eq!(addr(Addr::Named("host".into()).into()), "host");
    }

    #[tokio::test]
    async fn a_wrong_text_comes_out_at_the_start() {
        let bind = Bind::from("example.com:80").named("public");
        let checked = bind.check().unwrap_err().to_string();
        let opened = bind.open(&network()).await.unwrap_err();
        assert_eq!(checked, opened.to_string());
        assert!(
            checked.starts_with(r#""example.com:80" is no address"#),
            "{checked}"
        );
        assert!(opened.addr().is_none());
    }

    #[tokio::test]
    async fn a_free_port_is_taken_and_told() {
        let bound = Bind::from("localhost:0")
            .named("http")
            .refuse_new_at_stop()
            .open(&network())
            .await
            .unwrap();
        assert_ne!(bound.addr().port(), Some(0));
        assert_eq!(bound.name(), Some("http"));
        assert!(bound.refuses_new_at_stop());
        let addr = bound.addr().clone();
        assert_eq!(bound.into_listener().local_addr().unwrap(), addr);
    }

    #[tokio::test]
    async fn a_port_in_use_is_refused_by_name() {
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let addr = taken.local_addr().unwrap();
        let error = Bind::from(addr).open(&network()).await.unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with(&format!("cannot listen on {addr}: ")),
            "{message}"
        );
        assert!(
            message.contains("something else listens there"),
            "{message}"
        );
        assert_eq!(error.addr(), Some(&Addr::Tcp(addr)));
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_refused_by_name() {
        // Set aside for documentation, so no machine has it.
        let error = Bind::from("192.0.2.1:5000")
            .open(&network())
            .await
            .unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("cannot listen on 192.0.2.1:5000: "),
            "{message}"
        );
        assert!(message.contains("no such address"), "{message}");
    }

    #[tokio::test]
    async fn a_network_is_asked_for_addresses_only_it_knows() {
        let named = Bind::from(Addr::Named("host".into()));
        let message = named.open(&network()).await.unwrap_err().to_string();
        assert!(message.starts_with("cannot listen on host: "), "{message}");
    }

    #[tokio::test]
    async fn a_listener_that_is_bound_already_is_taken_over() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut bound = Bind::from(listener).open(&network()).await.unwrap();
        assert_eq!(bound.addr, Addr::Tcp(addr));
        let client = tokio::net::TcpStream::connect(addr).await.unwrap();
        let (_, peer) = bound.listener.accept().await.unwrap();
        assert_eq!(peer, Addr::Tcp(client.local_addr().unwrap()));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let addr = listener.local_addr().unwrap();
        let bound = Bind::listener(listener).open(&network()).await.unwrap();
        assert_eq!(bound.addr, Addr::Tcp(addr));
    }
}
