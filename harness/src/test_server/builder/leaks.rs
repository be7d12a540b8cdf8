//! What a test says of leaks: what else must be gone, and what may stay.
//!
//! **Invariant:** nothing here makes a leak go unseen: one that is allowed is told of.

use std::sync::Arc;

use super::TestServerBuilder;

impl TestServerBuilder {
    /// Expects of this object that nobody holds it when the server has stopped: whatever its
    /// application was given, such as a pool of connections. It is not kept meanwhile.
    ///
    /// The test counts as a holder like any other: it has to let go of its own.
    ///
    /// ```
    /// # use axum::{Router, routing::get};
    /// # use std::sync::Arc;
    /// use lamplighter_harness::TestServer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let pool = Arc::new("a pool");
    /// let builder = TestServer::builder().watch("pool", &pool);
    /// let server = builder.spawn(Router::new().with_state(pool)).await;
    /// drop(server); // fails if a task that a handler has spawned still holds it
    /// # }
    /// ```
    pub fn watch<T: Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        object: &Arc<T>,
    ) -> Self {
        let (name, object) = (name.into(), Arc::downgrade(object));
        self.entries
            .push(Box::new(|ledger| ledger.held().watch(name, object)));
        self
    }

    /// Lets what the server leaves behind be, for this reason, which is shown with it.
    ///
    /// It is not waited for then, and not told to end.
    pub fn allow_leaks(mut self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        self.entries.push(Box::new(|ledger| ledger.allow(reason)));
        self
    }

    /// Judges by the whole process as well: every descriptor that was opened since the server began
    /// and is still open is a leak, and so is every thread that something in the server has started,
    /// without giving it a name, and that still runs.
    ///
    /// Only for a test that is alone in its process (the only one of its file in `tests/`, or run by
    /// nextest), and that has closed its own clients before the server ends. Finds nothing but on
    /// Linux.
    ///
    /// Refused at the start together with [`here`](Self::here): what the test does there cannot be told
    /// from what the server does.
    pub fn whole_process(mut self) -> Self {
        self.entries.push(Box::new(|ledger| ledger.whole_process()));
        self
    }
}
