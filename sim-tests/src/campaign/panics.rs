//! Panics of the runs of a campaign: caught, and kept instead of printed.
//!
//! **Invariant:** nothing is changed in a process that runs no campaign.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

thread_local! {
    /// What the last panic of this thread said, with its place.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From here on panics are kept, not printed: a campaign has thousands of them, and tells of each that
/// matters.
pub(super) fn keep() {
    set_hook(Box::new(note));
}

fn note(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|at| format!(" at {at}"));
    let text = format!("{}{}", words(panic.payload()), place.unwrap_or_default());
    LAST.set(Some(text));
}

/// Runs this; what a panic of it said, if it panics, or if a task of it did: those that cases ask for
/// are unwound without being noted, so that one that was noted is a fault.
pub(super) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    LAST.set(None);
    // What it leaves half done is dropped with it: nothing of a run outlives it.
    let result = catch_unwind(AssertUnwindSafe(run));
    match (result, LAST.take()) {
        (Ok(value), None) => Ok(value),
        (_, Some(noted)) => Err(noted),
        (Err(payload), None) => Err(words(payload.as_ref())),
    }
}

/// What a panic says.
fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
