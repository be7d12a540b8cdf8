//! Finds the binary of an example beside the running test, or has cargo build it.
//!
//! **Invariant:** a binary that is older than one of its sources is never used.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of an example that is up to date.
///
/// `cargo test --workspace` and nextest build every example before the first test, so that this only
/// looks; a run of one package does not, and then cargo does it here. Its own lock lets one of many
/// processes at a time build, and the others find it done.
pub(super) fn example(package: &str, name: &str) -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| format!("who am I? {error}"))?;
    // target/debug/deps/test-0123 → target/debug
    let profile = test
        .parent()
        .and_then(Path::parent)
        .ok_or_else(|| format!("{} is in no target directory", test.display()))?;
    let path = profile.join("examples").join(name);
    if is_fresh(&path) {
        return Ok(path);
    }
    build(package, name, profile)?;
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "cargo built example {name}, but not as {}",
            path.display()
        ))
    }
}

/// Whether nothing that a binary was made of, as cargo wrote down beside it, is younger than it is.
fn is_fresh(path: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let (Some(built), Ok(sources)) = (
        modified(path),
        std::fs::read_to_string(path.with_extension("d")),
    ) else {
        return false;
    };
    sources_of(&sources)
        .iter()
        .all(|source| modified(source).is_some_and(|changed| changed <= built))
}

/// The paths after the colon; spaces within one are escaped.
fn sources_of(dependencies: &str) -> Vec<PathBuf> {
    let Some((_, list)) = dependencies
        .lines()
        .next()
        .and_then(|line| line.split_once(": "))
    else {
        return Vec::new();
    };
    list.replace("\\ ", "\0")
        .split(' ')
        .filter(|path| !path.is_empty())
        .map(|path| path.replace('\0', " ").into())
        .collect()
}

fn build(package: &str, name: &str, profile_dir: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(profile) => profile,
    };
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--package", package, "--example", name])
        .args(["--profile", profile]);
    if let Some(target) = profile_dir.parent() {
        command.arg("--target-dir").arg(target);
    }
    // Set by cargo and nextest for every test; cargo finds the workspace from there.
    if let Some(directory) = std::env::var_os("CARGO_MANIFEST_DIR") {
        command.current_dir(directory);
    }
    let output = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed:\n{said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_cargo_writes_them() {
        let text = "/t/debug/examples/a: /src/a.rs /my\\ src/b.rs\n";
        let sources: Vec<PathBuf> = vec!["/src/a.rs".into(), "/my src/b.rs".into()];
        assert_eq!(sources_of(text), sources);
        assert_eq!(sources_of(""), Vec::<PathBuf>::new());
    }
}
