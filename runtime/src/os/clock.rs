//! The one place that reads time and makes timers (floor 1).
//!
//! Time is tokio's, so that a paused clock and simulators govern it, and it is handed out as
//! lifecycle instants. Only [`Ticks`], for OS threads beside the runtime, measures real time.
//!
//! **Invariant:** time never begins before the server is bound to a runtime, so that what a program
//! does between making a server and starting it cannot change a simulated life.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use lamplighter_lifecycle::Instant;
use tokio::runtime::Handle;
use tokio::time::{Instant as TokioInstant, Sleep};

/// The time of one server, or of several that share one stop.
///
/// A server is made before a runtime is known, possibly on another one than it will run on. So a
/// clock stands at [`Instant::ZERO`] until [`begin`](Self::begin) binds it to the runtime of the
/// start, and everything done before that happens at zero. Bound, it can be read from any thread:
/// it always asks the runtime that it is bound to, never the caller's.
///
/// Clones are the same clock. It keeps the runtime's handle, not its threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    bound: Arc<OnceLock<Bound>>,
}

#[derive(Debug)]
struct Bound {
    runtime: Handle,
    origin: TokioInstant,
}

impl Clock {
    /// A clock that stands at zero.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Lets time begin, as the time of `runtime`. Only the first call counts.
    pub(crate) fn begin(&self, runtime: &Handle) {
        self.bound.get_or_init(|| Bound {
            runtime: runtime.clone(),
            origin: read(runtime),
        });
    }

    /// Time since the clock began; zero before that. Callable from any thread.
    pub(crate) fn now(&self) -> Instant {
        self.bound.get().map_or(Instant::ZERO, |bound| {
            Instant::ZERO + read(&bound.runtime).saturating_duration_since(bound.origin)
        })
    }

    /// Resolves at `deadline`, at once if that has passed, never on a clock that has not begun.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub(crate) fn sleep_until(&self, deadline: Instant) -> Timer {
        let mut timer = self.timer();
        timer.set(Some(deadline));
        timer
    }

    /// A timer that is not set.
    pub(crate) fn timer(&self) -> Timer {
        Timer {
            clock: self.clone(),
            deadline: None,
            sleep: None,
        }
    }
}

/// Waits for one deadline at a time and can be set again and again without allocating.
///
/// A future that resolves when the deadline has come and is then ready until it is set anew; without
/// a deadline it never resolves. tokio's timers are exact to a millisecond and late, never early.
#[derive(Debug)]
pub(crate) struct Timer {
    clock: Clock,
    deadline: Option<Instant>,
    // Made when first needed: most of a server's timers never are.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Waits for `deadline` from now on; `None` waits for nothing.
    ///
    /// Costs one comparison if nothing changes. A task that waits has to poll again afterwards.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) {
        if self.deadline == deadline {
            return;
        }
        self.deadline = deadline;
        if let (Some(sleep), Some(deadline), Some(bound)) =
            (&mut self.sleep, deadline, self.clock.bound.get())
        {
            sleep.as_mut().reset(bound.instant(deadline));
        }
    }

    /// What it waits for.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let (Some(deadline), Some(bound)) = (this.deadline, this.clock.bound.get()) else {
            return Poll::Pending;
        };
        this.sleep
            .get_or_insert_with(|| Box::pin(bound.sleep(deadline)))
            .as_mut()
            .poll(cx)
    }
}

/// Rings once, for something that is shorter than the life of its server: a call, say.
pub(crate) type Alarm = Pin<Box<Sleep>>;

/// An alarm that rings that long after this call, by the time of the runtime that calls.
///
/// # Panics
///
/// Outside of a runtime with time.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that makes timers, here on the runtime of whoever asks"
)]
pub(crate) fn alarm(after: Duration) -> Alarm {
    Box::pin(tokio::time::sleep(after))
}

impl Bound {
    /// The runtime's name for `instant`; some decades from now if it has none.
    fn instant(&self, instant: Instant) -> TokioInstant {
        let since = instant.since(Instant::ZERO);
        self.origin
            .checked_add(since)
            .unwrap_or_else(|| read(&self.runtime) + FAR)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that makes timers, on the server's own runtime"
    )]
    fn sleep(&self, deadline: Instant) -> Sleep {
        let _context = self.runtime.enter();
        tokio::time::sleep_until(self.instant(deadline))
    }
}

/// Reads the time of `runtime`, whichever thread asks.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the runtime's time"
)]
fn read(runtime: &Handle) -> TokioInstant {
    // Mostly it is the runtime of whoever asks, and to look is less than to enter it.
    let is_here = Handle::try_current().is_ok_and(|here| here.id() == runtime.id());
    let _context = (!is_here).then(|| runtime.enter());
    TokioInstant::now()
}

/// Counts real time for an OS thread, in steps, leaving out what the process spent frozen.
///
/// A process stopped by SIGSTOP, a debugger or the freezer of its cgroup has not used the time that
/// passed meanwhile. The thread wakes up often and says how long it meant to wait; what lies more
/// than [`Ticks::SLACK`] beyond that was spent frozen, or starved, and is not counted.
#[derive(Debug)]
pub(crate) struct Ticks {
    last: std::time::Instant,
}

impl Ticks {
    /// How much later than meant a wait may end and still count in full.
    pub(crate) const SLACK: Duration = Duration::from_millis(50);

    /// Begins to count.
    pub(crate) fn start() -> Self {
        Self { last: real_now() }
    }

    /// Time since the last call or the start, of which a wait of `meant` was part.
    pub(crate) fn count(&mut self, meant: Duration) -> Duration {
        let now = real_now();
        let elapsed = now.saturating_duration_since(self.last);
        self.last = now;
        Self::unfrozen(elapsed, meant)
    }

    fn unfrozen(elapsed: Duration, meant: Duration) -> Duration {
        elapsed.min(meant.saturating_add(Self::SLACK))
    }
}

/// A moment in real time, for OS threads that measure one span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(std::time::Instant);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(real_now())
    }

    /// A moment that has not come, since which no time has passed.
    #[cfg(test)]
    pub(crate) fn later(by: Duration) -> Self {
        Self(real_now() + by)
    }

    /// Real time from `earlier` to this moment; zero if that came later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads real time, for threads that must work when the runtime does not"
)]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Where a deadline goes that the runtime's clock cannot express: beyond the life of a process.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::time::advance;

    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    }

    #[test]
    fn time_stands_at_zero_until_the_clock_begins() {
        let clock = Clock::new();
        assert_eq!(clock.now(), Instant::ZERO);
        let runtime = paused();
        runtime.block_on(async {
            advance(Duration::from_secs(5)).await;
            assert_eq!(clock.now(), Instant::ZERO);
            clock.begin(&Handle::current());
            assert_eq!(clock.now(), Instant::ZERO);
            advance(Duration::from_secs(2)).await;
            assert_eq!(clock.now(), Instant::ZERO + Duration::from_secs(2));
        });
    }

    #[test]
    fn beginning_again_changes_nothing() {
        let runtime = paused();
        runtime.block_on(async {
            let clock = Clock::new();
            clock.begin(&Handle::current());
            advance(Duration::from_secs(1)).await;
            clock.clone().begin(&Handle::current());
            assert_eq!(clock.now(), Instant::ZERO + Duration::from_secs(1));
        });
    }

    #[test]
    fn another_thread_and_another_runtime_read_the_servers_time() {
        let clock = Clock::new();
        let runtime = paused();
        runtime.block_on(async {
            clock.begin(&Handle::current());
            advance(Duration::from_secs(3600)).await;
        });
        let hour = Instant::ZERO + Duration::from_secs(3600);
        let (tx, rx) = mpsc::channel();
        let theirs = clock.clone();
        std::thread::scope(|scope| {
            scope.spawn(move || tx.send(theirs.now()).unwrap());
        });
        assert_eq!(rx.recv().unwrap(), hour);
        assert_eq!(paused().block_on(async { clock.now() }), hour);
    }

    #[test]
    fn a_timer_is_set_again_earlier_later_and_not_at_all() {
        paused().block_on(async {
            let clock = Clock::new();
            clock.begin(&Handle::current());
            let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
            let mut timer = clock.timer();
            timer.set(Some(at(60)));
            timer.set(Some(at(10)));
            (&mut timer).await;
            assert_eq!(clock.now(), at(10));
            timer.set(Some(at(20)));
            (&mut timer).await;
            assert_eq!(clock.now(), at(20));
            timer.set(None);
            tokio::select! {
                biased;
                () = &mut timer => panic!("a timer without a deadline resolved"),
                () = clock.sleep_until(at(30)) => {}
            }
            assert_eq!(clock.now(), at(30));
        });
    }

    #[test]
    fn a_deadline_that_has_passed_is_ready_at_once() {
        paused().block_on(async {
            let clock = Clock::new();
            clock.begin(&Handle::current());
            advance(Duration::from_secs(9)).await;
            let before = clock.now();
            clock.sleep_until(Instant::ZERO).await;
            assert_eq!(clock.now(), before);
        });
    }

    #[test]
    fn the_last_instant_is_waited_for_without_overflow() {
        paused().block_on(async {
            let clock = Clock::new();
            clock.begin(&Handle::current());
            let soon = clock.sleep_until(Instant::ZERO + Duration::from_secs(365 * 24 * 3600));
            tokio::select! {
                biased;
                () = clock.sleep_until(Instant::MAX) => panic!("the end of time came"),
                () = soon => {}
            }
        });
    }

    #[test]
    fn frozen_time_is_not_counted_and_a_late_wake_up_is() {
        let tick = Duration::from_millis(50);
        let late = Duration::from_millis(80);
        assert_eq!(Ticks::unfrozen(late, tick), late);
        assert_eq!(
            Ticks::unfrozen(Duration::from_secs(3600), tick),
            tick + Ticks::SLACK
        );
    }
}
