//! Where the threads of a server log to: where the test does that started it.
//!
//! **Invariant:** where the test had no subscriber, none stands in the way of one that comes later.

use std::cell::RefCell;

use tracing::Span;
use tracing::dispatcher::{DefaultGuard, Dispatch, get_default, set_default};
use tracing::subscriber::NoSubscriber;

thread_local! {
    /// Holds the subscriber of a runtime's thread, as long as the thread lives.
    static SUBSCRIBER: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// The subscriber and the span of the thread that made it.
#[derive(Clone, Debug)]
pub(super) struct Log {
    subscriber: Option<Dispatch>,
    span: Span,
}

impl Log {
    /// Those of the calling thread.
    pub(super) fn here() -> Self {
        let subscriber = get_default(|subscriber| {
            let hears = !subscriber.is::<NoSubscriber>();
            hears.then(|| subscriber.clone())
        });
        Self {
            subscriber,
            span: Span::current(),
        }
    }

    /// The subscriber alone, for what may outlive the server: a span is to end with it.
    pub(super) fn without_span(&self) -> Self {
        Self {
            subscriber: self.subscriber.clone(),
            span: Span::none(),
        }
    }

    /// The calling thread tells this subscriber from now on, until it ends.
    pub(super) fn adopt(&self) {
        if let Some(subscriber) = &self.subscriber {
            SUBSCRIBER.with_borrow_mut(|held| *held = Some(set_default(subscriber)));
        }
    }

    /// Runs this inside of the span.
    pub(super) fn within<T>(&self, run: impl FnOnce() -> T) -> T {
        self.span.in_scope(run)
    }
}
