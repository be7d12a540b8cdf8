//! Which connections linger, and until when (tests of floor 0).
//!
//! **Invariant:** a plain list, looked through from end to end.

use lamplighter_lifecycle::{ConnectionId, Input, Instant, Phase};
use std::time::Duration;

use crate::model::Moment;

/// The part of the stop in which lingering is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// When the hooks began; `None` before that.
    pub(crate) began: Option<Instant>,
    pub(crate) time: Duration,
    pub(crate) abandoned: bool,
}

/// Every connection that lingers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Linger {
    pub(crate) lingers: Vec<(ConnectionId, Instant)>,
    /// What lingers has to be closed in this moment.
    pub(crate) to_end: bool,
    over: bool,
    /// When the last of it is over at the latest.
    pub(crate) ends: Option<Instant>,
}

impl Linger {
    pub(super) fn follow(&mut self, moment: &Moment, now: Instant, window: Window) {
        self.to_end = false;
        if moment.before.phase == Phase::Stopped {
            return;
        }
        match moment.input() {
            Some(Input::LingerBegan { .. }) if self.over => self.to_end = true,
            Some(Input::LingerBegan { connection }) => {
                let second = Duration::from_secs(1);
                if self.lingers.iter().all(|(known, _)| known != connection) {
                    self.lingers.push((*connection, now + second));
                }
            }
            Some(Input::LingerEnded { connection }) => {
                self.lingers.retain(|(known, _)| known != connection);
            }
            _ => {}
        }
        let armed = self.ends.take();
        let Some(began) = window.began else { return };
        let last = self.lingers.iter().map(|(_, ends)| *ends).max();
        self.ends = last.map(|last| last.min(began + window.time));
        // Looked at when the hooks begin, when one comes or goes, and when its timer fires.
        let looks = moment.before.phase < Phase::RunningHooks
            || armed.is_some_and(|armed| moment.fires(armed))
            || matches!(
                moment.input(),
                Some(Input::LingerBegan { .. } | Input::LingerEnded { .. })
            );
        let due = looks && self.ends.is_some_and(|ends| ends <= now);
        if due || window.abandoned || moment.after.phase > Phase::RunningHooks {
            self.to_end |= !self.lingers.is_empty();
            self.lingers.clear();
            self.over = true;
            self.ends = None;
        }
    }
}
