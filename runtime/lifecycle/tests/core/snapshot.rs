//! Comparing text with the snapshots at the workspace's root (tests of floor 0).
//!
//! **Invariant:** the name of a snapshot is the whole name of its file.

/// Compares `text` with the snapshot of this name.
pub(crate) fn compare(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
