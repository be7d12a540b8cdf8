//! What can be wrong with a variable of the environment (floor 3).
//!
//! **Invariant:** every message names the variable, its value and what is allowed.
//! **Invariant:** the value of a secret is never held here, so nothing can print it.

/// Why a variable could not be read.
///
/// `value` is what the variable was set to, `None` if the program called it a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is set, to nothing.
    ///
    /// A template that was not filled in looks like this. To take it for "not given", or for zero,
    /// would start a server that nobody described.
    #[error("{variable} is empty, allowed is {allowed}, or not to set it")]
    Empty {
        /// The variable's name.
        variable: String,
        /// What it may be set to.
        allowed: String,
    },
    /// It is set to something that is not text.
    #[error("{variable} is {}, which is not UTF-8, allowed is {allowed}", shown(.value.as_deref()))]
    NotUtf8 {
        /// The variable's name.
        variable: String,
        /// Its value, with U+FFFD for what is not UTF-8.
        value: Option<String>,
        /// What it may be set to.
        allowed: String,
    },
    /// It is set to something that is not allowed.
    #[error("{variable} is {}, allowed is {allowed}", shown(.value.as_deref()))]
    NotAllowed {
        /// The variable's name.
        variable: String,
        /// Its value.
        value: Option<String>,
        /// What it may be set to.
        allowed: String,
    },
    /// More than one is refused: these, in the order in which they are read.
    #[error("{}", joined(.0))]
    Several(Vec<Self>),
}

impl ConfigError {
    /// All of these in one; `None` if there are none.
    pub(super) fn of_all(mut refused: Vec<Self>) -> Option<Self> {
        if refused.len() > 1 {
            Some(Self::Several(refused))
        } else {
            refused.pop()
        }
    }
}

/// One line for all.
fn joined(refused: &[ConfigError]) -> String {
    let lines: Vec<String> = refused.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// A value in quotes, with control characters escaped: a message is one line whatever it was.
///
/// Of a long one, such as a certificate under the wrong name, only the beginning is shown.
fn shown(value: Option<&str>) -> String {
    let Some(value) = value else {
        return String::from("a secret that is not shown");
    };
    match value.char_indices().nth(SHOWN_CHARS) {
        None => format!("{value:?}"),
        Some((end, _)) => {
            let beginning = value.get(..end).unwrap_or_default();
            format!("{beginning:?}… ({} bytes)", value.len())
        }
    }
}

const SHOWN_CHARS: usize = 80;
