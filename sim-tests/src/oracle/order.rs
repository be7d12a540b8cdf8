//! Laws 1 and 2: states and phases only move forward, and there is one last event.
//!
//! **Invariant:** nothing but the server's own lines is looked at.

use lamplighter::{Phase, ServerEventKind};

use super::{End, Invariant};
use crate::trace::Entry;

/// Start, Ready, Stopping, Stop in this order and each at most once; phases forward, each once; and
/// nothing after the last event.
#[derive(Debug, Default)]
pub(super) struct Order {
    phase: Option<Phase>,
    stopping: Vec<Phase>,
    last: Option<Step>,
    /// `Error` from Stopping on: one carries them all.
    errors: u32,
    /// The last line was an `Error`.
    ends_in_error: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Start,
    Ready,
    Stopping,
    Stop,
}

impl Order {
    fn step(&mut self, step: Step) -> Result<(), String> {
        if let Some(last) = self.last
            && last >= step
        {
            return Err(format!("{step:?} after {last:?}"));
        }
        if step == Step::Ready && self.last != Some(Step::Start) {
            return Err("Ready without Start".to_owned());
        }
        if step == Step::Stop && self.last != Some(Step::Stopping) {
            return Err("Stop without Stopping".to_owned());
        }
        self.last = Some(step);
        Ok(())
    }
}

impl Invariant for Order {
    fn name(&self) -> &'static str {
        "order of a life"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        let Some(event) = entry.server() else {
            return Ok(());
        };
        if self.last == Some(Step::Stop) {
            return Err(format!("after Stop: {event}"));
        }
        self.ends_in_error = matches!(event, ServerEventKind::Error(_));
        match event {
            ServerEventKind::Start => self.step(Step::Start)?,
            ServerEventKind::Ready => self.step(Step::Ready)?,
            ServerEventKind::Stopping(_) => self.step(Step::Stopping)?,
            ServerEventKind::Stop => self.step(Step::Stop)?,
            ServerEventKind::Error(_) if self.last == Some(Step::Stopping) => {
                self.errors += 1;
                if self.errors > 1 {
                    return Err("a second Error after Stopping".to_owned());
                }
            }
            ServerEventKind::Phase(phase) => {
                if self.phase.is_some_and(|known| known >= *phase) {
                    return Err(format!("{phase} after {:?}", self.phase));
                }
                self.phase = Some(*phase);
                if *phase >= Phase::LameDuck {
                    self.stopping.push(*phase);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let Some(report) = &end.run.report else {
            return Err("the life has no end".to_owned());
        };
        let failed = report.outcome().start_failure.is_some();
        match (failed, self.last, self.ends_in_error) {
            (false, Some(Step::Stop), _) | (true, Some(Step::Start), true) => {}
            (failed, last, _) => {
                return Err(format!(
                    "a life whose start failed: {failed}, and whose last step is {last:?}"
                ));
            }
        }
        let reported: Vec<Phase> = report.phases().iter().map(|phase| phase.phase).collect();
        if reported != self.stopping {
            return Err(format!(
                "phases {:?} and in the report {reported:?}",
                self.stopping
            ));
        }
        Ok(())
    }
}
