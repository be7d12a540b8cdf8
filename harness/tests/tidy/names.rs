//! Names that say nothing: files that could hold anything, getters that say so.
//!
//! **Invariant:** judged is the name alone, never what it names.

use crate::code::{before, words_from};
use crate::finding::{Finding, expect_none, lines};
use crate::tree::{File, sources};

const ALLOWED_FILE: &str = "the name of the one concept in it, `foo.rs` beside `foo/`";
const ALLOWED_GETTER: &str = "the name of what is returned, without `get_`";

fn empty_names(file: &File) -> Vec<Finding> {
    let path = file.path.strip_suffix(".rs").unwrap_or(&file.path);
    let says_nothing = |part: &&str| {
        let words = ["mod", "util", "utils", "common", "misc"];
        words.contains(part) || part.contains("helper") || part.contains("manager")
    };
    path.split('/')
        .filter(says_nothing)
        .map(|part| file.finding(0, format!("a file or folder named `{part}`"), ALLOWED_FILE))
        .collect()
}

fn getters(file: &File) -> Vec<Finding> {
    let code = &file.code().text;
    words_from(code, &["get_"])
        .into_iter()
        .filter(|(at, word)| word.starts_with("get_") && before(code, *at).ends_with("fn"))
        .map(|(at, word)| file.finding(at, format!("`fn {word}`"), ALLOWED_GETTER))
        .collect()
}

#[test]
fn every_file_is_named_after_its_concept() {
    expect_none(sources().unwrap().flat_map(empty_names));
}

#[test]
fn no_getter_says_that_it_gets() {
    expect_none(sources().unwrap().flat_map(getters));
}

#[test]
fn a_file_that_could_hold_anything_is_found() {
    for path in [
        "runtime/src/os/mod.rs",
        "harness/src/util.rs",
        "harness/tests/common/server.rs",
        "harness/src/test_helpers.rs",
        "runtime/src/server/connection_manager.rs",
    ] {
        assert_eq!(lines(&empty_names(&File::new(path, ""))), [1], "{path}");
    }
    for path in [
        "runtime/src/server/model.rs",
        "runtime/src/os/utility_of_time.rs",
    ] {
        assert_eq!(empty_names(&File::new(path, "")), [], "{path}");
    }
}

#[test]
fn a_getter_with_a_prefix_is_found() {
    let text = "fn phase() {}\nfn get_phase() {}\n// fn get_x()\nlet a = map.get_mut();\n\
                fn\n    get_b() {}\nfn getter() {}\n";
    assert_eq!(lines(&getters(&File::new("a.rs", text))), [2, 6]);
}
