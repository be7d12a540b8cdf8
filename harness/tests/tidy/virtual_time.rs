//! Tests do not sleep, but where time is virtual and a sleep takes none.
//!
//! **Invariant:** a test on a real clock waits for something that happens.

use crate::code::{after, before, item_end, words_from};
use crate::finding::{Finding, expect_none, lines};
use crate::tree::{File, sources};

const ALLOWED: &str = "a gate, a phase, `timeout` around what has to come, \
     `start_paused = true`, or an entry in `VIRTUAL` of this rule";

/// Files and folders all of whose tests run on a clock that waits for nobody, with whose clock it is.
const VIRTUAL: [(&str, &str); 1] = [("sim-tests/", "the simulated world's")];

fn sleeping_tests(file: &File) -> Vec<Finding> {
    if VIRTUAL
        .iter()
        .any(|(place, _)| file.path.starts_with(place))
    {
        return Vec::new();
    }
    let code = &file.tests();
    words_from(code, &["sleep", "park_timeout"])
        .into_iter()
        .filter(|(at, word)| {
            let named = matches!(*word, "sleep" | "sleep_ms" | "sleep_until" | "park_timeout");
            let front = before(code, *at);
            let called = after(code, *at, word).starts_with('(');
            let ours = front.ends_with("fn") || front.ends_with('.');
            named && called && !ours && !is_paused(code, *at)
        })
        .map(|(at, word)| file.finding(at, format!("`{word}(` in a test"), ALLOWED))
        .collect()
}

/// Whether the place is in a test whose clock stands still.
fn is_paused(code: &str, at: usize) -> bool {
    code.match_indices("start_paused = true")
        .any(|(pause, _)| (pause..item_end(code, pause)).contains(&at))
}

#[test]
fn no_test_sleeps_on_a_real_clock() {
    expect_none(sources().unwrap().flat_map(sleeping_tests));
}

#[test]
fn a_sleep_in_a_test_is_found() {
    let text = "//! x\nfn sleep() {}\nsleep(d).await;\nthread::sleep(d);\n// sleep(d)\n\
                get(\"/sleep(1)\");\nclock.sleep(d);\n";
    for (path, found) in [
        ("harness/tests/drain.rs", vec![3, 4]),
        ("runtime/src/os/clock/tests.rs", vec![3, 4]),
        ("harness/src/gate.rs", vec![]),
        ("sim-tests/tests/drain.rs", vec![]),
    ] {
        assert_eq!(
            lines(&sleeping_tests(&File::new(path, text))),
            found,
            "{path}"
        );
    }
    let unit = "fn f() { sleep(d) }\n#[cfg(test)]\nmod tests {\n    fn g() { sleep_until(d) }\n}\n";
    let file = File::new("runtime/src/os/clock.rs", unit);
    assert_eq!(lines(&sleeping_tests(&file)), [4]);
}

#[test]
fn a_sleep_on_a_paused_clock_is_none() {
    let text = "//! x\n#[tokio::test(start_paused = true)]\nasync fn a() {\n    sleep(d).await;\n}\n\
                async fn b() { sleep(d).await }\n#[tokio::test(start_paused = false)]\n\
                async fn c() { sleep(d).await }\n";
    let file = File::new("harness/tests/drain.rs", text);
    assert_eq!(lines(&sleeping_tests(&file)), [6, 8]);
}
