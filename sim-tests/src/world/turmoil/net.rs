//! turmoil's network for the runtime, and for those who dial.
//!
//! turmoil makes a connection when somebody accepts it; a kernel makes it, and keeps it in a queue
//! until somebody does. So a task of each listener accepts at once, as the kernel of its host.
//!
//! **Invariant:** nothing here is known to the runtime that its public seams do not say.

use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use lamplighter::{Addr, Listener, Network};
use tokio::time::{Instant, sleep_until};
use turmoil::net::{TcpListener, TcpStream};

use super::queue::Queue;
use super::stream::TurmoilIo;
use super::wire::{Caller, End, Wires};
use crate::host::Dial;
use crate::scenario::{Bind, millis};
use crate::service::PORT;

/// Binds inside of the host that asks.
#[derive(Clone, Debug)]
pub(super) struct TurmoilNetwork {
    wires: Arc<Wires>,
    queue: Queue,
    bind: Bind,
}

/// Listens inside of a host.
#[derive(Debug)]
pub(super) struct TurmoilListener {
    addr: SocketAddr,
    queue: Queue,
}

/// Dials the server from inside of a client's host.
#[derive(Clone, Debug)]
pub struct TurmoilDial {
    wires: Arc<Wires>,
    host: IpAddr,
    server: SocketAddr,
    caller: Caller,
    /// The servers of all hosts, in order.
    servers: Arc<[SocketAddr]>,
}

impl TurmoilNetwork {
    pub(super) const fn new(wires: Arc<Wires>, queue: Queue, bind: Bind) -> Self {
        Self { wires, queue, bind }
    }
}

impl Network for TurmoilNetwork {
    type Listener = TurmoilListener;

    async fn bind(&self, addr: &Addr) -> io::Result<TurmoilListener> {
        match self.bind {
            Bind::Ok => {}
            Bind::Late { ms } => tokio::time::sleep(millis(ms)).await,
            Bind::InUse => return Err(ErrorKind::AddrInUse.into()),
            Bind::Hang => pending().await,
        }
        let listener = TcpListener::bind(place(addr)?).await?;
        let addr = listener.local_addr()?;
        let kernel = tokio::spawn(fill(listener, Arc::clone(&self.wires), self.queue.clone()));
        self.queue.filled_by(kernel.abort_handle());
        Ok(TurmoilListener {
            addr,
            queue: self.queue.clone(),
        })
    }

    /// What its clients have is simulated.
    fn has_clock(&self) -> bool {
        false
    }
}

/// What turmoil, whose hosts have one IPv4 address each, makes of an address: all of that host's, and the
/// one port that is dialled, whatever a service of somebody's own is used to. One that listens on the
/// loopback alone would be reached by nobody, and whatever it does wrong would not show.
fn place(addr: &Addr) -> io::Result<SocketAddr> {
    match addr.tcp() {
        Some(_) => Ok((Ipv4Addr::UNSPECIFIED, PORT).into()),
        None => Err(ErrorKind::Unsupported.into()),
    }
}

/// Lets in whoever comes.
async fn fill(listener: TcpListener, wires: Arc<Wires>, queue: Queue) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = queue.ripens() => continue,
            accepted = listener.accept() => accepted,
        };
        let there = Instant::now() + wires.latency() * 2;
        let entered = accepted.and_then(|(stream, peer)| {
            let io = TurmoilIo::new(stream, &wires, End::Server)?;
            queue.push(there, io, Addr::Tcp(peer));
            Ok(())
        });
        if entered.is_err() {
            // turmoil's accept never fails, and nobody comes but by our own dial.
            return;
        }
    }
}

impl Listener for TurmoilListener {
    type Io = TurmoilIo;

    async fn accept(&mut self) -> io::Result<(TurmoilIo, Addr)> {
        poll_fn(|cx| self.queue.poll_take(cx)).await
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::Tcp(self.addr))
    }

    fn accept_queued(&mut self) -> io::Result<Option<(TurmoilIo, Addr)>> {
        self.queue.take().transpose()
    }

    /// turmoil sends a reset only for bytes that were left unread. So the end of this connection is
    /// marked as one, and the other end takes it for one when it has read what came before.
    fn abort(io: &TurmoilIo) -> io::Result<()> {
        io.reset();
        Ok(())
    }
}

impl Drop for TurmoilListener {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl TurmoilDial {
    pub(super) const fn new(
        wires: Arc<Wires>,
        host: IpAddr,
        server: SocketAddr,
        caller: Caller,
        servers: Arc<[SocketAddr]>,
    ) -> Self {
        Self {
            wires,
            host,
            server,
            caller,
            servers,
        }
    }
}

impl Dial for TurmoilDial {
    type Io = TurmoilIo;

    /// A connection, or a refusal, one round trip later: turmoil's own come half a round trip too
    /// soon, since it carries what answers a SYN to its sender at once.
    async fn dial(&self) -> io::Result<TurmoilIo> {
        let answer = Instant::now() + self.wires.latency() * 2;
        let attempt = self.wires.dials(self.host, self.caller);
        let connected = TcpStream::connect(self.server).await;
        drop(attempt);
        let connected = connected.and_then(|it| TurmoilIo::new(it, &self.wires, End::Client));
        sleep_until(answer).await;
        self.wires.travels(self.host).await;
        connected
    }

    fn reset(io: TurmoilIo) {
        io.reset();
    }

    fn to_host(&self, number: u16) -> Option<Self> {
        let server = *self.servers.get(usize::from(number))?;
        Some(Self {
            server,
            ..self.clone()
        })
    }
}
