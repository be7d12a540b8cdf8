//! How a scenario prints itself: as the Rust expression that makes it, ready to be pasted into a test.
//!
//! **Invariant:** what a field is by default is left out, so that a small case prints small.

use std::fmt;

use lamplighter::{LameDuckReadiness, OnDeadline, OnListenerError, Signal, WhileDraining};

/// A value that prints as the expression that makes it.
pub(crate) trait Paste {
    /// Writes the expression.
    fn paste(&self, out: &mut Pasted);
}

/// An expression being written: on one line, or indented over many.
#[derive(Debug)]
pub(crate) struct Pasted {
    text: String,
    depth: usize,
    lines: bool,
}

impl Pasted {
    /// What `value` prints as, over many lines if `lines`.
    pub(crate) fn of(value: &impl Paste, lines: bool) -> String {
        let mut out = Self {
            text: String::new(),
            depth: 0,
            lines,
        };
        value.paste(&mut out);
        out.text
    }

    pub(crate) fn word(&mut self, word: &str) {
        self.text.push_str(word);
    }

    /// Something between brackets that may stand on lines of its own; nothing between them if
    /// `write` writes nothing.
    pub(crate) fn group(&mut self, [open, close]: [&str; 2], write: impl FnOnce(&mut Self)) {
        self.word(open);
        let before = self.text.len();
        self.depth += 1;
        write(self);
        self.depth -= 1;
        if self.text.len() > before {
            self.line();
        }
        self.word(close);
    }

    /// One of the things in a group.
    pub(crate) fn item(&mut self, write: impl FnOnce(&mut Self)) {
        self.line();
        write(self);
        self.word(",");
    }

    fn line(&mut self) {
        if self.lines {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n("    ", self.depth));
        } else {
            self.text.push(' ');
        }
    }
}

impl<T: Paste> Paste for Vec<T> {
    fn paste(&self, out: &mut Pasted) {
        out.group(["vec![", "]"], |out| {
            self.iter()
                .for_each(|value| out.item(|out| value.paste(out)));
        });
    }
}

impl<T: Paste> Paste for Option<T> {
    fn paste(&self, out: &mut Pasted) {
        let Some(value) = self else {
            return out.word("None");
        };
        out.word("Some(");
        value.paste(out);
        out.word(")");
    }
}

/// Types whose `Debug` is an expression, with what has to stand before it.
macro_rules! as_debugged {
    ($($type:ty => $before:literal),* $(,)?) => {
        $(impl Paste for $type {
            fn paste(&self, out: &mut Pasted) {
                out.word(&format!(concat!($before, "{:?}"), self));
            }
        })*
    };
}

as_debugged! {
    bool => "", u8 => "", u16 => "", u32 => "", u64 => "", usize => "",
    Signal => "Signal::",
    OnDeadline => "OnDeadline::",
    OnListenerError => "OnListenerError::",
    WhileDraining => "WhileDraining::",
    LameDuckReadiness => "LameDuckReadiness::",
}

/// Plain structs that print as an expression, fields that are as by default left out.
macro_rules! paste_struct {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::scenario::paste::Paste for $type {
            fn paste(&self, out: &mut $crate::scenario::paste::Pasted) {
                // Named, so that a field without its line here does not compile.
                let Self { $($field),* } = self;
                let default = Self::default();
                let mut told = 0;
                let mut fields = 0;
                $(fields += 1; told += usize::from(*$field != default.$field);)*
                if told == 0 {
                    return out.word(concat!(stringify!($type), "::default()"));
                }
                out.word(stringify!($type));
                out.group([" {", "}"], |out| {
                    $(if *$field != default.$field {
                        out.item(|out| {
                            out.word(concat!(stringify!($field), ": "));
                            $field.paste(out);
                        });
                    })*
                    if told < fields {
                        out.rest(concat!("..", stringify!($type), "::default()"));
                    }
                });
            }
        }
        $crate::scenario::paste::debug_as_pasted!($type);
    };
}

/// Plain enums that print as an expression.
macro_rules! paste_enum {
    ($type:ident { $($variant:ident $(( $inner:ident ))? $({ $($field:ident),* $(,)? })?),* $(,)? }) => {
        impl $crate::scenario::paste::Paste for $type {
            fn paste(&self, out: &mut $crate::scenario::paste::Pasted) {
                match self {
                    $(Self::$variant $(($inner))? $({ $($field),* })? => {
                        out.word(concat!(stringify!($type), "::", stringify!($variant)));
                        $(out.word("("); $inner.paste(out); out.word(")");)?
                        $(out.group([" {", "}"], |out| {
                            $(out.item(|out| {
                                out.word(concat!(stringify!($field), ": "));
                                $field.paste(out);
                            });)*
                        });)?
                    })*
                }
            }
        }
        $crate::scenario::paste::debug_as_pasted!($type);
    };
}

macro_rules! debug_as_pasted {
    ($type:ident) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::scenario::paste::print(self, f)
            }
        }
    };
}

pub(crate) use {debug_as_pasted, paste_enum, paste_struct};

impl Pasted {
    /// What stands last in a group and takes no comma.
    pub(crate) fn rest(&mut self, rest: &str) {
        self.line();
        self.word(rest);
    }
}

pub(crate) fn print(value: &impl Paste, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&Pasted::of(value, f.alternate()))
}
