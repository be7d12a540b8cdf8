//! Where a test server lives: on a thread of its own, or in the runtime of its test.
//!
//! **Invariant:** every wait of a test is bounded by real time, whatever clock the test has.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use lamplighter::{Report, ServerHandle};

use super::settle::{Found, Settled, judge, settle};
use super::thread::OwnThread;
use crate::leak::Ledger;
use crate::patience::{bounded, bounded_at_rest, fail};

/// How long a server that is dropped may take to end gracefully before it is forced to.
///
/// Long enough for every goodbye on one machine, short enough for a test that leaves a client behind
/// which cannot answer, since the drop holds its thread.
const GOODBYE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) enum Home {
    /// On a thread of its own; `None` once it has settled.
    Own(Option<OwnThread>),
    /// In the runtime of the test; `None` once it has settled.
    Here(Option<Ledger>),
}

impl Home {
    /// Where a server was that has settled.
    pub(super) const OVER: Self = Self::Own(None);

    /// The clock of a test stands still while it waits for a server that lives elsewhere.
    pub(super) const fn waiting(&self) -> Waiting {
        match self {
            Self::Own(_) => Waiting::Elsewhere,
            Self::Here(_) => Waiting::Here,
        }
    }

    /// Resolves when the server is over: with its end here, and with that of its thread elsewhere, which
    /// is let go at once, so that it need not be told of an end that it sees for itself.
    pub(super) async fn over(&mut self, end: impl Future<Output = Report> + Send) {
        match self {
            Self::Own(Some(thread)) => {
                thread.let_go();
                thread.settled().await;
            }
            Self::Own(None) | Self::Here(_) => drop(end.await),
        }
    }

    /// What is wrong with how the server ended; resolves when nothing of it is left to judge.
    pub(super) async fn settle(
        &mut self,
        here: &Location<'_>,
        report: &Report,
        patience: Duration,
    ) -> Settled {
        match self {
            Self::Here(ledger) => {
                let Some(ledger) = ledger.take() else {
                    return Ok(());
                };
                judge(settle(report, &ledger).await, &ledger)
            }
            Self::Own(own) => {
                let Some(mut thread) = own.take() else {
                    return Ok(());
                };
                thread.let_go();
                if bounded_elsewhere(patience, thread.settled())
                    .await
                    .is_none()
                {
                    let what = format!("waited {patience:?} for the server's thread to end");
                    fail(here, &what)
                }
                let without_a_word = || Err(String::from("its thread ended without a word"));
                let found = thread.found(patience).unwrap_or_else(without_a_word);
                end(thread, found)
            }
        }
    }

    /// As [`settle`](Self::settle), from a drop: ends the server, by force if it must be.
    pub(super) fn drop_it(&mut self, handle: &ServerHandle, patience: Duration) -> Settled {
        let own = match self {
            Self::Here(None) => return Ok(()),
            Self::Here(Some(_)) => {
                drop(handle.stop_because("the test dropped its server"));
                return Err(format!(
                    "it was dropped in the runtime of its test (`here()`), where nobody waits for \
                     its end: `stop()` it, and await that; it is {}",
                    handle.phase()
                ));
            }
            Self::Own(own) => own,
        };
        let Some(mut thread) = own.take() else {
            return Ok(());
        };
        drop(handle.stop_because("the test dropped its server"));
        thread.let_go();
        if thread.is_current() {
            // Dropped by a handler or a hook of its own, it cannot wait for itself.
            return Ok(());
        }
        let found = thread.found(GOODBYE.min(patience)).or_else(|| {
            drop(handle.force());
            thread.found(patience)
        });
        let Some(found) = found else {
            let report = handle.report();
            return Err(format!(
                "it had not ended {patience:?} after it was dropped; {report}\n{}",
                report.timeline()
            ));
        };
        end(thread, found)
    }
}

/// Judges what was found, and waits for the thread. Meanwhile the ports are looked at, and the server is
/// let go of.
fn end(thread: OwnThread, found: Result<(Found, Ledger), String>) -> Settled {
    let found = found.map(|(found, mut ledger)| {
        let found = found.map(|leaks| ledger.look_at_ports(leaks));
        ledger.let_go_of_the_server();
        (found, ledger)
    });
    thread.join();
    let (found, ledger) = found?;
    judge(found, &ledger)
}

/// What the clock of a test does while it waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiting {
    /// It goes on: the server's time is the test's.
    Here,
    /// It stands still: the server is on real time.
    Elsewhere,
}

impl Waiting {
    /// The output of `future`; `None` if it takes longer than `limit` of real time.
    pub(crate) async fn bounded<F: Future>(self, limit: Duration, future: F) -> Option<F::Output> {
        match self {
            Self::Here => bounded(limit, future).await,
            Self::Elsewhere => bounded_elsewhere(limit, future).await,
        }
    }
}

async fn bounded_elsewhere<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    if tokio::runtime::Handle::try_current().is_ok() {
        bounded_at_rest(limit, future).await
    } else {
        // Another executor has no clock that could be paused.
        bounded(limit, future).await
    }
}
