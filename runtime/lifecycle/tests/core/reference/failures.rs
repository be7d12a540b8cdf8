//! What went wrong, in order, and who has to be told (tests of floor 0).
//!
//! **Invariant:** a failure is noted where its input is taken in, never read from a report.

use lamplighter_lifecycle::{
    Announcement, Failure, HookName, HookOutcome, Input, StartFailure, WorkerOutcome,
};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Failures {
    /// All but those of `on_error` callbacks, in order. `None` stands for a start that was refused
    /// before it began, whose words are those of the check.
    pub(crate) told: Vec<Option<Failure>>,
    /// Those of `on_error` callbacks: in the report, told to nobody.
    pub(crate) untold: Vec<Failure>,
    /// Those that came while the callbacks were told of all the others.
    pub(crate) late: Vec<Failure>,
    red: Option<Arc<str>>,
    pub(crate) start: Option<StartFailure>,
    pub(crate) start_refused: bool,
    pub(crate) not_disposed: bool,
}

impl Failures {
    pub(super) fn red(&mut self, red: Arc<str>) {
        self.red = Some(red);
    }

    pub(super) fn last_red(&self) -> Option<Arc<str>> {
        self.red.clone()
    }

    pub(super) fn start(&mut self, failure: Option<StartFailure>) {
        self.start_refused = failure.is_none();
        self.told.push(failure.clone().map(Failure::Start));
        self.start = failure;
    }

    pub(super) fn not_disposed(&mut self, left: Arc<[Arc<str>]>) {
        self.not_disposed = true;
        self.told.push(Some(Failure::NotDisposed { left }));
    }

    pub(super) fn listener(&mut self, input: &Input) {
        if let Input::ListenerFailed {
            listener, error, ..
        } = input
        {
            self.told.push(Some(Failure::Listener {
                listener: listener.clone(),
                error: error.clone(),
            }));
        }
    }

    pub(super) fn worker(&mut self, outcome: WorkerOutcome) {
        let worker = Arc::from("worker");
        self.told.push(Some(Failure::Worker { worker, outcome }));
    }

    pub(super) fn hook(&mut self, hook: HookName, outcome: HookOutcome) {
        self.told.push(Some(Failure::Hook { hook, outcome }));
    }

    pub(super) fn callbacks(&mut self, of: &Announcement, panics: &[Arc<str>], telling: bool) {
        let callback = match of {
            Announcement::Start => "on_start",
            Announcement::Ready => "on_ready",
            Announcement::Stopping => "on_stopping",
            Announcement::Error(_) => "on_error",
            Announcement::Stop => "on_stop",
        };
        for message in panics {
            let failure = Failure::Callback {
                callback,
                message: message.clone(),
            };
            if callback == "on_error" {
                self.untold.push(failure);
            } else if telling {
                self.late.push(failure);
            } else {
                self.told.push(Some(failure));
            }
        }
    }
}
