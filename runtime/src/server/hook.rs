//! Hooks as users write them: named cleanup steps that may fail (floor 3).
//!
//! **Invariant:** nothing here knows when a hook runs: the order and the deadlines are the core's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lamplighter_lifecycle::{Cause, HookEnd, HookKind, HookName, HookSpec, Instant};

use super::handle::ServerHandle;
use crate::os::clock::Clock;
use crate::os::watch;
use crate::transport::BoxError;

#[cfg(test)]
mod tests;

/// A cleanup step: runs once, after the last work of the server is gone, and may fail.
///
/// ```
/// # use lamplighter::{Hook, Server};
/// # use std::time::Duration;
/// # fn register(server: &Server) -> Result<(), lamplighter::HookError> {
/// server.hook(Hook::named("database", || async { /* close the pool */ }))?;
/// server.hook(
///     Hook::named("telemetry", || async { Err("collector is gone") })
///         .after(["database"])
///         .timeout(Duration::from_secs(1)),
/// )?;
/// # Ok(())
/// # }
/// ```
pub struct Hook {
    spec: HookSpec,
    run: HookRun,
}

/// The code of a hook, until it is run.
pub(crate) enum HookRun {
    Async(Box<dyn FnOnce(HookContext) -> HookFuture + Send>),
    Blocking {
        run: BlockingRun,
        /// How long it takes by the server's clock, instead of on a thread.
        virtually: Option<Duration>,
    },
}

pub(crate) type BlockingRun = Box<dyn FnOnce(HookContext) -> Result<(), BoxError> + Send>;

pub(crate) type HookFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

impl Hook {
    /// A hook without a name; a report shows it as `hook#N`, the N-th one registered.
    pub fn new<M>(hook: impl HookFn<M>) -> Self {
        Self {
            spec: HookSpec::anonymous(),
            run: HookRun::Async(Box::new(|context| hook.call(context))),
        }
    }

    /// A hook with a name, for the report and for others to come after.
    ///
    /// Several hooks under one name run side by side; whoever is after that name waits for all.
    pub fn named<M>(name: impl Into<HookName>, hook: impl HookFn<M>) -> Self {
        Self {
            spec: HookSpec::named(name),
            run: HookRun::Async(Box::new(|context| hook.call(context))),
        }
    }

    /// A hook that blocks its thread: it runs on one of its own, never on the runtime's.
    ///
    /// Nobody can end a thread from outside: one that is still at it at its deadline is settled as
    /// timed out, named as still running, and left; it does not hold the process.
    pub fn blocking<R: HookResult>(
        name: impl Into<HookName>,
        hook: impl FnOnce(HookContext) -> R + Send + 'static,
    ) -> Self {
        Self {
            spec: HookSpec::named(name).kind(HookKind::Blocking),
            run: HookRun::Blocking {
                run: Box::new(|context| hook(context).into_result()),
                virtually: None,
            },
        }
    }

    /// Lets a blocking hook take this long by the server's clock, without a thread: for simulations
    /// and tests whose clock is paused, where no other thread can be waited for.
    ///
    /// All else is as on a thread: nobody can abort it, and one that is still at it at its deadline is
    /// settled as timed out, and left. Its code runs when its time has passed, on a thread of the
    /// runtime, and had better not really block. Without effect on a hook that does not block.
    #[must_use]
    pub fn in_virtual_time(mut self, takes: Duration) -> Self {
        if let HookRun::Blocking { virtually, .. } = &mut self.run {
            *virtually = Some(takes);
        }
        self
    }

    /// Runs only once every hook of these names is settled, however it was settled.
    ///
    /// An order, not a need: a hook whose predecessor failed runs all the same.
    #[must_use]
    pub fn after<N: Into<HookName>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.spec = self.spec.after(names);
        self
    }

    /// How long it may take. Without it, a fair part of what is left of the plan's
    /// `hooks_timeout`: one that hangs cannot starve those that come after it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.spec = self.spec.timeout(timeout);
        self
    }

    pub(crate) fn into_parts(self) -> (HookSpec, HookRun) {
        (self.spec, self.run)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

/// What a hook is told about the stop that it is part of.
#[derive(Clone, Debug)]
pub struct HookContext {
    pub(crate) deadline: Instant,
    pub(crate) clock: Clock,
    pub(crate) cause: Cause,
    pub(crate) handle: ServerHandle,
    pub(crate) abandoned: watch::Receiver<bool>,
}

impl HookContext {
    /// Time until this hook is settled as timed out.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.since(self.clock.now())
    }

    /// Why the server stops.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The server.
    #[must_use]
    pub const fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// Resolves when this hook has been given up: by its deadline, or by a third signal.
    ///
    /// For blocking hooks, which nobody can abort, and for tasks that a hook has started.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn abandoned(&self) {
        // An error means that the server is gone altogether.
        drop(
            self.abandoned
                .clone()
                .wait_for(|abandoned| *abandoned)
                .await,
        );
    }

    /// Whether this hook has been given up.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        *self.abandoned.borrow()
    }
}

/// What can be a hook: an async closure or function with no argument or a [`HookContext`].
///
/// It returns nothing, or a `Result<(), E>` with any error. The marker `M` only lets both shapes
/// stand side by side.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hook",
    label = "expected `|| async {{ … }}` or `|cx: HookContext| async move {{ … }}`",
    note = "for code that blocks, use `Hook::blocking(name, |cx| …)`",
    note = "it has to return `()` or `Result<(), E>`, and to be `Send + 'static`"
)]
pub trait HookFn<M>: sealed::Sealed<M> + Send + 'static {
    /// Runs it.
    #[doc(hidden)]
    fn call(
        self,
        context: HookContext,
    ) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;
}

impl<F, Fut, R> HookFn<fn() -> R> for F
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: HookResult,
{
    fn call(self, _: HookContext) -> HookFuture {
        // Called inside the future, so that a panic of the closure itself is the hook's own.
        Box::pin(async move { self().await.into_result() })
    }
}

impl<F, Fut, R> HookFn<fn(HookContext) -> R> for F
where
    F: FnOnce(HookContext) -> Fut + Send + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: HookResult,
{
    fn call(self, context: HookContext) -> HookFuture {
        Box::pin(async move { self(context).await.into_result() })
    }
}

/// What a hook or a worker may return: nothing, or a `Result<(), E>` with any error.
#[diagnostic::on_unimplemented(
    message = "a hook or worker cannot return `{Self}`",
    note = "it returns `()` or `Result<(), E>`, where `E` is an error or a string",
    note = "what it cannot return may be `!`, of a `loop` without an end, which every stop would have to cut: let a worker end when its signal says so, as in `while signal.until_draining(step()).await.is_some() {{}}`"
)]
pub trait HookResult: sealed::SealedResult {
    #[doc(hidden)]
    fn into_result(self) -> Result<(), BoxError>;
}

impl HookResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> HookResult for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// What [`Server::hook`](super::Server::hook) takes: a [`Hook`], or anything that can be one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hook",
    label = "expected a `Hook`, `|| async {{ … }}` or `|cx: HookContext| async move {{ … }}`",
    note = "it has to return `()` or `Result<(), E>`, and to be `Send + 'static`",
    note = "for code that blocks, use `Hook::blocking(name, |cx| …)`"
)]
pub trait IntoHook<M>: sealed::SealedHook<M> {
    #[doc(hidden)]
    fn into_hook(self) -> Hook;
}

impl IntoHook<Self> for Hook {
    fn into_hook(self) -> Hook {
        self
    }
}

impl<F: HookFn<M>, M> IntoHook<(M,)> for F {
    fn into_hook(self) -> Hook {
        Hook::new(self)
    }
}

/// What the core is told of a hook that returned.
pub(crate) fn hook_end(result: Result<(), BoxError>) -> HookEnd {
    match result {
        Ok(()) => HookEnd::Ok,
        Err(error) => HookEnd::Failed(chain(error.as_ref())),
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> Arc<str> {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Many errors repeat their source in their own text.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text.into()
}

#[expect(unnameable_types, reason = "sealed: nobody else is to implement these")]
mod sealed {
    use super::{Future, Hook, HookContext, HookFn, HookResult};

    pub trait Sealed<M> {}
    impl<F, Fut, R> Sealed<fn() -> R> for F
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = R>,
    {
    }
    impl<F, Fut, R> Sealed<fn(HookContext) -> R> for F
    where
        F: FnOnce(HookContext) -> Fut,
        Fut: Future<Output = R>,
    {
    }

    pub trait SealedResult {}
    impl<R: HookResult> SealedResult for R {}

    pub trait SealedHook<M> {}
    impl SealedHook<Self> for Hook {}
    impl<F: HookFn<M>, M> SealedHook<(M,)> for F {}
}
