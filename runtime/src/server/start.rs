//! The start of one life: check, bind all listeners or none, prove readiness (floor 3).
//!
//! **Invariant:** a start that is dropped at any point leaves nothing open. **Invariant:** how long
//! it may take, and what follows, is the core's to say.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lamplighter_lifecycle::{Input, ListenerId, StartFailure};

use super::admin::Admin;
use super::error::StartReason;
use super::life::{Bound, Life};
use crate::os::clock::Clock;
use crate::os::listener::{Bind, BindError, BoundListener, BoxNetwork, Holding};
use crate::os::log;
use crate::transport::{Accepting, Answers, Newcomers, Sink, Transport};

/// How long a round of readiness checks that was not all green is followed by nothing: short
/// against any start worth waiting for, long against the cost of a round.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(20);

/// How long a start waits for its checks before it says so: less is no news.
const UNTOLD: Duration = Duration::from_millis(100);

/// How long it then says nothing more, however often the answers change.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// Logs what a start waits for, each time that it is something else. Never ends.
async fn told(clock: &Clock, red: &Mutex<Arc<str>>) {
    let mut told: Arc<str> = Arc::from("");
    clock.sleep_until(clock.now() + UNTOLD).await;
    loop {
        let red = Arc::clone(&red.lock().unwrap_or_else(PoisonError::into_inner));
        if red != told {
            log::info!(target: "lamplighter::server", "not ready yet: {red}");
            told = red;
        }
        clock.sleep_until(clock.now() + BETWEEN_LINES).await;
    }
}

/// Asks the readiness checks until one round is all green; keeps what is not in `red`.
async fn rounds(life: &Life, red: &Mutex<Arc<str>>) {
    let mut answers = Answers::default();
    let tell = |text: Arc<str>| {
        *red.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&text);
        life.input(Input::ChecksRed(text));
    };
    while !life.health.round(&life.clock, &mut answers, tell).await {
        let next = life.clock.now() + BETWEEN_ROUNDS;
        life.clock.sleep_until(next).await;
    }
}

/// What a start needs, once.
pub(crate) struct Start {
    pub(crate) life: Arc<Life>,
    pub(crate) binds: Vec<Bind>,
    /// Which variables say where to listen.
    pub(crate) place_note: Option<String>,
    pub(crate) network: BoxNetwork,
    pub(crate) transport: Transport,
    pub(crate) admin: Option<Admin>,
    /// What was found wrong before anything was bound.
    pub(crate) refused: Result<(), StartReason>,
}

/// Tells the core that the start task is gone, however it went.
struct Ended(Arc<Life>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.input(Input::StartEnded);
    }
}

/// A start that has begun, from before its task is polled: one that is dropped even then is gone.
struct Begun {
    start: Start,
    // Dropped last: after everything that the start holds.
    _ended: Ended,
}

impl Start {
    /// Runs to the point where the server is ready, failed, or told to end.
    pub(crate) fn run(self) -> impl Future<Output = ()> + Send {
        let ended = Ended(Arc::clone(&self.life));
        let begun = Begun {
            start: self,
            _ended: ended,
        };
        async move {
            let mut begun = begun;
            let life = Arc::clone(&begun.start.life);
            tokio::select! {
                biased;
                () = life.start_cancelled() => {}
                () = begun.start.prove() => {}
            }
        }
    }

    async fn prove(&mut self) {
        if let Err(failure) = self.open().await {
            self.life.input(Input::StartFailed(failure));
            return;
        }
        let red = Mutex::new(Arc::from(""));
        tokio::select! {
            biased;
            () = rounds(&self.life, &red) => self.life.input(Input::Ready),
            () = told(&self.life.clock, &red) => {}
        }
    }

    /// Checks what can be checked, binds all listeners or none, and begins to accept.
    async fn open(&mut self) -> Result<(), StartFailure> {
        if let Err(reason) = std::mem::replace(&mut self.refused, Ok(())) {
            let message = reason.to_string().into();
            let failure = if matches!(reason, StartReason::Signals(_)) {
                StartFailure::System(message)
            } else {
                StartFailure::Configuration(message)
            };
            self.life.reason.get_or_init(|| reason);
            return Err(failure);
        }
        let mut open = Vec::with_capacity(self.binds.len());
        for bind in std::mem::take(&mut self.binds) {
            match bind.open(&self.network).await {
                Ok(listener) => open.push(listener),
                Err(error) => return Err(self.refused(error, self.place_note.as_deref())),
            }
        }
        let admin = match self.admin.take() {
            None => None,
            Some(Admin { bind, transport }) => match bind.open(&self.network).await {
                Ok(listener) => Some((listener, transport)),
                Err(error) => return Err(self.refused(error, None)),
            },
        };
        self.accept(open, admin);
        Ok(())
    }

    fn refused(&self, error: BindError, note: Option<&str>) -> StartFailure {
        let message = match note {
            None => error.to_string(),
            Some(note) => {
                self.life.place_note.get_or_init(|| note.into());
                format!("{error}; {note}")
            }
        };
        let message = message.into();
        let configuration = error.is_configuration();
        self.life
            .reason
            .get_or_init(|| StartReason::Bind(Arc::new(error)));
        if configuration {
            StartFailure::Configuration(message)
        } else {
            StartFailure::Bind(message)
        }
    }

    /// Hands the listeners to the transport: from here on whoever connects is answered.
    fn accept(&self, open: Vec<BoundListener>, admin: Option<(BoundListener, Transport)>) {
        let admin_listener = admin.as_ref().map(|(listener, _)| listener);
        let addrs = open
            .iter()
            .chain(admin_listener)
            .map(|listener| Bound {
                name: listener.name().map(Into::into),
                addr: listener.addr().clone(),
            })
            .collect();
        self.life.addrs.get_or_init(|| addrs);
        let mut accepting = Vec::with_capacity(open.len());
        for (number, listener) in (0..).zip(open) {
            let newcomers = match (listener.holding(), listener.refuses_new_at_stop()) {
                (Holding::Shared, _) => Newcomers::Leave,
                (Holding::Owned, true) => Newcomers::Refuse,
                (Holding::Owned, false) => Newcomers::Queue,
            };
            accepting.push(Accepting {
                id: ListenerId::new(number),
                label: listener.label(),
                listener: listener.into_listener(),
                newcomers,
            });
        }
        self.transport.accept(accepting);
        if let Some((listener, transport)) = admin {
            transport.accept(vec![Accepting {
                // Its number is seen in the name of its task alone, and is none of the others'.
                id: ListenerId::new(u32::MAX),
                label: listener.label(),
                listener: listener.into_listener(),
                newcomers: Newcomers::Leave,
            }]);
        }
        self.life.input(Input::Bound);
    }
}
