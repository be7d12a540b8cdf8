//! The core stays pure: no standard library, no dependency that has one, no state of its own
//! (tests of floor 0).
//!
//! `#![no_std]` alone does not do it: `extern crate std` compiles in such a crate, and a build for
//! a target without a standard library needs one to be installed. So the text is read.
//!
//! **Invariant:** what is looked for is looked for outside of comments and of text in quotes.

use std::fs;
use std::path::{Path, PathBuf};

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// What the core may depend on: each without a standard library.
const ALLOWED: [&str; 3] = ["foldhash", "hashbrown", "thiserror"];

fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(PACKAGE).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no file in {folder}");
    found.sort();
    found
}

/// The words of a line of code, without its comment and without what stands in quotes.
fn words(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let code: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let mut words = vec![String::new()];
    for c in code.chars() {
        if c.is_alphanumeric() || c == '_' {
            words.last_mut().unwrap().push(c);
        } else {
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What makes a line of code impure.
fn impurity(line: &str) -> Option<&'static str> {
    let words = words(line);
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let foreign = words
        .windows(3)
        .any(|words| words[0] == "extern" && words[1] == "crate" && words[2] != "alloc");
    match () {
        () if has("std") => Some("the standard library"),
        () if foreign => Some("a foreign crate"),
        () if has("unsafe") => Some("unsafe code"),
        () if has("static") && !line.contains("'static") => Some("state outside of the machine"),
        () if has("thread_local") || has("RefCell") || has("Cell") => Some("hidden state"),
        () if has("async") || has("await") => Some("async code"),
        () if has("atomic") || has("Mutex") || has("RwLock") => Some("shared state"),
        () => None,
    }
}

#[test]
fn no_source_of_the_core_reaches_for_the_standard_library() {
    for path in files("src") {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(what) = impurity(line) {
                panic!("{}:{number}: {what}: {line}", path.display());
            }
        }
    }
    let lib = fs::read_to_string(Path::new(PACKAGE).join("src/lib.rs")).unwrap();
    assert!(lib.lines().any(|line| line == "#![no_std]"));
}

#[test]
fn impurity_is_found_where_it_is_and_nowhere_else() {
    for line in [
        "extern crate std;",
        "use std::time::Instant;",
        "let now = ::std::time::Instant::now();",
        "pub(crate) extern crate rand;",
        "static SEED: u64 = 0;",
        "unsafe { zero() }",
        "let shared = core::cell::RefCell::new(0);",
        "use core::sync::atomic::AtomicU64;",
        "async fn wait() {}",
    ] {
        assert!(impurity(line).is_some(), "{line}");
    }
    for line in [
        "extern crate alloc;",
        "//! no std here",
        "let text = \"std\"; // std",
        "let standard = 1;",
        "callback: &'static str,",
        "use core::time::Duration;",
    ] {
        assert_eq!(impurity(line), None, "{line}");
    }
}

/// The lines of a manifest's sections whose name ends in `dependencies`, but for those of tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies") && section != "dev-dependencies";
            if let Some((_, name)) = section.split_once("dependencies.")
                && !section.starts_with("dev-")
            {
                found.push(name.to_owned());
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            found.push(line.to_owned());
        }
    }
    found
}

fn name(dependency: &str) -> &str {
    let end = dependency.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
    &dependency[..end.unwrap_or(dependency.len())]
}

#[test]
fn the_core_depends_on_nothing_that_has_a_standard_library() {
    let read = |path: &str| fs::read_to_string(Path::new(PACKAGE).join(path)).unwrap();
    let (own, shared) = (read("Cargo.toml"), read("../../Cargo.toml"));
    let found = dependencies(&own);
    assert!(!found.is_empty());
    for line in found {
        let name = name(&line);
        assert!(ALLOWED.contains(&name), "{name} is not on the list");
        let settings = if line.contains("workspace") {
            let prefix = format!("{name} = ");
            let shared = shared.lines().find(|line| line.starts_with(&prefix));
            shared.unwrap().to_owned() + &line
        } else {
            line.clone()
        };
        assert!(
            settings.contains("default-features = false"),
            "{name} comes with its defaults: {settings}"
        );
        assert!(!settings.contains("\"std\""), "{name} comes with std");
    }
}

#[test]
fn a_dependency_is_found_in_whatever_section_it_stands() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\n# c\nb.workspace = true\n\
                    [dependencies.d]\nversion = \"1\"\n[target.'cfg(unix)'.dependencies]\ne = \"1\"\n\
                    [build-dependencies]\nf = { version = \"1\" }\n[dev-dependencies]\ng = \"1\"\n";
    let found = dependencies(manifest);
    let names: Vec<&str> = found.iter().map(|line| name(line)).collect();
    assert_eq!(names, ["a", "b", "d", "e", "f"]);
}

#[test]
fn every_file_begins_with_what_it_is_about() {
    for path in files("src").into_iter().chain(files("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{}", path.display());
    }
}
