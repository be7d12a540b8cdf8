//! The floors of the runtime: what stands on one imports its own and those below.
//!
//! The lowest floor is a crate of its own, so the compiler keeps that one.
//!
//! **Invariant:** a path is judged by the module it names, not by a re-export that hides it.

use crate::code::{after, before, closing_brace, is_word, words, words_from};
use crate::finding::{Finding, expect_none, lines};
use crate::tree::{File, sources};

const SOURCES: &str = "runtime/src/";
/// From the lowest up.
const FLOORS: [&str; 3] = ["os", "transport", "server"];
const TRANSPORT: usize = 1;

const ALLOWED_IMPORT: &str =
    "a path through `os`, `transport` or `server` that stays on its own floor or goes down";
const ALLOWED_PLACE: &str = "`lib.rs`, or a file of `os`, `transport` or `server`";
const ALLOWED_PROTOCOL: &str = "to leave the wire to `transport`";
const ALLOWED_LIST: &str = "`mod`, `use` and attributes; each item comes by its name";

/// The modules of a file, from the root down.
fn modules(file: &File) -> Option<Vec<&str>> {
    let path = file.path.strip_prefix(SOURCES)?.strip_suffix(".rs")?;
    (path != "lib").then(|| path.split('/').collect())
}

/// Which floor a file stands on, by its place in [`FLOORS`].
fn floor(file: &File) -> Option<usize> {
    let modules = modules(file)?;
    FLOORS
        .iter()
        .position(|floor| modules.first() == Some(floor))
}

/// Paths that go up, or through the root's re-exports, which belong to no floor.
fn upward_imports(file: &File) -> Vec<Finding> {
    let Some(modules) = modules(file) else {
        return Vec::new();
    };
    let Some(floor) = floor(file) else {
        return vec![file.finding(0, "a file on no floor", ALLOWED_PLACE)];
    };
    let code = &file.code().text;
    let mut findings = Vec::new();
    for (at, path) in paths_from_the_root(code, modules.len()) {
        for module in first_modules(path) {
            let target = FLOORS.iter().position(|floor| *floor == module);
            if target.is_none_or(|target| target > floor) {
                let own = FLOORS.get(floor).unwrap_or(&"");
                let what = format!("`{module}` of the root imported by floor `{own}`");
                findings.push(file.finding(at, what, ALLOWED_IMPORT));
            }
        }
    }
    findings
}

/// What follows `crate::`, or as many `super::` as lead to the root from `depth` modules below it.
fn paths_from_the_root(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let inline = inline_modules(code);
    let mut found = Vec::new();
    for (at, word) in words_from(code, &["crate", "super"]) {
        let chained = before(code, at).ends_with("super::");
        if word == "crate" && !before(code, at).ends_with('$') {
            found.extend(
                after(code, at, word)
                    .strip_prefix("::")
                    .map(|path| (at, path)),
            );
        } else if word == "super" && !chained {
            let enclosing = inline.iter().filter(|range| range.contains(&at)).count();
            let mut path = code.get(at..).unwrap_or_default();
            let mut climbed = 0;
            while let Some(rest) = path.strip_prefix("super").map(str::trim_start) {
                let Some(rest) = rest.strip_prefix("::") else {
                    break;
                };
                (path, climbed) = (rest.trim_start(), climbed + 1);
            }
            if climbed == depth + enclosing {
                found.push((at, path));
            }
        }
    }
    found
}

/// Where the bodies of `mod name { … }` are.
fn inline_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (keyword, _) in words_from(code, &["mod"]) {
        let name = after(code, keyword, "mod");
        let Some((at, word)) = words(name).next() else {
            continue;
        };
        let at = code.len() - name.len() + at;
        if before(code, at).ends_with("mod") && after(code, at, word).starts_with('{') {
            let open = code.len() - after(code, at, word).len();
            found.push(open..closing_brace(code, open));
        }
    }
    found
}

/// The first modules of a path: one, or as many as there are in its braces.
fn first_modules(path: &str) -> Vec<&str> {
    let path = path.trim_start();
    let Some(tree) = path.strip_prefix('{') else {
        let end = path.find(|c| !is_word(c)).unwrap_or(path.len());
        return path.get(..end.max(1)).into_iter().collect();
    };
    let tree = tree
        .get(..closing_brace(path, 0).saturating_sub(2))
        .unwrap_or(tree);
    let mut depth = 0_usize;
    let branches = tree.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    branches
        .filter(|branch| !branch.trim().is_empty())
        .flat_map(first_modules)
        .collect()
}

/// The wire's crates named elsewhere than on the floor that speaks with it.
fn protocols_outside_transport(file: &File) -> Vec<Finding> {
    if !file.path.starts_with(SOURCES) || floor(file) == Some(TRANSPORT) {
        return Vec::new();
    }
    let code = &file.code().text;
    words_from(code, &["hyper", "h2", "tonic"])
        .into_iter()
        .filter(|(at, word)| {
            matches!(*word, "hyper" | "hyper_util" | "h2" | "tonic")
                && after(code, *at, word).starts_with("::")
        })
        .map(|(at, word)| file.finding(at, format!("`{word}::`"), ALLOWED_PROTOCOL))
        .collect()
}

/// Anything in a `lib.rs` but the list of what there is.
fn logic_in_lists(file: &File) -> Vec<Finding> {
    if !file.path.ends_with("src/lib.rs") {
        return Vec::new();
    }
    let code = file.product();
    let items = words(&code).filter(|(_, word)| {
        let items = [
            "const",
            "enum",
            "fn",
            "impl",
            "let",
            "macro_rules",
            "static",
            "struct",
            "trait",
            "type",
            "union",
        ];
        items.contains(word)
    });
    let globs = code.match_indices("::*");
    items
        .chain(globs)
        .map(|(at, word)| file.finding(at, format!("`{word}` in a list"), ALLOWED_LIST))
        .collect()
}

#[test]
fn the_floors_of_the_runtime_import_downwards_only() {
    expect_none(sources().unwrap().flat_map(upward_imports));
}

#[test]
fn only_the_transport_speaks_of_the_wire() {
    expect_none(sources().unwrap().flat_map(protocols_outside_transport));
}

#[test]
fn each_lib_is_a_list_and_nothing_else() {
    expect_none(sources().unwrap().flat_map(logic_in_lists));
}

#[test]
fn an_import_that_goes_up_is_found_however_it_is_written() {
    for (path, code) in [
        ("os.rs", "use crate::transport::Peer;"),
        ("os.rs", "use super::server;"),
        (
            "os/signal.rs",
            "use crate::{os::tasks, server::{self, Server}};",
        ),
        ("os/signal.rs", "use super::super::transport as up;"),
        ("os/signal.rs", "fn f() { crate :: server :: run() }"),
        ("os/signal.rs", "use crate::Server;"),
        ("os/signal.rs", "use crate::{Server as _, os};"),
        ("os/signal.rs", "use crate::*;"),
        (
            "transport/io.rs",
            "mod tests { use super::super::super::server; }",
        ),
        (
            "transport/io.rs",
            "mod tests { use crate::server::config; }",
        ),
        ("transport.rs", "use self::super::server;"),
    ] {
        let file = File::new(format!("{SOURCES}{path}"), format!("//! x\n{code}"));
        assert_eq!(lines(&upward_imports(&file)), [2], "{path}: {code}");
    }
    let stray = File::new("runtime/src/extra.rs", "//! x");
    assert_eq!(lines(&upward_imports(&stray)), [1]);
}

#[test]
fn an_import_that_stays_or_goes_down_is_fine() {
    for (path, code) in [
        ("os/signal.rs", "use crate::os::{clock, tasks::Tasks};"),
        (
            "os/signal/source.rs",
            "use super::super::tasks; use super::Signal;",
        ),
        ("transport/io.rs", "use crate::{os, transport::Peer};"),
        (
            "transport/io.rs",
            "mod tests { use super::super::Peer; use super::*; }",
        ),
        (
            "server.rs",
            "use crate::{os, transport::{self, Peer}, server::config,};",
        ),
        (
            "server.rs",
            "// use crate::Server;\nuse lamplighter_lifecycle::Plan;",
        ),
        (
            "server.rs",
            "pub(super) mod config; pub(crate) fn f() {} pub(in crate) fn g() {}",
        ),
        ("lib.rs", "pub use server::Server;"),
    ] {
        let file = File::new(format!("{SOURCES}{path}"), code);
        assert_eq!(upward_imports(&file), [], "{path}: {code}");
    }
    let elsewhere = File::new("harness/src/probe.rs", "use crate::server;");
    assert_eq!(upward_imports(&elsewhere), []);
}

#[test]
fn a_wire_crate_outside_the_transport_is_found() {
    let code =
        "//! hyper::\nuse hyper_util::rt;\nfn f(_: hyper::body::Incoming, _: h2::Reason) {}\n";
    for (path, found) in [
        ("runtime/src/server/driver.rs", vec![2, 3, 3]),
        ("runtime/src/os.rs", vec![2, 3, 3]),
        ("runtime/src/lib.rs", vec![2, 3, 3]),
        ("runtime/src/transport.rs", vec![]),
        ("runtime/src/transport/io.rs", vec![]),
        ("harness/src/probe.rs", vec![]),
    ] {
        let file = File::new(path, code);
        assert_eq!(lines(&protocols_outside_transport(&file)), found, "{path}");
    }
}

#[test]
fn logic_and_globs_in_a_lib_are_found() {
    let text = "//! fn x\n#![no_std]\nextern crate alloc;\nmod os;\n#[cfg(feature = \"config\")]\n\
                pub use server::Config;\nuse server::*;\nfn f() {}\npub const X: u8 = 1;\n\
                #[doc = include_str!(\"../../README.md\")]\nmod readme {}\n";
    let lib = File::new("runtime/src/lib.rs", text);
    assert_eq!(lines(&logic_in_lists(&lib)), [8, 9, 7]);
    let other = File::new("runtime/src/os.rs", text);
    assert_eq!(logic_in_lists(&other), []);
}
