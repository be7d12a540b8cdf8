//! Loopback for the runtime, and for those who dial.
//!
//! **Invariant:** no port is taken that somebody else may want: the kernel gives a free one.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use lamplighter::{Addr, Listener, Network, TcpListener, TcpNetwork};
use tokio::net::{TcpSocket, TcpStream};

use crate::host::Dial;
use crate::scenario::{Bind, millis};

/// Binds a free port of 127.0.0.1, whatever it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Loopback {
    bind: Bind,
    /// Where the server listens, once it does.
    addr: Arc<OnceLock<SocketAddr>>,
}

/// A client's way to the server over loopback.
#[derive(Clone, Debug)]
pub struct LoopbackDial {
    addr: Arc<OnceLock<SocketAddr>>,
    receive_buffer: Option<u32>,
}

impl Loopback {
    pub(super) fn new(bind: Bind) -> Self {
        let addr = Arc::default();
        Self { bind, addr }
    }

    pub(super) fn dial(&self, receive_buffer: Option<u32>) -> LoopbackDial {
        let addr = Arc::clone(&self.addr);
        LoopbackDial {
            addr,
            receive_buffer,
        }
    }
}

impl Network for Loopback {
    type Listener = TcpListener;

    async fn bind(&self, _: &Addr) -> io::Result<TcpListener> {
        match self.bind {
            Bind::Ok => {}
            Bind::Late { ms } => tokio::time::sleep(millis(ms)).await,
            Bind::InUse => return Err(ErrorKind::AddrInUse.into()),
            Bind::Hang => pending().await,
        }
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpNetwork::default().bind(&Addr::Tcp(free)).await?;
        if let Some(addr) = listener.local_addr()?.tcp() {
            self.addr.get_or_init(|| addr);
        }
        Ok(listener)
    }
}

impl Dial for LoopbackDial {
    type Io = TcpStream;

    async fn dial(&self) -> io::Result<TcpStream> {
        let addr = self.addr.get().ok_or(ErrorKind::ConnectionRefused)?;
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(*addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn reset(io: TcpStream) {
        // Refused only for a connection that is gone already.
        drop(io.set_zero_linger());
    }
}
