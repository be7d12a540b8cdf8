//! Law 2: a life has one last event, `Stop` or the `Error` of a failed start, and nothing after it;
//! what is announced comes in the order Start, Ready, Stopping, Stop.
//!
//! **Invariant:** whether a start failed is read from the trace, and the report has to agree.

use lamplighter::ServerEventKind;

use super::{End, Invariant};
use crate::trace::Entry;

/// What was announced.
#[derive(Debug, Default)]
pub(super) struct LastEvent {
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

impl LastEvent {
    fn step(&mut self, step: Step) -> Result<(), String> {
        if let Some(last) = self.last.filter(|last| *last >= step) {
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

impl Invariant for LastEvent {
    fn name(&self) -> &'static str {
        "one last event"
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
            ServerEventKind::Start => self.step(Step::Start),
            ServerEventKind::Ready => self.step(Step::Ready),
            ServerEventKind::Stopping(_) => self.step(Step::Stopping),
            ServerEventKind::Stop => self.step(Step::Stop),
            ServerEventKind::Error(_) if self.last == Some(Step::Stopping) => {
                self.errors += 1;
                if self.errors > 1 {
                    return Err("a second Error after Stopping".to_owned());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let Some(report) = &end.run.report else {
            return Err("the life has no end".to_owned());
        };
        let failed = report.outcome().start_failure.is_some();
        match (failed, self.last, self.ends_in_error) {
            (false, Some(Step::Stop), _) | (true, Some(Step::Start), true) => Ok(()),
            (true, last, _) => Err(format!(
                "a start that failed ends in its Error, and this one in {last:?}"
            )),
            (false, last, _) => Err(format!("a life ends in Stop, and this one in {last:?}")),
        }
    }
}
