//! What waits beside the driver for the ends of hooks and workers, to tell the core of them (floor 3).
//!
//! **Invariant:** nothing waits any more for a life that is over: what was left then, such as a hook
//! whose thread nobody can end, ends unheard.

use std::future::Future;

use tokio::task::AbortHandle;

use crate::os::tasks::{TaskName, Tasks};

/// How many waits are kept before those that are over are looked for.
const FEW: usize = 64;

/// The waits of one life.
#[derive(Debug)]
pub(crate) struct Ends {
    own: Tasks,
    waits: Vec<AbortHandle>,
    /// So many waits are to be looked through: those of a life without end are many, and soon over.
    many: usize,
}

impl Ends {
    pub(crate) const fn new(own: Tasks) -> Self {
        Self {
            own,
            waits: Vec::new(),
            many: FEW,
        }
    }

    /// Waits as `wait` does, until it is done or the life is over.
    pub(crate) fn wait(
        &mut self,
        name: impl Into<TaskName>,
        wait: impl Future<Output = ()> + Send + 'static,
    ) {
        if self.waits.len() >= self.many {
            self.waits.retain(|wait| !wait.is_finished());
            self.many = FEW.max(self.waits.len().saturating_mul(2));
        }
        self.waits.push(self.own.spawn(name, wait).abort_handle());
    }

    /// Ends what still waits.
    pub(crate) fn abandon(&mut self) {
        self.waits.drain(..).for_each(|wait| wait.abort());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::runtime::Handle;

    fn ends() -> (Ends, Tasks) {
        let own = Tasks::new(Handle::current(), &|_, _| ());
        (Ends::new(own.clone()), own)
    }

    #[tokio::test]
    async fn what_still_waits_at_the_end_is_ended() {
        let (mut ends, own) = ends();
        ends.wait("end of hook stuck", pending());
        ends.wait("end of hook fine", ready(()));
        tokio::task::yield_now().await;
        assert_eq!(own.live(), [TaskName::from("end of hook stuck")]);
        ends.abandon();
        own.ended().await;
    }

    #[tokio::test]
    async fn waits_that_are_over_are_not_kept() {
        let (mut ends, own) = ends();
        ends.wait("end of worker stuck", pending());
        for _ in 0..10 * FEW {
            ends.wait("end of worker fine", ready(()));
            tokio::task::yield_now().await;
        }
        assert!(ends.waits.len() <= FEW, "{}", ends.waits.len());
        ends.abandon();
        own.ended().await;
    }
}
