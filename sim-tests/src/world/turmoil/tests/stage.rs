//! A simulation of a listener and of clients, both of which tell what they see.

use std::future::Future;
use std::io;

use lamplighter::{Addr, Listener, Network};
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use super::super::clock::StepClock;
use super::super::hosts::Hosts;
use super::super::net::{TurmoilDial, TurmoilListener};
use super::super::stream::TurmoilIo;
use super::{Told, WINDOW, hosts, millis, step_for};
use crate::service::PORT;

/// Both sides of one simulation, and what they tell.
pub(super) struct Stage {
    pub(super) hosts: Hosts,
    told: Told,
    pub(super) clock: StepClock,
}

impl Stage {
    /// A simulation in which nothing runs yet.
    pub(super) fn new() -> Self {
        let (hosts, clock) = hosts();
        let told = Told::default();
        Self { hosts, told, clock }
    }

    /// Runs this on the server's host, with a bound listener.
    pub(super) fn server<F, Fut>(&self, run: F)
    where
        F: FnOnce(TurmoilListener, Tell) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let (network, tell) = (self.hosts.network(0), self.tell("server"));
        self.hosts.run_on_server(0, async move {
            let addr = Addr::Tcp(([0, 0, 0, 0], PORT).into());
            run(network.bind(&addr).await.unwrap(), tell).await;
        });
    }

    /// Runs this on the client's host, from the second tick on.
    pub(super) fn client<F, Fut>(&self, client: u16, run: F)
    where
        F: FnOnce(TurmoilDial, Tell) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let (dial, tell) = (self.hosts.dial(client, WINDOW), self.tell("client"));
        self.hosts.run_client(client, async move {
            sleep(millis(1)).await;
            run(dial, tell).await;
        });
    }

    fn tell(&self, who: &'static str) -> Tell {
        Tell {
            told: self.told.clone(),
            clock: self.clock.clone(),
            who,
        }
    }

    /// What was told in so many ticks, and since the beginning.
    pub(super) fn after(&mut self, ticks: u64) -> Vec<String> {
        step_for(&mut self.hosts, ticks);
        self.told.lines()
    }
}

/// One side's way to tell.
#[derive(Clone)]
pub(super) struct Tell {
    told: Told,
    clock: StepClock,
    who: &'static str,
}

impl Tell {
    /// Tells this, with the time.
    pub(super) fn say(&self, what: impl std::fmt::Display) {
        self.told
            .tell(self.clock.now(), format!("{} {what}", self.who));
    }

    /// Reads to the end, telling each piece and what the end is.
    pub(super) async fn read(&self, io: &mut TurmoilIo) {
        let mut piece = vec![0; WINDOW];
        loop {
            match io.read(&mut piece).await {
                Ok(0) => return self.say("fin"),
                Ok(bytes) => self.say(bytes),
                Err(error) => return self.say(error.kind()),
            }
        }
    }

    /// Tells what came of a write.
    pub(super) fn sent(&self, sent: &io::Result<()>) {
        match sent {
            Ok(()) => self.say("sent"),
            Err(error) => self.say(error.kind()),
        }
    }
}

/// The next connection.
pub(super) async fn accepted(listener: &mut TurmoilListener) -> TurmoilIo {
    listener.accept().await.unwrap().0
}
