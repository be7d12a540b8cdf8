//! Where signals come from: the process, or whatever a test or simulation puts in its place
//! (floor 1).
//!
//! **Invariant:** no signal has its effect changed before somebody arms it.
//! **Invariant:** signals are handed on as they come; which of them count is not decided here.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use lamplighter_lifecycle::Signal;
use tokio::sync::mpsc;

#[cfg(unix)]
mod effect;
#[cfg(unix)]
pub(crate) mod file_size;
#[cfg(unix)]
mod mask;
#[cfg(unix)]
mod pipes;
#[cfg(unix)]
mod process_wide;

#[cfg(unix)]
pub(crate) use process_wide::{Subscription, subscribe};

/// A source of signals for one server.
///
/// Without one, a server listens to the signals of the process. Tests and simulations replace it to
/// say when a signal comes; [`signal_channel`] is one that is driven by hand.
pub trait SignalSource: Send + 'static {
    /// Begins to listen to `signals` and to nothing else; called once, before the start.
    ///
    /// When it returns, a signal that comes is handed out by [`next`](Self::next) later on and has
    /// no other effect.
    ///
    /// # Errors
    ///
    /// When one of them cannot be listened to. Then none of them is.
    fn arm(&mut self, signals: &[Signal]) -> io::Result<()>;

    /// The next signal, in order of arrival; `None` when there will never be another one.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe: dropping the future must not lose a signal.
    fn next(&mut self) -> impl Future<Output = Option<Signal>> + Send;
}

/// A signal source of any type.
pub(crate) struct BoxSignalSource(Box<dyn Erased>);

trait Erased: Send {
    fn arm_erased(&mut self, signals: &[Signal]) -> io::Result<()>;
    fn next_erased(&mut self) -> Pin<Box<dyn Future<Output = Option<Signal>> + Send + '_>>;
}

impl<S: SignalSource> Erased for S {
    fn arm_erased(&mut self, signals: &[Signal]) -> io::Result<()> {
        SignalSource::arm(self, signals)
    }

    fn next_erased(&mut self) -> Pin<Box<dyn Future<Output = Option<Signal>> + Send + '_>> {
        Box::pin(SignalSource::next(self))
    }
}

impl BoxSignalSource {
    pub(crate) fn new(source: impl SignalSource) -> Self {
        Self(Box::new(source))
    }

    /// As [`SignalSource::arm`].
    pub(crate) fn arm(&mut self, signals: &[Signal]) -> io::Result<()> {
        self.0.arm_erased(signals)
    }

    /// As [`SignalSource::next`].
    pub(crate) async fn next(&mut self) -> Option<Signal> {
        self.0.next_erased().await
    }
}

impl fmt::Debug for BoxSignalSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxSignalSource").finish_non_exhaustive()
    }
}

/// A source of signals that are sent by hand, and the sender for it.
///
/// ```
/// use lamplighter::{Signal, SignalSource, signal_channel};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (sender, mut source) = signal_channel();
/// source.arm(&[Signal::Sigterm])?;
/// sender.send(Signal::Sigterm);
/// assert_eq!(source.next().await, Some(Signal::Sigterm));
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn signal_channel() -> (SignalSender, ChannelSignals) {
    let (tx, rx) = mpsc::unbounded_channel();
    let armed = Armed::default();
    let sender = SignalSender {
        armed: Arc::clone(&armed),
        signals: tx,
    };
    let source = ChannelSignals { armed, signals: rx };
    (sender, source)
}

type Armed = Arc<Mutex<Vec<Signal>>>;

fn is_armed(armed: &Armed, signal: Signal) -> bool {
    armed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .contains(&signal)
}

/// Sends signals into the [`ChannelSignals`] that it was made with. Clones send into the same one.
#[derive(Clone, Debug)]
pub struct SignalSender {
    armed: Armed,
    signals: mpsc::UnboundedSender<Signal>,
}

impl SignalSender {
    /// Sends `signal`; any number of them, of any kind, all arrive and in this order.
    ///
    /// A signal that is not armed when its turn comes has no effect, as if it were ignored: a real
    /// one would have its default effect, which mostly is to end the process.
    pub fn send(&self, signal: Signal) {
        // A source that is gone has no use for signals.
        let _ = self.signals.send(signal);
    }

    /// Whether the source listens to `signal` by now.
    #[must_use]
    pub fn is_armed(&self, signal: Signal) -> bool {
        is_armed(&self.armed, signal)
    }
}

/// Signals that are sent by hand; see [`signal_channel`].
///
/// It ends when every [`SignalSender`] is gone.
#[derive(Debug)]
pub struct ChannelSignals {
    armed: Armed,
    signals: mpsc::UnboundedReceiver<Signal>,
}

impl SignalSource for ChannelSignals {
    fn arm(&mut self, signals: &[Signal]) -> io::Result<()> {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = signals.to_vec();
        Ok(())
    }

    async fn next(&mut self) -> Option<Signal> {
        loop {
            let signal = self.signals.recv().await?;
            if is_armed(&self.armed, signal) {
                return Some(signal);
            }
        }
    }
}

/// The signals of this process: what a server listens to unless it is given another source.
///
/// Any number of these may listen at once; each gets every signal. They are read by one thread of
/// the process. 300 ms after the last one of the process is gone the signals have their default
/// effect again, those too that have come meanwhile: until then the process has the chance to end,
/// so that a second Ctrl-C does not kill it behind a clean stop. SIGINT and SIGHUP that the process inherited as ignored (`nohup`, background jobs of a
/// script) stay ignored, armed or not. A signal that it inherited as *blocked*, of a parent that
/// takes its own from a descriptor and forgot to undo that, is listened to like any other: nobody
/// means a server that only SIGKILL can stop.
///
/// For sources that add to it or filter it.
#[cfg(unix)]
#[derive(Debug, Default)]
pub struct ProcessSignals {
    listening: Option<(Subscription, mpsc::UnboundedReceiver<Signal>)>,
}

#[cfg(unix)]
impl ProcessSignals {
    /// Listens to nothing before it is armed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[cfg(unix)]
impl SignalSource for ProcessSignals {
    fn arm(&mut self, signals: &[Signal]) -> io::Result<()> {
        let (tx, rx) = mpsc::unbounded_channel();
        let subscription = subscribe(signals, move |arrival| {
            let _ = tx.send(arrival.signal);
        })?;
        self.listening = Some((subscription, rx));
        Ok(())
    }

    async fn next(&mut self) -> Option<Signal> {
        match &mut self.listening {
            Some((_, signals)) => signals.recv().await,
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn equal_signals_sent_by_hand_never_become_one() {
        let (sender, mut source) = signal_channel();
        source.arm(&[Signal::Sigterm, Signal::Sigint]).unwrap();
        let sent = [Signal::Sigterm, Signal::Sigterm, Signal::Sigint];
        sent.into_iter().for_each(|signal| sender.send(signal));
        drop(sender);
        let mut source = BoxSignalSource::new(source);
        let mut came = Vec::new();
        while let Some(signal) = source.next().await {
            came.push(signal);
        }
        assert_eq!(came, sent);
    }

    #[tokio::test]
    async fn a_signal_that_is_not_armed_has_no_effect() {
        let (sender, mut source) = signal_channel();
        assert!(!sender.is_armed(Signal::Sigterm));
        source.arm(&[Signal::Sigterm]).unwrap();
        assert!(sender.is_armed(Signal::Sigterm));
        sender.send(Signal::Sighup);
        sender.send(Signal::Sigterm);
        assert_eq!(source.next().await, Some(Signal::Sigterm));
    }

    #[tokio::test]
    async fn a_future_dropped_while_it_waits_loses_no_signal() {
        let (sender, mut source) = signal_channel();
        source.arm(&Signal::ALL).unwrap();
        let mut waiting = tokio_test::task::spawn(source.next());
        assert!(waiting.poll().is_pending());
        sender.send(Signal::Sigquit);
        assert!(waiting.is_woken());
        drop(waiting);
        assert_eq!(source.next().await, Some(Signal::Sigquit));
    }
}
