//! How many small scenarios one core carries out in a second, in memory.
//!
//! Small: two clients, two requests, one hook, one signal, some twenty lines of trace.
//!
//! ```sh
//! cargo run --release -p lamplighter-sim --example rate
//! ```

use std::io::{self, Write};
use std::time::Duration;

use lamplighter::Signal;
use lamplighter_sim::{Act, ActDoes, Client, ClientDoes, Hook, Memory, Request, Scenario, World};
use rustix::time::{ClockId, clock_gettime};

/// How long this thread has been running.
fn busy() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn main() -> io::Result<()> {
    let requests = vec![Request {
        takes_ms: 50,
        ..Request::default()
    }];
    let client = Client {
        does: ClientDoes::Http1 { requests },
        ..Client::default()
    };
    let scenario = Scenario {
        hooks: vec![Hook {
            takes_ms: 20,
            ..Hook::default()
        }],
        clients: vec![client; 2],
        acts: vec![Act {
            gap_ms: 10,
            does: ActDoes::Signal(Signal::Sigterm),
        }],
        ..Scenario::default()
    };
    let memory = Memory::default();
    let mut out = io::stdout();
    for _ in 0..5 {
        let begun = busy();
        let mut runs = 0_u32;
        let mut lines = 0;
        while busy() - begun < Duration::from_secs(1) {
            for _ in 0..100 {
                let run = memory.run(&scenario, &mut ()).map_err(io::Error::other)?;
                lines = run.trace.len();
                runs += 1;
            }
        }
        let rate = f64::from(runs) / (busy() - begun).as_secs_f64();
        writeln!(
            out,
            "{rate:.0} scenarios a second of a core, {lines} lines each"
        )?;
    }
    Ok(())
}
