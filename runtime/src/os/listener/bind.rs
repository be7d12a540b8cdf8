//! What a server is told to listen on, and making listeners of it at the start (floor 1).
//!
//! **Invariant:** making a [`Bind`] never fails and binds nothing: what is wrong comes out at the
//! start. What was inherited is taken as soon as somebody names it, before more of the program runs.

mod from;

use std::collections::BTreeSet;
use std::path::Path;

#[cfg(unix)]
use super::inherited::{self, Inherited};
#[cfg(unix)]
use super::unix::UnixListener;
use super::{Addr, AddrError, AnyListener, BindError, BoxNetwork, Label, Listener, TcpListener};

/// What to listen on.
///
/// | what | written | held |
/// |---|---|---|
/// | a port on all IPv4 addresses | `5000`, `"5000"` | owned |
/// | an address and a port; 0 takes a free one | `"127.0.0.1:5000"`, `"[::1]:0"`, a `SocketAddr` | owned |
/// | all IPv6 and IPv4 addresses | `"[::]:5000"` | owned |
/// | a Unix socket | `"unix:/run/app.sock"`, [`Bind::unix`] | owned |
/// | an inherited listener | [`Bind::inherited`] | shared |
/// | a listener that is bound already | a `TcpListener` or `UnixListener` of std | owned |
/// | any type of listener | [`Bind::listener`] | owned |
///
/// What is owned is nobody else's: at the stop its queue is emptied before it is closed. What is
/// [`shared`](Self::shared) is left as it is for its other holders.
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
    holding: Holding,
    mode: Option<u32>,
}

#[derive(Debug)]
enum Target {
    Addr(Addr),
    /// Kept until the start.
    Invalid(AddrError),
    Std(std::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
    #[cfg(unix)]
    Inherited(String),
    Listener(AnyListener),
}

/// Who holds a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Nobody but the server.
    Owned,
    /// Others as well: another process, or another part of this one.
    Shared,
}

/// A listener that was made, with what was said about it.
#[derive(Debug)]
pub(crate) struct BoundListener {
    listener: AnyListener,
    addr: Addr,
    name: Option<String>,
    refuse_new: bool,
    holding: Holding,
}

impl BoundListener {
    /// Where it listens, with the real port.
    pub(crate) const fn addr(&self) -> &Addr {
        &self.addr
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it is called where something is said of it.
    pub(crate) fn label(&self) -> Label {
        Label::new(self.name.clone(), self.addr.clone())
    }

    /// Whether new connections are to be refused at the final stop before the queue is emptied.
    pub(crate) const fn refuses_new_at_stop(&self) -> bool {
        self.refuse_new
    }

    pub(crate) const fn holding(&self) -> Holding {
        self.holding
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
            holding: Holding::Owned,
            mode: None,
        }
    }

    const fn invalid(error: AddrError) -> Self {
        Self::new(Target::Invalid(error))
    }

    /// Serves the connections of a listener of any type.
    #[must_use]
    pub fn listener(listener: impl Listener) -> Self {
        Self::new(Target::Listener(AnyListener::new(listener)))
    }

    /// Listens on a Unix socket: its path, at most 107 bytes on Linux and 103 elsewhere. `@name` is a
    /// name in Linux's abstract namespace (`unix(7)`), which is no file.
    ///
    /// The file of a server that is gone, one on which nobody answers, is replaced; where somebody
    /// answers, or what is there is no socket, the start fails. At the stop the file is removed
    /// first, unless another one has come in its place: nobody new comes then, and all who have
    /// connected are served. Such a socket is always bound by the operating system, whatever
    /// network the server was given. Not on Windows.
    #[must_use]
    pub fn unix(path: impl AsRef<Path>) -> Self {
        AddrError::check_path(path.as_ref())
            .map_or_else(Self::invalid, |addr| Self::new(Target::Addr(addr)))
    }

    /// Takes the listener of this name that the process was given by whoever started it: a systemd
    /// socket with this `FileDescriptorName=` (by default the name of its unit), or what another tool
    /// passes by the same protocol (`LISTEN_FDS`, `LISTEN_FDNAMES`, `LISTEN_PID`: see
    /// `sd_listen_fds(3)`). Without names all of them are called `unknown`.
    ///
    /// It is [`shared`](Self::shared): the service manager goes on to hold it. Of several with one
    /// name, each call takes the next. A name that is not there comes out at the start, with those
    /// that are.
    ///
    /// The first call takes every descriptor of the protocol and closes it in all children to come,
    /// and takes `LISTEN_FDS` and `LISTEN_PID` out of the environment. Make it early, before other
    /// threads run that read the environment other than by Rust's own functions.
    #[cfg(unix)]
    #[must_use]
    pub fn inherited(name: impl Into<String>) -> Self {
        inherited::claim();
        Self::new(Target::Inherited(name.into())).shared()
    }

    /// The names of the inherited listeners that no server has taken yet, in their order; a name
    /// stands there as often as it was passed. Empty where nothing was inherited.
    ///
    /// What was passed and is no good has its name here too, so that a server which listens on all of
    /// them does not start without it: a socket that does not listen, a file. Where the variables make
    /// no sense there is one name, `unknown`. What is wrong comes out of the start that asks for it.
    ///
    /// Does what the first call of [`inherited`](Self::inherited) does.
    #[cfg(unix)]
    #[must_use]
    pub fn inherited_names() -> Vec<String> {
        inherited::names()
    }

    /// The TCP port that it is for; `None` if it is no TCP or the port is taken at the start.
    pub(crate) fn port(&self) -> Option<u16> {
        let port = match &self.target {
            Target::Addr(Addr::Tcp(addr)) => Some(addr.port()),
            Target::Addr(Addr::Named(name)) => name
                .rsplit_once(':')
                .and_then(|(_, port)| port.parse().ok()),
            Target::Std(listener) => listener.local_addr().ok().map(|addr| addr.port()),
            Target::Addr(Addr::Unix(_)) | Target::Invalid(_) | Target::Listener(_) => None,
            #[cfg(unix)]
            Target::Unix(_) | Target::Inherited(_) => None,
        };
        port.filter(|port| *port != 0)
    }

    /// Gives it a name to ask for its address by. No two listeners of a server have the same one.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Somebody else holds this listener too, and goes on after the stop: another process, or a clone
    /// of it in this one.
    ///
    /// Then nothing is done to the socket itself. At the stop the server accepts no more, leaves what
    /// is queued to the others, closes its own descriptor, and removes no file. Nothing is accepted
    /// before the server is ready either: whoever comes waits in the queue, probes included. While
    /// nobody else accepts, clients wait until somebody does.
    ///
    /// The socket is made non-blocking for all holders, and stays so: made blocking again, it would
    /// hold up whoever polls it.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.holding = Holding::Shared;
        self
    }

    /// The permissions of a Unix socket's file, such as `0o660`: who may write it may connect.
    /// Without, those that the process's umask leaves.
    ///
    /// Set before anybody can connect. More than `0o777`, and any for what is no file, is refused at
    /// the start.
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// At the final stop, lets no new connection begin before the queue is emptied.
    ///
    /// Then every connection that was made is served, exactly, and none is reset. The price: a client
    /// that comes in the 10 ms before the listener closes learns of it a second later, when its
    /// first packet is repeated. TCP on Linux only; without effect elsewhere, on Unix sockets, where
    /// it is always so and costs nothing, and on [`shared`](Self::shared) ones, whose other holders
    /// are to be reached. Off by default.
    #[must_use]
    pub const fn refuse_new_at_stop(mut self) -> Self {
        self.refuse_new = true;
        self
    }

    /// Refuses what cannot be listened on by one server, without binding.
    pub(crate) fn check_all<'a>(
        binds: impl IntoIterator<Item = &'a Self>,
    ) -> Result<(), BindError> {
        let (mut names, mut addrs) = (BTreeSet::new(), BTreeSet::new());
        for bind in binds {
            bind.check()?;
            if let Some(name) = bind.name.as_ref().filter(|name| !names.insert(*name)) {
                return Err(BindError::NameTaken { name: name.clone() });
            }
            if let Target::Addr(addr) = &bind.target
                && addr.port() != Some(0)
                && !addrs.insert(addr)
            {
                return Err(BindError::Twice { addr: addr.clone() });
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), BindError> {
        match &self.target {
            Target::Invalid(error) => return Err(error.clone().into()),
            #[cfg(unix)]
            Target::Inherited(name) => inherited::check(name)?,
            #[cfg(unix)]
            Target::Unix(_) => {}
            Target::Addr(_) | Target::Std(_) | Target::Listener(_) => {}
        }
        let is_file = matches!(&self.target, Target::Addr(addr) if addr.is_file());
        match self.mode {
            Some(mode) if mode > 0o777 || !is_file => Err(BindError::Mode { mode }),
            Some(_) | None => Ok(()),
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
            mut refuse_new,
            holding,
            mode,
        } = self;
        let given = || Addr::Named("a listener that was bound already".to_owned());
        let (listener, asked) = match target {
            Target::Invalid(error) => return Err(error.into()),
            #[cfg(unix)]
            Target::Addr(addr @ Addr::Unix(_)) => (bind_unix(&addr, mode, holding), addr),
            Target::Addr(addr) => (network.bind(&addr).await, addr),
            Target::Std(listener) => {
                let addr = listener.local_addr().map_or_else(|_| given(), Addr::Tcp);
                let listener = TcpListener::from_std(listener);
                (listener.map(AnyListener::Tcp), addr)
            }
            #[cfg(unix)]
            Target::Unix(listener) => {
                let listener = UnixListener::from_std(listener);
                (listener.map(AnyListener::Unix), given())
            }
            #[cfg(unix)]
            Target::Inherited(name) => {
                let listener = match inherited::take(&name)? {
                    Inherited::Tcp(tcp) => TcpListener::from_std(tcp).map(AnyListener::Tcp),
                    Inherited::Unix(unix) => UnixListener::from_std(unix).map(AnyListener::Unix),
                };
                (
                    listener,
                    Addr::Named(format!("the inherited listener {name:?}")),
                )
            }
            Target::Listener(listener) => (
                Ok(listener),
                Addr::Named("a listener that was given".to_owned()),
            ),
        };
        let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (addr, listener) = match bound {
            Ok(bound) => bound,
            Err(error) => return Err(BindError::refused(asked, error)),
        };
        // Without its path nobody new comes, at no price.
        refuse_new |= addr.is_file();
        Ok(BoundListener {
            listener,
            addr,
            name,
            refuse_new,
            holding,
        })
    }
}

#[cfg(unix)]
fn bind_unix(addr: &Addr, mode: Option<u32>, holding: Holding) -> std::io::Result<AnyListener> {
    let Addr::Unix(Some(path)) = addr else {
        let kind = std::io::ErrorKind::InvalidInput;
        return Err(std::io::Error::new(kind, "a Unix socket needs a path"));
    };
    let mut listener = UnixListener::bind(path, mode)?;
    if holding == Holding::Shared {
        listener.leave_path();
    }
    Ok(AnyListener::Unix(listener))
}

#[cfg(test)]
mod tests;
