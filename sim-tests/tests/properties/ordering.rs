//! The events of a life come in the order of the design, whatever befalls it.
//!
//! **Invariant:** every rule is read off the trace alone, and knows nothing of how the oracle judges.

#[path = "ordering/life.rs"]
mod life;
#[path = "ordering/rules.rs"]
mod rules;

use lamplighter_sim::strategy::cases;
use lamplighter_sim::{Memory, World};

use crate::stage::holds;
use life::Life;

#[test]
fn the_events_of_every_life_come_in_order() {
    holds(
        the_events_of_every_life_come_in_order,
        32,
        cases(),
        |scenario| {
            let run = Memory::default().run(scenario, &mut ());
            let run = run.map_err(|error| error.to_string())?;
            let life = Life::new(scenario, &run.trace);
            for (rule, check) in rules::ALL {
                check(&life).map_err(|how| format!("{rule}: {how}\n\n{}", run.text()))?;
            }
            Ok(())
        },
    );
}
