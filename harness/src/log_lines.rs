//! Where the log lines of a test go, to be taken along into threads that it does not know of.
//!
//! `tracing` keeps two things in each thread: the subscriber that [`set_default`] gave it, and the
//! span that it is in. A thread that a test's server runs on has neither, so what a server says there
//! would be said to nobody, or in nobody's name.
//!
//! **Invariant:** a thread that has come back from [`LogLines::within`] is as it was before.
//!
//! [`set_default`]: https://docs.rs/tracing/latest/tracing/subscriber/fn.set_default.html

use tracing::{Dispatch, Span, dispatcher};

/// The subscriber and the span of the thread that it was taken on.
#[derive(Clone, Debug)]
pub(crate) struct LogLines {
    subscriber: Dispatch,
    span: Span,
}

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "for servers with threads of their own")
)]
impl LogLines {
    /// Those of this thread, now.
    pub(crate) fn here() -> Self {
        Self {
            subscriber: dispatcher::get_default(Clone::clone),
            span: Span::current(),
        }
    }

    /// Runs `work` on this thread as if it were that one. What a runtime polls in there is inside as
    /// well, as long as `work` is what drives it.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.subscriber, || self.span.in_scope(work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use tracing::{info, info_span, subscriber};

    /// Passes lines on.
    struct Lines(mpsc::Sender<String>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0
                .send(String::from_utf8_lossy(bytes).trim().to_owned())
                .unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn another_thread_logs_as_this_one_does_while_it_is_within() {
        let (write, written) = mpsc::channel();
        let lines = tracing_subscriber::fmt()
            .with_writer(move || Lines(write.clone()))
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .finish();
        let _lines = subscriber::set_default(lines);
        let taken = info_span!("the_test").in_scope(LogLines::here);
        let other = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            info!("before");
            taken.within(|| {
                runtime.block_on(async {
                    tokio::spawn(async { info!("in a task") }).await.unwrap();
                });
            });
            info!("after");
        });
        other.join().unwrap();
        assert_eq!(
            written.try_iter().collect::<Vec<_>>(),
            ["INFO the_test: in a task"]
        );
    }
}
