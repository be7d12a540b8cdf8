//! The files of this workspace, as text.
//!
//! **Invariant:** paths are relative to the root and have forward slashes.
//! **Invariant:** nothing is read from `target` or from what only one machine has.
//! **Invariant:** a process reads the tree once, and takes apart only what one of its rules asks for.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use crate::code::{self, Code};
use crate::finding::Finding;

/// The folder that the workspace's `Cargo.toml` is in.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The folders of the workspace that hold code, and those dotfiles that are written by hand.
const FOLDERS: [&str; 7] = [
    "runtime",
    "harness",
    "sim-tests",
    "snapshots",
    ".cargo",
    ".ci",
    ".config",
];

/// One file.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    code: OnceLock<Code>,
}

impl File {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text, code) = (path.into(), text.into(), OnceLock::new());
        Self { path, text, code }
    }

    /// Its code; there is none unless it is Rust.
    pub(crate) fn code(&self) -> &Code {
        self.code
            .get_or_init(|| Code::read(if self.is_rust() { &self.text } else { "" }))
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of it is tests: an integration test, or a module that only tests declare.
    pub(crate) fn is_tests(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
    }

    /// What of it is not tests.
    pub(crate) fn product(&self) -> String {
        if self.is_tests() {
            String::new()
        } else {
            self.code().product()
        }
    }

    /// What of it is tests.
    pub(crate) fn tests(&self) -> String {
        if self.is_tests() {
            self.code().text.clone()
        } else {
            self.code().unit_tests()
        }
    }

    /// A finding about the place `at` in the text or in the code, which have the same places.
    pub(crate) fn finding(
        &self,
        at: usize,
        what: impl Into<String>,
        allowed: &'static str,
    ) -> Finding {
        Finding {
            path: self.path.clone(),
            line: code::line(&self.text, at),
            what: what.into(),
            allowed,
        }
    }
}

/// Every file that somebody wrote, in order of its path; those that are not text are left out.
pub(crate) fn files() -> Result<&'static [File], &'static io::Error> {
    static FILES: LazyLock<io::Result<Vec<File>>> = LazyLock::new(read);
    FILES.as_deref()
}

/// Every Rust file.
pub(crate) fn sources() -> Result<impl Iterator<Item = &'static File>, &'static io::Error> {
    files().map(|files| files.iter().filter(|file| file.is_rust()))
}

fn read() -> io::Result<Vec<File>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(ROOT)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() {
            paths.push(name);
        } else if FOLDERS.contains(&name.as_str()) {
            collect(&entry.path(), &name, &mut paths)?;
        }
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let bytes = fs::read(Path::new(ROOT).join(&path))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File::new(path, text));
        }
    }
    Ok(files)
}

fn collect(folder: &Path, name: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_file() {
            paths.push(path);
        } else if entry.file_name() != "target" {
            collect(&entry.path(), &path, paths)?;
        }
    }
    Ok(())
}

#[test]
fn the_whole_workspace_is_read() {
    let files = files().unwrap();
    for expected in [
        ".ci/run",
        "Cargo.toml",
        "harness/src/lib.rs",
        "harness/tests/tidy/tree.rs",
        "runtime/lifecycle/src/lib.rs",
        "runtime/src/lib.rs",
        "sim-tests/src/lib.rs",
    ] {
        assert!(files.iter().any(|file| file.path == expected), "{expected}");
    }
}

#[test]
fn tests_are_known_by_their_folder_or_their_file() {
    for (path, is_tests) in [
        ("harness/tests/drain.rs", true),
        ("runtime/lifecycle/tests/plan/explained.rs", true),
        ("runtime/src/server/config/tests.rs", true),
        ("sim-tests/src/lib.rs", false),
        ("runtime/src/os/tests_of_time.rs", false),
    ] {
        assert_eq!(File::new(path, "").is_tests(), is_tests, "{path}");
    }
}
