//! Lets another thread take over what was just woken (floor 1).
//!
//! **Invariant:** it holds the runtime's handle and nothing of a server's: who keeps one keeps no span,
//! no task and no roll alive.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Hands over, on one runtime.
#[derive(Clone, Debug)]
pub(crate) struct HandOver {
    runtime: Handle,
}

impl HandOver {
    /// On this runtime; `None` if it has no other thread that could take over.
    pub(crate) fn on(runtime: &Handle) -> Option<Self> {
        let alone = runtime.runtime_flavor() == RuntimeFlavor::CurrentThread;
        (!alone).then(|| Self {
            runtime: runtime.clone(),
        })
    }

    /// Lets another thread take over what the calling task has just woken.
    ///
    /// tokio keeps the task woken last in a slot of the calling thread, from which no other thread
    /// takes: were the calling task to block now, what it has woken would wait for it. The next task
    /// to be woken takes the slot and pushes it out to where idle threads look; this is that task,
    /// and does nothing else. Costs a spawn; for what is woken rarely and must not wait.
    #[expect(
        clippy::disallowed_methods,
        reason = "part of the one place that spawns tasks"
    )]
    pub(crate) fn hand_over(&self) {
        drop(self.runtime.spawn(std::future::ready(())));
    }
}
