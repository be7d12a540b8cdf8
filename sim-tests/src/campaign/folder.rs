//! The folder that a campaign leaves: its summary, and a file per case that failed.
//!
//! **Invariant:** what an earlier campaign has left of failures is gone: a file means that its case
//! fails now.

use std::fs;
use std::io;

use super::arguments::Arguments;
use super::summary::Summary;

/// Writes it.
pub(super) fn write(arguments: &Arguments, summary: &Summary) -> io::Result<()> {
    let folder = &arguments.out;
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with("seed-") && name.ends_with(".txt")) {
            fs::remove_file(path)?;
        }
    }
    for failure in &summary.failures {
        let name = format!("seed-{}.txt", failure.case.seed);
        fs::write(folder.join(name), failure.to_string())?;
    }
    let json = format!("{:#}\n", summary.to_json(arguments));
    fs::write(folder.join("summary.json"), json)
}
