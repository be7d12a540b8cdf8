//! The planted bugs: each patch fits the sources as they are, and says which law it breaks.
//!
//! That the laws find them is what `bugs/run` shows, which builds each of them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lamplighter_sim::oracle::paired::{EXTRA_SIGNAL, FAILURE};
use lamplighter_sim::{Oracle, Scenario};

/// The law of a case that is run twice.
const SAME: &str = "the same case gives the same trace";

/// Laws that no bug breaks alone: whatever is late for the whole is late for a phase first; and a
/// second goodbye is a bug of the libraries that say it.
const WITHOUT: [&str; 2] = ["within the budget", "one graceful close"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn patches() -> io::Result<Vec<(String, String)>> {
    let mut patches = Vec::new();
    for entry in fs::read_dir(root().join("sim-tests/bugs"))? {
        let path = entry?.path();
        if let (Some("patch"), Some(name)) = (
            path.extension().and_then(OsStr::to_str),
            path.file_stem().and_then(OsStr::to_str),
        ) {
            patches.push((name.to_owned(), fs::read_to_string(&path)?));
        }
    }
    patches.sort();
    Ok(patches)
}

fn field<'a>(patch: &'a str, name: &str) -> &'a str {
    let line = patch.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim()
}

/// What each hunk of a patch takes for granted: the file, and the lines that it finds there.
fn grounds(patch: &str) -> Vec<(String, String)> {
    let mut grounds: Vec<(String, String)> = Vec::new();
    let mut file = "";
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            file = path;
        } else if line.starts_with("@@ ") {
            grounds.push((file.to_owned(), String::new()));
        } else if line.starts_with("+++ ") || line.starts_with('+') {
        } else if let Some(kept) = line.strip_prefix(' ').or_else(|| line.strip_prefix('-'))
            && let Some((_, lines)) = grounds.last_mut()
        {
            lines.push_str(kept);
            lines.push('\n');
        }
    }
    grounds
}

#[test]
fn every_patch_fits_the_sources() {
    for (name, patch) in patches().unwrap() {
        let grounds = grounds(&patch);
        assert!(!grounds.is_empty(), "{name} changes nothing");
        for (file, lines) in grounds {
            let source = fs::read_to_string(root().join(&file)).unwrap();
            let times = source.matches(&lines).count();
            assert_eq!(
                times, 1,
                "{name} does not fit {file}, which has not:\n{lines}"
            );
        }
    }
}

#[test]
fn every_law_has_a_bug_that_breaks_it() {
    let oracle = Oracle::new(&Scenario::default());
    let mut laws: BTreeSet<&str> = oracle.laws().chain([SAME, EXTRA_SIGNAL, FAILURE]).collect();
    for law in WITHOUT {
        assert!(laws.remove(law), "{law} is no law");
    }
    let patches = patches().unwrap();
    let broken: BTreeSet<&str> = patches
        .iter()
        .map(|(_, patch)| field(patch, "Law: "))
        .collect();
    assert_eq!(broken, laws);
    for (name, patch) in &patches {
        assert_ne!(
            field(patch, "Bug: "),
            "",
            "{name} does not say what is wrong"
        );
    }
}
