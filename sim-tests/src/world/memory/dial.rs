//! A client's way to the server in memory.
//!
//! **Invariant:** a handshake takes a round trip, as long as nothing is held, and the server has the
//! connection in its queue from when the client's first word reaches it.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use tokio::time::Instant;

use super::end::End;
use super::net::Net;
use crate::host::Dial;
use crate::service::pass;

/// A client's way to the server in memory.
#[derive(Clone, Debug)]
pub struct MemoryDial {
    net: Net,
    client: u16,
    /// The networks of all hosts, in order.
    nets: Arc<[Net]>,
}

impl MemoryDial {
    /// To the first host.
    pub(super) fn new(nets: &Arc<[Net]>, client: u16) -> Option<Self> {
        let net = nets.first()?.clone();
        let nets = Arc::clone(nets);
        Some(Self { net, client, nets })
    }

    /// One trip, which takes longer where something is held.
    async fn trip(&self) {
        pass(self.net.latency()).await;
        self.net.travels(self.client).await;
    }
}

impl Dial for MemoryDial {
    type Io = End;

    async fn dial(&self) -> io::Result<End> {
        self.net.travels(self.client).await;
        self.trip().await;
        let Some(ours) = self.enter() else {
            self.trip().await;
            return Err(ErrorKind::ConnectionRefused.into());
        };
        self.trip().await;
        self.net
            .arrives_in_queue(Instant::now() + self.net.latency());
        Ok(ours)
    }

    fn reset(io: End) {
        io.abort();
    }

    fn to_host(&self, number: u16) -> Option<Self> {
        let net = self.nets.get(usize::from(number))?.clone();
        Some(Self {
            net,
            ..self.clone()
        })
    }
}

impl MemoryDial {
    /// Comes to the listener, if there is one; gives the client's end.
    fn enter(&self) -> Option<End> {
        let is_open = |state: &super::net::State| !state.broken && state.backlog.is_some();
        if !is_open(&self.net.state()) {
            return None;
        }
        let (ours, theirs) = self.net.line(self.client);
        let at = Instant::now() + self.net.latency() + self.net.latency();
        if let Some(backlog) = &mut self.net.state().backlog {
            backlog.push(at, theirs);
        }
        Some(ours)
    }
}
