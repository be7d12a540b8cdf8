//! What a rule has to say about a place in the tree.
//!
//! **Invariant:** whoever reads a finding need not read the rule.

use std::fmt;

/// One place that breaks one rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) allowed: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            what,
            allowed,
        } = self;
        write!(f, "{path}:{line}: {what}; allowed is {allowed}")
    }
}

/// Fails with every finding, one to a line.
#[track_caller]
pub(crate) fn expect_none(findings: impl IntoIterator<Item = Finding>) {
    let lines: Vec<String> = findings.into_iter().map(|it| it.to_string()).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

/// The lines of the findings, for rules that are tried on a sample.
pub(crate) fn lines(findings: &[Finding]) -> Vec<usize> {
    findings.iter().map(|finding| finding.line).collect()
}

#[test]
fn a_finding_reads_as_place_matter_and_what_is_allowed() {
    let finding = Finding {
        path: String::from("runtime/src/lib.rs"),
        line: 7,
        what: String::from("`fn` in a list"),
        allowed: "a `pub use`",
    };
    assert_eq!(
        finding.to_string(),
        "runtime/src/lib.rs:7: `fn` in a list; allowed is a `pub use`",
    );
}
