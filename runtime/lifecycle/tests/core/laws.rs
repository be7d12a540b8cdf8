//! The laws of a life as named checkers, asked after every call (tests of floor 0).
//!
//! **Invariant:** a law knows the scene and its own past, and nothing of the machine's inside.

mod accounts;
mod deadlines;
mod effects;
mod ending;
mod hooks;
mod order;
mod report;
mod start;
mod waiting;

use lamplighter_lifecycle::{Machine, Report};

use crate::model::{Model, Moment};
use crate::reference::Reference;

/// One moment of a life, and everything it is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) moment: &'a Moment,
    pub(crate) machine: &'a Machine,
    pub(crate) reference: &'a Reference,
    pub(crate) report: &'a Report,
}

/// A law: what holds after every call, whatever came before.
pub(crate) trait Law {
    /// The law's number in the list of laws, and what it says.
    fn name(&self) -> &'static str;

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String>;
}

/// Fails a law with what was found.
macro_rules! holds {
    ($condition:expr, $($found:tt)+) => {
        if !$condition {
            return Err(format!($($found)+));
        }
    };
}
pub(crate) use holds;

/// Every law, with the reference that they are held against.
pub(crate) struct Laws {
    reference: Reference,
    laws: Vec<Box<dyn Law>>,
}

impl Default for Laws {
    fn default() -> Self {
        let mut laws = order::laws();
        laws.extend(start::laws());
        laws.extend(effects::laws());
        laws.extend(ending::laws());
        laws.extend(deadlines::laws());
        laws.extend(accounts::laws());
        laws.extend(hooks::laws());
        laws.extend(waiting::laws());
        laws.extend(report::laws());
        Self {
            reference: Reference::default(),
            laws,
        }
    }
}

impl Laws {
    /// Holds one moment against every law.
    pub(crate) fn check(&mut self, model: &Model, moment: &Moment) -> Result<(), String> {
        self.reference.observe(moment, &model.machine);
        let report = model.report();
        let scene = Scene {
            moment,
            machine: &model.machine,
            reference: &self.reference,
            report: &report,
        };
        for law in &mut self.laws {
            law.check(scene)
                .map_err(|found| format!("{}: {found}\nin {moment:#?}", law.name()))?;
        }
        Ok(())
    }
}
