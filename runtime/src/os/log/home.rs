//! The span that a server was started in, where all its lines belong (floor 1).
//!
//! A task knows nothing of the span that was current where it was spawned, so a server whose tasks
//! are spread over the threads of a runtime would log into nowhere. What runs for it enters its home
//! first: then every line, those of handlers and hooks among them, says whose it is.
//!
//! **Invariant:** without a span, which is the rule, a poll pays for one comparison with nothing.
//! **Invariant:** what was entered is left when the poll returns or unwinds.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::Span;

/// The span of one server, if it was started in one. Clones are at most one atomic increment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Home(Option<Arc<Span>>);

impl Home {
    /// The span that is current here and now. It stays open as long as this lives.
    pub(crate) fn here() -> Self {
        let span = Span::current();
        Self((!span.is_none()).then(|| Arc::new(span)))
    }

    /// Makes this the current span of the thread until the guard is dropped.
    #[inline]
    pub(crate) fn enter(&self) -> AtHome<'_> {
        AtHome(self.0.as_deref().filter(|span| {
            calls_out(|| {
                span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
            })
        }))
    }

    /// Polls and drops `future` inside.
    pub(crate) const fn hold<F: Future>(self, future: F) -> Homed<F> {
        Homed {
            home: self,
            future: Some(future),
        }
    }
}

/// While it lives, the home is the current span of this thread.
#[derive(Debug)]
pub(crate) struct AtHome<'a>(Option<&'a Span>);

impl Drop for AtHome<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(span) = self.0 {
            calls_out(|| {
                span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
            });
        }
    }
}

/// Calls the user's subscriber, which may panic; says whether it did not.
#[cold]
fn calls_out(call: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(()) => true,
        Err(payload) => {
            // What it panicked with may panic in turn when it is dropped.
            drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
            false
        }
    }
}

pin_project! {
    /// A future at home. Made by [`Home::hold`].
    pub(crate) struct Homed<F> {
        home: Home,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Homed<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _at_home = this.home.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Homed<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _at_home = this.home.enter();
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::panic::resume_unwind;
    use std::sync::Mutex;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber, info_span, subscriber};
    use tracing_subscriber::fmt::format::FmtSpan;

    /// Lines as a test's subscriber has written them.
    #[derive(Clone, Debug, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
            let lines = self.clone();
            tracing_subscriber::fmt()
                .with_writer(move || lines.clone())
                .with_span_events(FmtSpan::CLOSE)
                .with_ansi(false)
                .without_time()
                .with_target(false)
                .finish()
        }

        fn all(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| line.trim().to_owned()).collect()
        }
    }

    /// Says so when it is dropped.
    struct Says(&'static str);

    impl Drop for Says {
        fn drop(&mut self) {
            tracing::info!("{}", self.0);
        }
    }

    #[test]
    fn a_future_is_polled_and_dropped_at_home_wherever_that_is() {
        let lines = Lines::default();
        let _subscriber = subscriber::set_default(lines.subscriber());
        let home = info_span!("home").in_scope(Home::here);
        let held = home.hold(async {
            let _leaves = Says("dropped");
            tracing::info!("polled");
            std::future::pending::<()>().await;
        });
        let mut held = tokio_test::task::spawn(held);
        tokio_test::assert_pending!(held.poll());
        tracing::info!("outside");
        info_span!("elsewhere").in_scope(|| drop(held));
        let lines = lines.all();
        assert_eq!(lines[0], "INFO home: polled");
        assert_eq!(lines[1], "INFO outside");
        assert_eq!(lines[2], "INFO home: dropped");
        // And with its last holder the span itself has ended.
        assert!(lines[3].starts_with("INFO home: close"), "{lines:?}");
    }

    #[test]
    fn without_a_span_nothing_is_entered_and_nothing_is_held() {
        let lines = Lines::default();
        let _subscriber = subscriber::set_default(lines.subscriber());
        let home = Home::here();
        assert!(home.0.is_none());
        info_span!("other").in_scope(|| {
            let _at_home = home.enter();
            tracing::info!("still there");
        });
        assert_eq!(lines.all()[0], "INFO other: still there");
    }

    #[test]
    fn a_poll_that_panics_has_left_its_home() {
        let lines = Lines::default();
        let _subscriber = subscriber::set_default(lines.subscriber());
        let home = info_span!("home").in_scope(Home::here);
        let panics = poll_fn(|_| -> Poll<()> { resume_unwind(Box::new("on purpose")) });
        let mut held = tokio_test::task::spawn(home.hold(panics));
        let polled = catch_unwind(AssertUnwindSafe(|| held.poll()));
        assert!(polled.is_err());
        tracing::info!("after");
        assert_eq!(lines.all(), ["INFO after"]);
    }

    /// Has spans, and cannot enter or leave them.
    struct Broken;

    impl Subscriber for Broken {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {}
        fn enter(&self, _: &Id) {
            resume_unwind(Box::new("no way in"));
        }
        fn exit(&self, _: &Id) {
            resume_unwind(Box::new("no way out"));
        }
    }

    #[test]
    fn a_subscriber_that_cannot_enter_a_span_stops_no_task() {
        let _subscriber = subscriber::set_default(Broken);
        let home = Home(Some(Arc::new(info_span!("home"))));
        let mut held = tokio_test::task::spawn(home.hold(async { 3 }));
        assert_eq!(held.poll(), Poll::Ready(3));
    }
}
