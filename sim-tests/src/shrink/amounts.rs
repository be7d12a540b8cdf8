//! The steps of single values: numbers, sets of bits, choices.
//!
//! **Invariant:** no step leads back to where another came from.

use lamplighter::{LameDuckReadiness, OnDeadline, OnListenerError, Signal, WhileDraining};

/// A value that can be made simpler, in steps that can be counted.
///
/// `simplest` is what the value is by default in the place where it stands.
pub trait Simplify: Clone {
    /// How many steps lead from here to something simpler.
    fn steps(&self, simplest: &Self) -> u32;

    /// Takes one of them; one that there is not changes nothing.
    fn step(&mut self, simplest: &Self, step: u32);
}

/// A number: what it is by default, then zero, then half, then ever less of it taken away.
macro_rules! number {
    ($($type:ty),*) => {
        $(impl Simplify for $type {
            fn steps(&self, simplest: &Self) -> u32 {
                if self == simplest {
                    return 0;
                }
                1 + Self::BITS - self.leading_zeros()
            }

            fn step(&mut self, simplest: &Self, step: u32) {
                let steps = self.steps(simplest);
                if step == 0 && steps > 0 {
                    *self = *simplest;
                } else if step < steps {
                    // The whole of it first, then a half, a quarter, and so on down to one.
                    *self -= (*self >> (step - 1)).max(1);
                }
            }
        })*
    };
}

number!(u16, u32);

/// A seed is a name, not a number: a smaller one is no simpler.
impl Simplify for u64 {
    fn steps(&self, simplest: &Self) -> u32 {
        u32::from(self != simplest)
    }

    fn step(&mut self, simplest: &Self, step: u32) {
        if step == 0 {
            *self = *simplest;
        }
    }
}

impl<T: Simplify + PartialEq + Default> Simplify for Option<T> {
    fn steps(&self, simplest: &Self) -> u32 {
        if self == simplest {
            return 0;
        }
        // By default, none at all, and a smaller one of them.
        2 + self.as_ref().map_or(0, |value| value.steps(&T::default()))
    }

    fn step(&mut self, simplest: &Self, step: u32) {
        match (step, &mut *self) {
            (0, _) => self.clone_from(simplest),
            (1, _) => *self = None,
            (_, Some(value)) => value.step(&T::default(), step - 2),
            (_, None) => {}
        }
    }
}

/// A choice without numbers: those before it in the list are simpler.
macro_rules! choice {
    ($($type:ty: $($choice:ident)*;)*) => {
        $(impl Simplify for $type {
            fn steps(&self, simplest: &Self) -> u32 {
                if self == simplest {
                    return 0;
                }
                let all = [$(Self::$choice),*];
                let place = all.iter().position(|choice| choice == self);
                place.and_then(|place| u32::try_from(place).ok()).unwrap_or_default()
            }

            fn step(&mut self, simplest: &Self, step: u32) {
                let all = [$(Self::$choice),*];
                if step < self.steps(simplest)
                    && let Some(simpler) = all.get(step as usize)
                {
                    *self = *simpler;
                }
            }
        }

        #[cfg(test)]
        impl super::Named for $type {
            const NAMES: &'static [&'static str] = &[
                $(concat!(stringify!($type), "::", stringify!($choice))),*
            ];
        })*
    };
}

pub(super) use choice;

choice! {
    Signal: Sigterm Sigint Sigquit Sighup Sigusr1 Sigusr2;
    OnDeadline: ForceClose KeepWaiting;
    OnListenerError: Stop Continue;
    WhileDraining: Serve Reject;
    LameDuckReadiness: Off Held;
}
