//! The planted bugs: each patch fits the sources as they are, says which law it breaks, and stands in
//! the tables of what was found.
//!
//! That the laws find them is what `bugs/run` shows, which builds each of them and writes the tables.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lamplighter_sim::campaign::SAME;
use lamplighter_sim::oracle::paired::{EXTRA_SIGNAL, FAILURE};
use lamplighter_sim::{Oracle, Scenario};

/// The numbers of the laws of the design that a simulation sees.
const NUMBERS: [&str; 17] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "15", "16", "17", "18",
];

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

fn laws() -> BTreeSet<String> {
    let oracle = Oracle::new(&Scenario::default());
    let single = oracle.laws();
    let all = single.chain([SAME, EXTRA_SIGNAL, FAILURE]);
    all.map(str::to_owned).collect()
}

/// The rows of a table of the page on the bugs, below this heading, cell by cell.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("sim-tests/bugs/README.md")).unwrap_or_default();
    let below = page.split_once(&format!("\n## {heading}\n"));
    let (_, below) = below.unwrap_or_default();
    let rows = below
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    // The first two are its head.
    rows.skip(2).map(cells).collect()
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
    let mut laws = laws();
    for law in WITHOUT {
        assert!(laws.remove(law), "{law} is no law");
    }
    let patches = patches().unwrap();
    let broken: BTreeSet<String> = patches
        .iter()
        .map(|(_, patch)| field(patch, "Law: ").to_owned())
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

#[test]
fn the_table_of_bugs_has_each_of_them_as_found_and_made_small() {
    let rows = table("The bugs");
    let named: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row[1].trim_matches('`'), &*row[2]))
        .collect();
    let patches = patches().unwrap();
    let wanted: Vec<(&str, &str)> = patches
        .iter()
        .map(|(name, patch)| (&**name, field(patch, "Bug: ")))
        .collect();
    assert_eq!(named, wanted);
    for row in &rows {
        let cases: Vec<u32> = row[3].split(", ").map(|n| n.parse().unwrap()).collect();
        assert_eq!(cases.len(), 5, "{row:?}");
        assert!(cases.iter().all(|cases| *cases <= 2000), "{row:?}");
        assert!(row[4].parse::<u32>().unwrap() <= 4, "{row:?}");
    }
}

#[test]
fn the_table_of_laws_has_each_of_them_and_what_it_has_found() {
    let rows = table("The laws");
    let named: BTreeSet<String> = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(named, laws());
    let patches = patches().unwrap();
    for row in &rows {
        let bugs = row[1..].iter().zip(&patches);
        let own: Vec<&str> = bugs
            .filter(|(found, _)| found.starts_with("**"))
            .map(|(_, (name, _))| name.as_str())
            .collect();
        let of_it = patches
            .iter()
            .filter(|(_, patch)| field(patch, "Law: ") == row[0]);
        let of_it: Vec<&str> = of_it.map(|(name, _)| name.as_str()).collect();
        assert_eq!(own, of_it, "{}", row[0]);
    }
}

#[test]
fn every_law_of_the_design_that_a_simulation_sees_is_in_the_oracle() {
    let rows = table("What each law says");
    let named: BTreeSet<String> = rows.iter().map(|row| row[1].clone()).collect();
    assert_eq!(named, laws());
    let mut numbers: Vec<&str> = rows
        .iter()
        .map(|row| &*row[0])
        .filter(|number| !number.is_empty())
        .collect();
    numbers.dedup();
    assert_eq!(numbers, NUMBERS);
    let patches = patches().unwrap();
    for row in &rows {
        let mut of_it = patches
            .iter()
            .filter(|(_, patch)| field(patch, "Law: ") == row[1]);
        let stands = of_it.all(|(name, _)| row[2].contains(&format!("`{name}`")));
        assert!(stands && !row[2].is_empty(), "{row:?}");
        let without = row[2].starts_with("nothing here alone: ");
        assert_eq!(without, WITHOUT.contains(&&*row[1]), "{row:?}");
    }
}
