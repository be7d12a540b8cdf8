//! Every kind of connection at once, in a process of its own whose descriptors can be counted.

use std::fs;
use std::process::Command;

use lamplighter::ConnectionEnd::{Cut, Idle, Silent, TimedOut};
use lamplighter_harness::{Manners, Probe, Seen};

use crate::over::Requests;
use crate::stage::{Setting, Stage, plan};
use crate::{millis, secs, websockets};

/// Set in the process that has nothing else to do.
const ALONE: &str = "LAMPLIGHTER_TEST_ALONE";

/// How many descriptors this process has open, with the one that reads the list.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// One connection of each kind, each in the state that it is named after.
async fn crowd(stage: &Stage) -> Vec<Probe> {
    let mut crowd = vec![
        stage.misbehave().silent().await,
        stage.misbehave().half_a_head().await,
        stage.misbehave().half_a_preface().await,
        stage.idle().await,
        stage.held().await,
        stage.asks("/events").await,
        stage.asks("/deaf").await,
        stage.misbehave().never_reading("/large").await,
        websockets::websocket(stage, "/ws/deaf").await,
        stage.http2(Manners::Mute).await,
    ];
    crowd.push(stage.misbehave().half_a_body("/echo").await);
    for path in ["/held", "/deaf", "/large"] {
        let mut http2 = stage.http2(Manners::Mute).await;
        http2.open_stream(path).await.unwrap();
        crowd.push(http2);
    }
    stage.in_flight(9).await;
    crowd
}

async fn leaves_nothing() {
    let before = descriptors();
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let mut crowd = crowd(&stage).await;
    stage.drains().await;
    // The deadline, and what resets may take that nobody reads.
    stage.passes(millis(7060)).await;
    let over = stage.over().await;
    // Every client still has its end of its connection; nobody has the other.
    assert_eq!(descriptors(), before + crowd.len());
    let mut resets = 0;
    for probe in &mut crowd {
        if probe.end().await == Seen::Rst {
            resets += 1;
        }
    }
    // What was cut over HTTP/1; over HTTP/2 a stream is cut, and its connection ends in order.
    assert_eq!(resets, 5);
    let unfinished = [Silent, TimedOut, TimedOut, TimedOut];
    let over = over.ended(unfinished.into_iter().chain([Idle; 2]).chain([Cut; 8]));
    let requests = Requests {
        answered: 2,
        cut: 8,
        ..Requests::default()
    };
    over.requests(requests).drained_in(secs(7));
}

#[test]
fn nothing_of_a_server_is_left_whatever_its_connections_did() {
    const NAME: &str = "leftovers::nothing_of_a_server_is_left_whatever_its_connections_did";
    if std::env::var_os(ALONE).is_some() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            // The first life of a process opens what stays open: the reactor's own descriptors.
            let first = Stage::running().await;
            drop(first.idle().await);
            drop(first.stop());
            first.over().await;
            for _ in 0..5 {
                leaves_nothing().await;
            }
        });
        return;
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone.args([NAME, "--exact", "--nocapture"]).env(ALONE, "1");
    let output = alone.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{failed}"
    );
}
