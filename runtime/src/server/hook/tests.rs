//! Hooks as their runner has them: futures that it polls, and the moment at which it gives them up.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_test::task::spawn;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok};

use super::*;
use crate::server::life::Life;

fn context() -> (watch::Sender<bool>, HookContext) {
    let (abandoned, is_abandoned) = watch::channel(false);
    let context = HookContext {
        deadline: Instant::ZERO + Duration::from_secs(4),
        clock: Clock::new(),
        cause: Cause::Drain,
        handle: ServerHandle::new(Life::new()),
        abandoned: is_abandoned,
    };
    (abandoned, context)
}

fn run(hook: Hook, context: HookContext) -> HookFuture {
    match hook.into_parts() {
        (_, HookRun::Async(run)) => run(context),
        (_, HookRun::Blocking { .. }) => panic!("a hook that blocks"),
    }
}

#[test]
fn nothing_of_a_hook_runs_before_it_is_polled_and_its_panic_is_that_polls() {
    let called = Arc::<AtomicBool>::default();
    let calls = Arc::clone(&called);
    // It is the closure that panics, before there is a future of its own.
    let hook = Hook::new(move || {
        calls.store(true, Ordering::SeqCst);
        resume_unwind(Box::new("no pool"));
        #[expect(unreachable_code, reason = "says what it would have returned")]
        async {}
    });
    let (_abandon, context) = context();
    let mut hook = spawn(run(hook, context));
    assert!(!called.load(Ordering::SeqCst));
    let polled = catch_unwind(AssertUnwindSafe(|| hook.poll()));
    assert!(polled.is_err() && called.load(Ordering::SeqCst));
}

#[test]
fn a_hook_hears_once_and_for_all_that_it_is_given_up_and_settles_itself_as_it_likes() {
    let (abandon, context) = context();
    let (asked, late) = (context.clone(), context.clone());
    let hook = Hook::new(|context: HookContext| async move {
        context.abandoned().await;
        Err::<(), _>("left the cache as it was")
    });
    let mut hook = spawn(run(hook, context));
    assert_pending!(hook.poll());
    assert!(!asked.is_abandoned() && !hook.is_woken());
    abandon.send_replace(true);
    assert!(asked.is_abandoned() && hook.is_woken());
    let end = hook_end(assert_ready!(hook.poll()));
    assert_eq!(end, HookEnd::Failed("left the cache as it was".into()));
    // Who asks later hears it as well, though nobody says it again.
    assert_ready!(spawn(late.abandoned()).poll());
}

#[test]
fn a_hook_that_waits_to_be_given_up_does_not_outwait_its_server() {
    let (driver, context) = context();
    let hook = Hook::new(|context: HookContext| async move { context.abandoned().await });
    let mut hook = spawn(run(hook, context.clone()));
    assert_pending!(hook.poll());
    // The runtime was dropped under the server, and nobody is left who could say so.
    drop(driver);
    assert!(hook.is_woken());
    assert_ready_ok!(hook.poll());
    assert!(!context.is_abandoned());
}
