//! What a listener is called where something is said of it (floor 1).
//!
//! **Invariant:** no text is made before somebody reads it: most listeners never break.

use std::fmt;

use super::Addr;

/// The name of a listener, if it has one, and where it listens.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    name: Option<String>,
    addr: Addr,
}

impl Label {
    pub(crate) const fn new(name: Option<String>, addr: Addr) -> Self {
        Self { name, addr }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name} on ")?;
        }
        self.addr.fmt(f)
    }
}
