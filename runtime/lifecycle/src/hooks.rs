//! Placeholder types until the hook graph lands (floor 0).
/// A hook of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(u32);
