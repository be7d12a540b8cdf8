//! Callbacks: told in order, and free to panic (tests of floor 0).
//!
//! **Invariant:** a callback that panics changes nothing but the list of failures.

use lamplighter_lifecycle::{Event, Failure, HookEnd, HookSpec, Input, Phase, Plan};

use crate::life::{Life, secs, spec};

fn callback(callback: &'static str, name: &str) -> Failure {
    Failure::Callback {
        callback,
        message: format!("{name} callback").into(),
    }
}

/// A whole life with one panicking callback; what was asked for, and the failures.
fn lived(name: &'static str) -> (Vec<String>, Vec<Failure>) {
    let mut life = Life::new(Plan::new()).panicking(name);
    life.input(Input::Start)
        .input(Input::Bound)
        .input(Input::Ready);
    assert_eq!(life.phase(), Phase::Running, "{name}");
    life.stop().listeners_closed().disposed();
    assert_eq!(life.phase(), Phase::Stopped, "{name}");
    assert_eq!(life.report().outcome.exit_code(), 0, "{name}");
    (life.asked(), life.report().failures)
}

const WHOLE: [&str; 14] = [
    "announce start",
    "begin start",
    "ready",
    "serve",
    "announce ready",
    "not ready",
    "announce stopping",
    "drain until 30000 ms",
    "close listeners",
    "dispose",
    "seal",
    "announce stop",
    "finish",
    "",
];

fn whole_with_error_after(before: &str) -> Vec<&'static str> {
    let mut whole = Vec::new();
    for asked in WHOLE.into_iter().filter(|asked| !asked.is_empty()) {
        whole.push(asked);
        if asked == before {
            whole.push("announce error");
        }
    }
    whole
}

#[test]
fn a_panic_in_on_start_is_announced_at_once_and_the_start_goes_on() {
    let (asked, failures) = lived("start");
    assert_eq!(failures, [callback("on_start", "start")]);
    assert_eq!(
        asked
            .iter()
            .filter(|asked| *asked == "announce error")
            .count(),
        1
    );
    let error = asked.iter().position(|asked| asked == "announce error");
    assert!(error < asked.iter().position(|asked| asked == "ready"));
}

#[test]
fn a_panic_in_on_ready_is_announced_at_once_and_does_not_undo_readiness() {
    let (asked, failures) = lived("ready");
    assert_eq!(failures, [callback("on_ready", "ready")]);
    assert_eq!(asked, whole_with_error_after("announce ready"));
}

#[test]
fn a_panic_in_on_stopping_is_announced_in_the_one_error_before_the_end() {
    let (asked, failures) = lived("stopping");
    assert_eq!(failures, [callback("on_stopping", "stopping")]);
    assert_eq!(asked, whole_with_error_after("dispose"));
}

#[test]
fn a_panic_in_on_stop_is_in_no_report() {
    let (asked, failures) = lived("stop");
    assert_eq!(failures, []);
    assert_eq!(asked, whole_with_error_after("nothing"));
}

#[test]
fn a_panic_in_on_error_is_in_the_report_and_told_to_nobody() {
    let mut life = Life::new(Plan::new())
        .panicking("error")
        .panicking("stopping")
        .running();
    life.stop().listeners_closed();
    life.asked();
    life.to(100).disposed();
    assert_eq!(
        life.asked(),
        ["announce error", "seal", "announce stop", "finish"]
    );
    let failures = life.report().failures;
    assert_eq!(failures.len(), 2);
    assert!(failures.contains(&callback("on_error", "error")));
    let errors = life
        .model
        .timeline
        .entries()
        .filter(|(_, event)| matches!(event, Event::Error(_)));
    assert_eq!(errors.count(), 1);
}

#[test]
fn a_panic_in_on_error_is_in_the_report_even_if_nothing_was_disposed_of() {
    let mut life = Life::new(Plan::new()).panicking("error").running();
    life.stop().listeners_closed().play_out();
    let failures = [
        Failure::NotDisposed { left: [].into() },
        callback("on_error", "error"),
    ];
    let found = life.report().failures;
    assert!(
        failures.iter().all(|failure| found.contains(failure)),
        "{found:?}"
    );
}

#[test]
fn failures_of_a_stop_are_told_in_one_error() {
    let mut life = Life::new(Plan::new())
        .panicking("stopping")
        .hooks(&["database", "cache"])
        .running();
    life.stop().listeners_closed();
    life.hook_ended(0, HookEnd::Failed("broken pipe".into()));
    life.hook_ended(1, HookEnd::Panicked("shaken".into()));
    life.disposed();
    let errors: Vec<String> = life
        .model
        .timeline
        .entries()
        .filter(|(_, event)| matches!(event, Event::Error(_)))
        .map(|(_, event)| event.to_string())
        .collect();
    assert_eq!(
        errors,
        [
            "error         callback on_stopping panicked: stopping callback; \
          hook database failed: broken pipe; hook cache panicked: shaken"
        ]
    );
}

#[test]
fn a_hook_that_is_registered_in_on_stopping_runs() {
    let mut life = Life::new(Plan::new())
        .registering_in_callback(HookSpec::named("late"))
        .running();
    life.stop().listeners_closed();
    assert_eq!(life.asked().last().unwrap(), "run late until 4000 ms");
}

#[test]
fn a_stop_with_nothing_to_drain_waits_for_its_callbacks_before_it_runs_hooks() {
    let mut life = Life::new(Plan::new()).running();
    life.answers_callbacks = false;
    life.stop().listeners_closed();
    assert_eq!(life.phase(), Phase::Draining);
    // One that never comes back holds the stop to the end of the drain, and no longer.
    assert_eq!(life.to(29_999).phase(), Phase::Draining);
    assert_eq!(life.to(30_000).phase(), Phase::Disposing);
}

#[test]
fn callbacks_that_take_long_are_heard_before_what_came_due_meanwhile() {
    let plan = Plan::new().drain_timeout(secs(1));
    let mut life = Life::new(plan).running();
    life.answers_callbacks = false;
    life.stop().listeners_closed();
    // They took five seconds; the drain deadline has passed four seconds ago.
    life.model.register_hook(spec("late"));
    let announcement = lamplighter_lifecycle::Announcement::Stopping;
    let panics = vec!["too slow".into()];
    let input = Input::Announced {
        announcement,
        panics,
    };
    let (overdue, moment) = life.model.handle(crate::life::at(5000), input);
    assert!(overdue.is_none());
    assert_eq!(moment.after.phase, Phase::RunningHooks);
    assert_eq!(life.report().failures.len(), 1);
    assert_eq!(life.report().stalled, secs(4) + crate::life::millis(100));
}
