//! The admin listener: infrastructure on a listener of its own, outside of the phases (floor 3).
//!
//! It has connections of its own, of which the core knows nothing: no stop waits for them, tells them
//! anything, or reports them. It goes with the last of the server, in Dispose.
//!
//! **Invariant:** whoever asks here is answered from the moment it is bound to Disposing.

use std::sync::Arc;

use lamplighter_lifecycle::{Directive, Input, Instant};

use super::life::Life;
use crate::os::listener::Bind;
use crate::os::tasks::Tasks;
use crate::transport::{
    Infrastructure, Limits, Queue, Setup, ShutdownSignal, Sink, Transport, nothing_else,
};

/// The admin listener of a server that starts.
pub(crate) struct Admin {
    pub(crate) bind: Bind,
    pub(crate) transport: Transport,
}

impl Admin {
    /// Not bound yet: the start does that, together with the other listeners.
    pub(crate) fn new(
        bind: Bind,
        life: &Arc<Life>,
        infrastructure: Option<Arc<Infrastructure>>,
        limits: Limits,
        tasks: &Tasks,
    ) -> Self {
        let transport = Transport::new(Setup {
            app: nothing_else(),
            infrastructure,
            limits,
            budget: life.ask(|machine| *machine.budget()),
            clock: life.clock.clone(),
            tasks: tasks.clone(),
            sink: Arc::new(Aside(Arc::clone(life))),
            server: life.key.clone(),
            // Nobody is told anything by it: what draining means to a stream comes with the
            // infrastructure.
            controller: ShutdownSignal::manual().0,
        });
        transport.direct(&Directive::Serve);
        Self { bind, transport }
    }
}

/// Closes the listener and its connections, whatever they are doing.
pub(crate) fn close(transport: &Transport) {
    transport.close_listeners(Queue::Leave);
    transport.abort();
}

/// Keeps from the core what is not part of the server's work. A listener that breaks is: nobody
/// could ask any more whether the server is alive.
struct Aside(Arc<Life>);

impl Sink for Aside {
    fn input(&self, input: Input) {
        if let Input::ListenerFailed {
            listener, error, ..
        } = input
        {
            // Those of the application are not among the ones that the transport has counted.
            self.0.input(Input::ListenerFailed {
                listener,
                error,
                left: 1,
            });
        }
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}
