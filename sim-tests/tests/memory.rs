//! The world in memory: a network and a clock that obey.

use std::time::Duration;

use lamplighter::Signal;
use lamplighter_sim::host::Dial;
use lamplighter_sim::trace::ClientSaw;
use lamplighter_sim::world::memory::MemoryDial;
use lamplighter_sim::{
    Act, ActDoes, Client, ClientDoes, Hook, Memory, Request, RequestId, RunEnd, Scenario, Trace,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Asks for its requests, one after another, and says what came.
async fn plain(number: u16, client: Client, dial: MemoryDial, trace: Trace) {
    let who = lamplighter_sim::trace::Who::Client(number);
    let ClientDoes::Http1 { requests } = client.does else {
        return;
    };
    trace.record(who, ClientSaw::Dialled);
    let mut io = match dial.dial().await {
        Ok(io) => io,
        Err(error) => return trace.record(who, ClientSaw::Refused(error.kind())),
    };
    trace.record(who, ClientSaw::Connected);
    for (request, asked) in (0..).zip(requests) {
        tokio::time::sleep(Duration::from_millis(u64::from(asked.gap_ms))).await;
        let id = RequestId {
            client: number,
            request,
        };
        let head = format!("GET {} HTTP/1.1\r\nhost: sim\r\n\r\n", id.path());
        if io.write_all(head.as_bytes()).await.is_err() {
            return trace.record(who, ClientSaw::Reset);
        }
        trace.record(who, ClientSaw::Asked(request));
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match io.read_buf(&mut answer).await {
                Ok(0) => return trace.record(who, ClientSaw::Fin),
                Ok(_) => {}
                Err(_) => return trace.record(who, ClientSaw::Reset),
            }
        }
        trace.record(
            who,
            ClientSaw::Answered {
                request,
                status: 200,
                grpc: None,
                bytes: 0,
            },
        );
    }
    trace.record(who, ClientSaw::Done);
}

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
    let run = Memory::default()
        .run_with(&scenario, &mut (), plain)
        .unwrap();
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
