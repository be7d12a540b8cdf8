//! Small habits of every Rust file: how it opens, how its lines end, what it never says.
//!
//! **Invariant:** no rule here knows of a single file, but for the one that may hold `unsafe`.

use crate::code::{after, words_from};
use crate::finding::{Finding, expect_none, lines};
use crate::tree::{File, files, sources};

const ALLOWED_OPENING: &str = "`//!` and a sentence that says what the file is about";
const ALLOWED_ENDING: &str = "a line that ends with its last character";
const ALLOWED_SELECT: &str = "`biased;` first, so that two runs take the same branch";
const ALLOWED_UNSAFE: &str = "a safe crate, or the files in `UNSAFE` of this rule";
const ALLOWED_TEST: &str = "a test that always runs and asserts what it expects";

/// Files that may say `unsafe`, each with the reason in its own first lines.
const UNSAFE: [&str; 1] = ["runtime/src/os/send_queue.rs"];

fn silent_openings(file: &File) -> Vec<Finding> {
    let opening = file.text.lines().next().unwrap_or_default();
    let says = opening
        .strip_prefix("//! ")
        .is_some_and(|says| !says.trim().is_empty());
    let silent = (!says).then(|| file.finding(0, "a file that does not say why", ALLOWED_OPENING));
    silent.into_iter().collect()
}

fn trailing_white_space(file: &File) -> Vec<Finding> {
    let ours = [".rs", ".toml", ".md", "justfile", ".ci/run"];
    if !ours.iter().any(|end| file.path.ends_with(end)) {
        return Vec::new();
    }
    let mut at = 0;
    let mut findings = Vec::new();
    for line in file.text.split_inclusive('\n') {
        if line
            .strip_suffix('\n')
            .unwrap_or(line)
            .ends_with(char::is_whitespace)
        {
            findings.push(file.finding(at, "trailing white space", ALLOWED_ENDING));
        }
        at += line.len();
    }
    findings
}

fn unbiased_selects(file: &File) -> Vec<Finding> {
    let code = &file.code().text;
    words_from(code, &["select"])
        .into_iter()
        .filter(|(at, word)| {
            let body = after(code, *at, word)
                .strip_prefix('!')
                .map(str::trim_start);
            let first = body.and_then(|body| body.strip_prefix(['{', '(']));
            *word == "select"
                && !first.is_some_and(|it| it.trim_start().starts_with("biased;"))
                && body.is_some()
        })
        .map(|(at, _)| file.finding(at, "`select!` that throws dice", ALLOWED_SELECT))
        .collect()
}

fn stray_unsafe(file: &File) -> Vec<Finding> {
    if UNSAFE.contains(&file.path.as_str()) {
        return Vec::new();
    }
    words_from(&file.code().text, &["unsafe"])
        .into_iter()
        .filter(|(_, word)| *word == "unsafe")
        .map(|(at, _)| file.finding(at, "`unsafe`", ALLOWED_UNSAFE))
        .collect()
}

fn lenient_tests(file: &File) -> Vec<Finding> {
    let code = &file.code().text;
    words_from(code, &["ignore", "should_panic"])
        .into_iter()
        .filter(|(at, word)| {
            matches!(*word, "ignore" | "should_panic")
                && crate::code::before(code, *at).ends_with("#[")
        })
        .map(|(at, word)| file.finding(at, format!("`#[{word}]`"), ALLOWED_TEST))
        .collect()
}

#[test]
fn every_file_opens_with_what_it_is_about() {
    expect_none(sources().unwrap().flat_map(silent_openings));
}

#[test]
fn no_line_ends_in_white_space() {
    expect_none(files().unwrap().iter().flat_map(trailing_white_space));
}

#[test]
fn every_select_is_biased() {
    expect_none(sources().unwrap().flat_map(unbiased_selects));
}

#[test]
fn no_code_is_unsafe() {
    expect_none(sources().unwrap().flat_map(stray_unsafe));
}

#[test]
fn no_test_is_ignored_or_content_with_any_panic() {
    expect_none(sources().unwrap().flat_map(lenient_tests));
}

#[test]
fn a_file_that_opens_without_a_sentence_is_found() {
    for text in [
        "",
        "use std::io;\n//! late\n",
        "//!\n//! late\n",
        "// x\n",
        "/// x\n",
        "\n//! x\n",
    ] {
        assert_eq!(
            lines(&silent_openings(&File::new("a.rs", text))),
            [1],
            "{text:?}"
        );
    }
    assert_eq!(silent_openings(&File::new("a.rs", "//! Why.\n")), []);
}

#[test]
fn white_space_at_the_end_of_a_line_is_found() {
    let text = "fine\nspace \n\ttab\t\n\ncarriage return\r\nlast ";
    for path in ["a.rs", "Cargo.toml", "README.md", "justfile", ".ci/run"] {
        let file = File::new(path, text);
        assert_eq!(lines(&trailing_white_space(&file)), [2, 3, 5, 6], "{path}");
    }
    assert_eq!(
        trailing_white_space(&File::new("snapshots/a.snap", text)),
        []
    );
}

#[test]
fn a_select_without_bias_is_found() {
    let text = "tokio::select! { biased; _ = a => {} }\ntokio::select! { _ = a => {} }\n\
                select!(_ = a => {})\nselect! {\n    // first\n    biased;\n}\n// select! {}\n\
                fn select() {}\nselect! { biased_name = a => {} }\n";
    assert_eq!(
        lines(&unbiased_selects(&File::new("a.rs", text))),
        [2, 3, 10]
    );
}

#[test]
fn unsafe_code_is_found_and_the_word_in_other_places_is_not() {
    let text =
        "#![deny(unsafe_code)]\n// unsafe\nlet a = \"unsafe\";\nunsafe { b() }\nunsafe fn c() {}\n";
    assert_eq!(lines(&stray_unsafe(&File::new("a.rs", text))), [4, 5]);
}

#[test]
fn an_ignored_test_and_one_that_any_panic_satisfies_are_found() {
    let text = "#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}\n\
                #[should_panic(expected = \"c\")]\nfn c() {}\n// #[ignore]\nfn ignore() {}\n";
    assert_eq!(lines(&lenient_tests(&File::new("a.rs", text))), [2, 4, 6]);
}
