//! Tasks and threads of the runtime begin in one place, which names, counts and ends them.
//!
//! Clippy refuses the functions that spawn; this refuses the types that do, and says where to go.
//!
//! **Invariant:** a spawn through the runtime's own `Tasks` is none.

use crate::code::{after, before, is_word, words_from};
use crate::finding::{Finding, expect_none, lines};
use crate::tree::{File, sources};

const ALLOWED: &str = "`Tasks` of `runtime/src/os/tasks.rs`, which names and counts what it spawns";

/// Types and modules of tokio and std whose functions spawn.
const SPAWNERS: [&str; 9] = [
    "tokio", "task", "thread", "Builder", "Handle", "Runtime", "JoinSet", "LocalSet", "scope",
];

fn stray_spawns(file: &File) -> Vec<Finding> {
    let path = file.path.as_str();
    let is_the_place =
        path == "runtime/src/os/tasks.rs" || path.starts_with("runtime/src/os/tasks/");
    if !path.starts_with("runtime/src/") || is_the_place {
        return Vec::new();
    }
    let code = &file.product();
    words_from(code, &["spawn", "JoinSet", "LocalSet"])
        .into_iter()
        .filter(|(at, word)| is_spawn(code, *at, word))
        .map(|(at, word)| file.finding(at, format!("`{word}`"), ALLOWED))
        .collect()
}

fn is_spawn(code: &str, at: usize, word: &str) -> bool {
    let (front, back) = (before(code, at), after(code, at, word));
    if matches!(word, "JoinSet" | "LocalSet") {
        return true;
    }
    if !word.starts_with("spawn") || !(back.starts_with('(') || back.starts_with("::<")) {
        return false;
    }
    if front.ends_with('.') {
        // `tasks.spawn(…)` is ours, and so is `command.spawn()`; these are tokio's alone.
        return word != "spawn";
    }
    if let Some(path) = front.strip_suffix("::") {
        let owner = path.rsplit(|c| !is_word(c)).next().unwrap_or_default();
        return SPAWNERS.contains(&owner);
    }
    !front.ends_with("fn")
}

#[test]
fn only_the_tasks_of_floor_one_spawn() {
    expect_none(sources().unwrap().flat_map(stray_spawns));
}

#[test]
fn a_stray_spawn_is_found_and_one_through_tasks_is_not() {
    for (code, found) in [
        ("tokio::spawn(f)", true),
        ("tokio::task::spawn_blocking(f)", true),
        ("std::thread::spawn(f)", true),
        ("thread::Builder::spawn(builder, f)", true),
        ("use tokio::spawn; fn f() { spawn(g()) }", true),
        ("handle.spawn_blocking(f)", true),
        ("Handle::spawn::<F>(&handle, f)", true),
        ("let set: JoinSet<()> = x;", true),
        ("self.tasks.spawn(name, f)", false),
        ("Tasks::spawn(&tasks, name, f)", false),
        ("pub(crate) fn spawn(f: F) {}", false),
        ("// tokio::spawn(f)", false),
        ("let spawned = 1;", false),
        (
            "#[cfg(test)] mod tests { fn f() { std::thread::spawn(f) } }",
            false,
        ),
    ] {
        let expected: &[usize] = if found { &[1] } else { &[] };
        let server = File::new("runtime/src/server/driver.rs", code);
        assert_eq!(lines(&stray_spawns(&server)), expected, "{code}");
    }
    for path in [
        "runtime/src/os/tasks.rs",
        "runtime/src/os/tasks/thread.rs",
        "harness/src/test_server.rs",
        "runtime/src/server/tests.rs",
    ] {
        assert_eq!(
            stray_spawns(&File::new(path, "tokio::spawn(f)")),
            [],
            "{path}"
        );
    }
}
