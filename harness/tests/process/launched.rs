//! A process and its surroundings: pipes, ports, namespaces.

use std::net::TcpListener;

use lamplighter::Signal;
use lamplighter_harness::Probe;

use super::refused::allowed;
use super::{assert_in_order, not_tested, quickstart, unruly};

#[tokio::test]
async fn a_reader_that_leaves_after_the_first_line_does_not_change_the_exit_code() {
    let process = quickstart().stdout_read_for_one_line().start();
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(
        &exit.stderr,
        &["database closed", "cache closed", "telemetry closed"],
    );
}

#[tokio::test]
async fn a_standard_error_that_nobody_reads_does_not_change_the_exit_code() {
    let process = quickstart().stderr_unread().start();
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(&exit.stdout, &["hook          telemetry ok", "stop"]);
}

#[tokio::test]
async fn a_log_that_panics_where_nobody_reads_it_does_not_end_the_stop() {
    let process = unruly(["--hook", "database=ok"]).stderr_unread().start();
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert!(exit.stdout.contains("event stop\n"), "{exit}");
}

#[tokio::test]
async fn closed_standard_streams_do_not_change_the_exit_code() {
    let process = quickstart()
        .under(["sh", "-c", "exec \"$@\" 2>&-", "sh"])
        .start();
    process.ready().await;
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(&exit.stdout, &["hook          telemetry ok", "stop"]);
}

/// A port that no test beside this one is given: free ones are from 32 768 on (`ip_local_port_range`,
/// ip(7)).
fn own_port() -> Option<u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).ok()?;
    let free = |port: &u16| TcpListener::bind(("0.0.0.0", *port)).is_ok();
    (first..30_500).find(free)
}

#[tokio::test]
async fn after_the_end_nothing_listens_and_the_port_is_free() {
    let process = quickstart().env("PORT", own_port().unwrap()).start();
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    let refused = Probe::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    drop(TcpListener::bind(addr).unwrap());
    // And a server can take it over at once.
    let successor = quickstart().env("PORT", addr.port()).start();
    assert_eq!(successor.ready().await, addr);
    successor.signal(Signal::Sigterm);
    let exit = successor.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
}

#[tokio::test]
async fn sigterm_stops_a_server_that_is_process_1_of_its_namespace() {
    const NAMESPACE: [&str; 3] = ["unshare", "-Urpf", "--mount-proc"];
    let trial: Vec<&str> = NAMESPACE.into_iter().chain(["true"]).collect();
    if !allowed(&trial) {
        not_tested("this machine gives no process a namespace of its own");
        return;
    }
    let process = quickstart()
        .under(NAMESPACE)
        .under(["--kill-child"])
        .start();
    process.ready().await;
    let inside = process.children();
    assert_eq!(inside.len(), 1, "{inside:?}");
    process.signal_other(inside[0], Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    assert_in_order(
        &exit.stdout,
        &[
            "stopping      SIGTERM",
            "hook          telemetry ok",
            "stop",
        ],
    );
}

#[tokio::test]
async fn the_runtime_itself_prints_nothing() {
    let process = lamplighter_harness::Program::example("lamplighter", "hello")
        .env("PORT", 0)
        .env("LISTEN", "127.0.0.1")
        .start();
    let addr = process.ready().await;
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.text(), "Hello, World!");
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    // What the program says, and nothing else.
    assert_eq!(exit.stdout, format!("ready on http://{addr}\n"));
    assert_eq!(exit.stderr, "");
}
