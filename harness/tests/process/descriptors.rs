//! A process that runs out of descriptors: it waits, turns away, recovers and stops.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;

use lamplighter::Signal;
use lamplighter_harness::{Probe, Process, Program, Seen, within};

use super::unruly;

/// A process that may have 64 descriptors open.
fn starved(program: Program) -> Process {
    let limited = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];
    program.under(limited).start()
}

/// Asks on a connection of its own; says whether an answer came, or the end.
async fn ask(addr: SocketAddr) -> (Probe, bool) {
    let mut probe = waiting(addr).await;
    let answered = is_answered(&mut probe).await;
    (probe, answered)
}

async fn waiting(addr: SocketAddr) -> Probe {
    let mut probe = Probe::connect(addr).await.unwrap();
    // Whoever is turned away may be so before it has said a word.
    drop(probe.request("/").await);
    probe
}

async fn is_answered(probe: &mut Probe) -> bool {
    let seen = probe.next().await;
    assert!(matches!(&seen, Seen::Bytes(_)) || seen.is_end(), "{seen:?}");
    !seen.is_end()
}

/// Connections that are answered and stay open, until one is turned away.
async fn exhaust(addr: SocketAddr) -> Vec<Probe> {
    let mut open = Vec::new();
    loop {
        let (probe, answered) = ask(addr).await;
        if !answered {
            return open;
        }
        open.push(probe);
        assert!(open.len() < 64, "it has descriptors for everybody");
    }
}

#[tokio::test]
async fn without_descriptors_who_waits_is_turned_away_or_answered_later_and_nothing_spins() {
    let process = starved(unruly([]));
    let begun = std::time::Instant::now();
    let addr = process.ready().await;
    let open = exhaust(addr).await;
    let mut turned_away = 1;
    let mut queue = Vec::new();
    for _ in 0..8 {
        queue.push(waiting(addr).await);
    }
    within("a longer wait", process.line("wait=8ms")).await;
    let closed = open.len();
    drop(open);
    for probe in &mut queue {
        turned_away += u32::from(!is_answered(probe).await);
    }
    // Back as before, as soon as a connection that went has given its descriptor back: which one of them
    // does first, the server's threads settle among themselves.
    let probe = loop {
        let (probe, answered) = ask(addr).await;
        if answered {
            break probe;
        }
        turned_away += 1;
        assert!(turned_away < 64, "nobody is answered any more");
    };
    drop((queue, probe));
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    let told = format!("; turned away {turned_away};");
    assert!(exit.stderr.contains(&told), "no {told:?}: {exit}");
    // Each attempt that failed is a line: eleven until the wait is a second, one a second from
    // then on, and one for each connection that went.
    let attempts = exit.stderr.matches("cannot accept").count();
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(
        attempts <= 12 + seconds + closed,
        "{attempts} attempts: {exit}"
    );
}

#[tokio::test]
async fn a_stop_without_descriptors_turns_the_queue_away_and_ends_in_time() {
    let process = starved(unruly(["--drain", "300"]));
    let addr = process.ready().await;
    let mut open = exhaust(addr).await;
    for probe in &mut open {
        probe.request("/hang").await.unwrap();
    }
    within(
        "every handler",
        process.nth_line("handler hangs", open.len()),
    )
    .await;
    let mut queue = Vec::new();
    for _ in 0..10 {
        queue.push(waiting(addr).await);
    }
    process.signal(Signal::Sigterm);
    for probe in &mut queue {
        assert!(
            !is_answered(probe).await,
            "there is no descriptor to answer by"
        );
    }
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(10), "{exit}");
    let told = format!(", {} cut; turned away {};", open.len(), 1 + queue.len());
    assert!(exit.stderr.contains(&told), "no {told:?}: {exit}");
}
