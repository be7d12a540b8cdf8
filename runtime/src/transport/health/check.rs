//! One readiness check: a named question that a component answers in time, or is down (floor 2).
//!
//! **Invariant:** an error, a panic and silence are all one thing: down.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::os::clock::Clock;
use crate::os::tasks::panic_message;
use crate::transport::BoxError;

/// The default of a kubelet's probe: an answer that comes later than that is not waited for there
/// either.
const TIMEOUT: Duration = Duration::from_secs(1);

type Question =
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send + Sync;

/// A named question that a component of the server answers: ready, or not.
pub struct Check {
    name: Arc<str>,
    question: Box<Question>,
    timeout: Duration,
}

impl Check {
    /// A check that is green when `question` returns `Ok`.
    ///
    /// An error, a panic and a timeout count as red. The closure is called once per round.
    pub fn new<F, Fut, E>(name: impl Into<String>, question: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let name: String = name.into();
        Self {
            name: name.into(),
            question: Box::new(move || {
                let answer = question();
                Box::pin(async move { answer.await.map_err(Into::into) })
            }),
            timeout: TIMEOUT,
        }
    }

    /// How long it may take: 1 s unless told, as a kubelet's probe.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Asks once.
    pub(crate) async fn run(&self, clock: &Clock) -> Result<(), String> {
        let deadline = clock.now() + self.timeout;
        // The closure itself may panic as well as its future.
        let answer = async { (self.question)().await };
        let answer = AssertUnwindSafe(answer).catch_unwind();
        tokio::select! {
            biased;
            answer = answer => match answer {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(payload) => Err(format!("panicked: {}", panic_message(payload.as_ref()))),
            },
            () = clock.sleep_until(deadline) => {
                Err(format!("no answer within {:?}", self.timeout))
            }
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
