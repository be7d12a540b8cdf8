//! The world in memory: a network and a clock that obey.

use std::time::Duration;

use lamplighter::Signal;
use lamplighter_sim::{
    Act, ActDoes, Client, ClientDoes, Hook, Memory, Request, RunEnd, Scenario, World,
};

#[test]
fn a_small_life_is_told_in_full() {
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
    let run = Memory::default().run(&scenario, &mut ()).unwrap();
    assert_eq!(run.end, RunEnd::Done);
    assert_eq!(
        run.lifecycle(),
        "      0.000 ms  server        phase         starting
      0.000 ms  server        start
      0.000 ms  server        phase         running
      0.000 ms  server        ready
     10.000 ms  server        signal        SIGTERM (first)
     10.000 ms  server        stopping      SIGTERM
     10.000 ms  server        phase         lame-duck
     10.000 ms  server        phase         draining
     10.000 ms  server        listeners     closed
     53.000 ms  server        phase         force-closing
     53.000 ms  server        phase         running-hooks
     53.000 ms  server        hook          h0 started
     73.000 ms  server        hook          h0 ok
     73.000 ms  server        phase         disposing
     73.000 ms  server        stop
"
    );
    let report = run.report.unwrap();
    assert_eq!(report.total(), Duration::from_millis(63));
    assert_eq!(report.connections().tally.answered, 2);
}
