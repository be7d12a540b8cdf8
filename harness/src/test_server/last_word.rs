//! What one thread gives to another, once: to a task that waits for it, or to a blocked thread.
//!
//! **Invariant:** who waits is woken once the word is there, or never will be.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Whoever is to say it, and whoever waits for it.
pub(super) fn last_word<T>() -> (Speaker<T>, Listener<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            word: Word::Awaited,
            waker: None,
        }),
        said: Condvar::new(),
    });
    (Speaker(Arc::clone(&shared)), Listener(shared))
}

/// Says it. Dropped before, it says that there is none.
#[derive(Debug)]
pub(super) struct Speaker<T>(Arc<Shared<T>>);

/// Waits for it.
#[derive(Debug)]
pub(super) struct Listener<T>(Arc<Shared<T>>);

/// There is no word, and there will be none: it was not said, or was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence;

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    said: Condvar,
}

#[derive(Debug)]
struct State<T> {
    word: Word<T>,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Word<T> {
    Awaited,
    Said(T),
    Never,
}

impl<T> Speaker<T> {
    /// Says it. Nobody may be left to hear it.
    pub(super) fn say(self, word: T) {
        self.0.lock().word = Word::Said(word);
    }
}

impl<T> Drop for Speaker<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if matches!(state.word, Word::Awaited) {
            state.word = Word::Never;
        }
        let waker = state.waker.take();
        drop(state);
        self.0.said.notify_one();
        // Not under the lock: a waker is somebody else's code.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Listener<T> {
    /// Resolves once there is nothing to wait for any more.
    pub(super) async fn is_said(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock();
            if !matches!(state.word, Word::Awaited) {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Takes the word out, once it is there; blocks until then.
    pub(super) fn hear(self) -> Result<T, Silence> {
        let awaited = |state: &mut State<T>| matches!(state.word, Word::Awaited);
        let waited = self.0.said.wait_while(self.0.lock(), awaited);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.take()
    }

    /// Takes the word out, once it is there; blocks for so long at most, and then gives `None`.
    pub(super) fn take(&self, limit: Duration) -> Option<Result<T, Silence>> {
        let awaited = |state: &mut State<T>| matches!(state.word, Word::Awaited);
        let state = self.0.lock();
        let waited = self.0.said.wait_timeout_while(state, limit, awaited);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if matches!(state.word, Word::Awaited) {
            return None;
        }
        Some(state.take())
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Result<T, Silence> {
        match std::mem::replace(&mut self.word, Word::Never) {
            Word::Said(word) => Ok(word),
            Word::Awaited | Word::Never => Err(Silence),
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn a_word_is_heard_by_who_blocks_and_taken_once() {
        let (speaker, listener) = last_word();
        assert_eq!(listener.take(SOON), None);
        let thread = thread::spawn(move || speaker.say(3));
        assert_eq!(listener.take(LONG), Some(Ok(3)));
        assert_eq!(listener.take(LONG), Some(Err(Silence)));
        thread.join().unwrap();
    }

    #[test]
    fn who_needs_the_word_to_go_on_has_it_or_hears_that_there_is_none() {
        for word in [Some(3), None] {
            let (speaker, listener) = last_word();
            let thread = thread::spawn(|| listener.hear());
            match word {
                Some(word) => speaker.say(word),
                None => drop(speaker),
            }
            assert_eq!(thread.join().unwrap(), word.ok_or(Silence));
        }
    }

    #[test]
    fn who_is_gone_without_a_word_is_not_waited_for() {
        let (speaker, listener) = last_word::<()>();
        let thread = thread::spawn(move || drop(speaker));
        assert_eq!(listener.take(LONG), Some(Err(Silence)));
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn a_task_is_woken_by_the_word_or_by_its_absence() {
        for word in [Some(3), None] {
            let (speaker, listener) = last_word();
            let speaks = async {
                match word {
                    Some(word) => speaker.say(word),
                    None => drop(speaker),
                }
            };
            tokio::join!(biased; listener.is_said(), speaks);
            assert_eq!(listener.take(SOON), Some(word.ok_or(Silence)));
        }
    }
}
