//! From what a test server is given to one that is ready.
//!
//! **Invariant:** a start that fails leaves nothing either, or the test fails for that.

use std::error::Error;
use std::future::Future;
use std::panic::Location;
use std::sync::Mutex;
use std::time::Duration;

use lamplighter::{Application, Running, Server, ServerHandle, StartError};

use super::TestServerBuilder;
use crate::descriptors::what_it_takes;
use crate::ephemeral::Ephemeral;
use crate::leak::Ledger;
use crate::patience::fail;
use crate::test_server::TestServer;
use crate::test_server::home::Home;
use crate::test_server::thread::OwnThread;
use crate::test_server::told::Told;

/// Where a server is to live.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    OwnThread,
    Here,
}

impl TestServerBuilder {
    /// Starts a server for this application. It is ready when this resolves.
    ///
    /// # Panics
    ///
    /// If it does not start, with the server's own error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server in the background.
    #[track_caller]
    pub fn spawn(mut self, app: impl Application) -> impl Future<Output = TestServer> + Send {
        let ledger = self.ledger();
        let app = ledger.noted(app);
        started(Location::caller(), self.begin(Server::new(app), ledger))
    }

    /// Starts this server, wherever it was told to listen on a free port instead. It is ready when
    /// this resolves.
    ///
    /// # Panics
    ///
    /// If it does not start, with the server's own error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server in the background.
    #[track_caller]
    pub fn start(self, server: Server) -> impl Future<Output = TestServer> + Send {
        started(Location::caller(), self.try_start(server))
    }

    /// As [`start`](Self::start), for a test that wants to see it fail.
    ///
    /// # Errors
    ///
    /// Those of [`Server::start`].
    ///
    /// # Panics
    ///
    /// After its [`patience`](Self::patience), if it neither starts nor fails; if a start that failed
    /// leaves something behind.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server in the background.
    #[track_caller]
    pub fn try_start(
        mut self,
        server: Server,
    ) -> impl Future<Output = Result<TestServer, StartError>> + Send {
        let ledger = self.ledger();
        self.begin(server, ledger)
    }

    fn ledger(&mut self) -> Ledger {
        let mut ledger = match self.place {
            Place::Here => Ledger::of_shared_runtime(),
            Place::OwnThread => Ledger::of_own_runtime(),
        };
        for entry in self.entries.drain(..) {
            entry(&mut ledger);
        }
        ledger
    }

    #[track_caller]
    fn begin(
        self,
        server: Server,
        mut ledger: Ledger,
    ) -> impl Future<Output = Result<TestServer, StartError>> + Send {
        let here = Location::caller();
        let server = server.network(Ephemeral::entering(ledger.ports()));
        let steps = self.steps.into_iter();
        let server = steps.fold(server, |server, step| step(server));
        ledger.server(server.handle());
        let told = Told::by(&server);
        let (place, workers, patience) = (self.place, self.workers, self.patience);
        let directory = self.directory;
        async move {
            let apart = [
                ("worker_threads", workers.is_some()),
                ("whole_process", ledger.judges_whole_process()),
            ];
            for (what, said) in apart {
                if said && matches!(place, Place::Here) {
                    fail(
                        here,
                        &format!(
                            "`{what}` is for a server with a runtime of its own, and this one is kept \
                         `here`"
                        ),
                    );
                }
            }
            let held = ledger.held();
            let (running, home) = match place {
                Place::Here => start_here(here, server, &told, ledger, patience).await?,
                Place::OwnThread => {
                    start_elsewhere(here, server, &told, workers, ledger, patience).await?
                }
            };
            Ok(TestServer {
                running,
                home,
                held,
                patience,
                here,
                told,
                dialler: Mutex::default(),
                _directory: directory,
            })
        }
    }
}

async fn started(
    here: &'static Location<'static>,
    start: impl Future<Output = Result<TestServer, StartError>> + Send,
) -> TestServer {
    match start.await {
        Ok(server) => server,
        Err(error) => {
            let takes = takes(&error);
            fail(here, &format!("the server did not start: {error}{takes}"))
        }
    }
}

/// What would have to be allowed for it to start, if it is descriptors that it lacks.
fn takes(error: &(dyn Error + 'static)) -> String {
    what_it_takes(error).map_or_else(String::new, |takes| format!("; {takes}"))
}

async fn start_here(
    here: &'static Location<'static>,
    server: Server,
    told: &Told,
    ledger: Ledger,
    patience: Duration,
) -> Result<(Running, Home), StartError> {
    let handle = server.handle();
    let home = Home::Here(Some(ledger));
    match home.waiting().bounded(patience, server.start()).await {
        Some(Ok(running)) => Ok((running, home)),
        Some(Err(error)) => Err(failed(here, home, error, patience).await),
        None => never_started(here, &handle, told, patience),
    }
}

async fn start_elsewhere(
    here: &'static Location<'static>,
    server: Server,
    told: &Told,
    workers: Option<usize>,
    ledger: Ledger,
    patience: Duration,
) -> Result<(Running, Home), StartError> {
    let handle = server.handle();
    let (thread, started) = OwnThread::start(server, workers, ledger).unwrap_or_else(|error| {
        let takes = takes(&error);
        fail(
            here,
            &format!("the server has no runtime of its own: {error}{takes}"),
        )
    });
    let home = Home::Own(Some(thread));
    match home.waiting().bounded(patience, started).await {
        Some(Ok(Ok(running))) => Ok((running, home)),
        Some(Ok(Err(error))) => Err(failed(here, home, error, patience).await),
        Some(Err(_)) => fail(here, "the server's thread panicked; see above"),
        None => never_started(here, &handle, told, patience),
    }
}

fn never_started(here: &Location<'_>, handle: &ServerHandle, told: &Told, limit: Duration) -> ! {
    let (phase, told) = (handle.phase(), told.lines());
    fail(
        here,
        &format!("waited {limit:?} for the server to start; it is {phase}; {told}"),
    )
}

async fn failed(
    here: &Location<'_>,
    mut home: Home,
    error: StartError,
    patience: Duration,
) -> StartError {
    if let Err(left) = home.settle(here, error.report(), patience).await {
        fail(
            here,
            &format!("the server did not start: {error}; and {left}"),
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use axum::Router;

    use super::*;
    use crate::leak::Leak;

    #[tokio::test]
    async fn the_ledger_knows_the_ports_of_a_server_that_was_started() {
        for mut builder in [TestServer::builder(), TestServer::here()] {
            let (tell, told) = mpsc::channel();
            let tells = move |ledger: &mut Ledger| tell.send(ledger.ports()).unwrap();
            builder.entries.push(Box::new(tells));
            let server = builder.spawn(Router::new()).await;
            let ports = told.recv().unwrap();
            assert_eq!(ports.left(), [Leak::Port(server.addr())]);
            assert!(server.stop().await.is_clean());
            assert_eq!(ports.left(), []);
        }
    }
}
