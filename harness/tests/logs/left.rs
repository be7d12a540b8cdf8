//! Clients that have not got all of their answers when a stop is over.
//!
//! Each has little room and reads nothing: what does not fit in is with the server's kernel.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter::{Plan, Server};
use lamplighter_harness::{Manners, Probe, TestServer, within};
use tracing_test::traced_test;

const NARROW: u32 = 4096;

/// Checks that the log names this client, and nobody else, as one that has not got all.
fn is_named(peer: SocketAddr, lines: &[&str]) -> Result<(), String> {
    let said = format!(
        "closed before its client had got all of its answers connection=conn#1 peer={peer}"
    );
    let told = |line: &&&str| line.contains("had got all");
    let told: Vec<_> = lines.iter().filter(told).collect();
    match told[..] {
        [line] if line.contains(&said) && line.contains(" WARN ") => Ok(()),
        _ => Err(format!("{told:?}")),
    }
}

#[tokio::test(start_paused = true)]
#[traced_test]
async fn a_client_that_has_not_got_its_answer_by_the_end_of_a_stop_is_named() {
    let app = Router::new().route("/", get(|| async { vec![b'x'; 12 * 1024] }));
    let server = TestServer::here().spawn(app).await;
    let mut probe = Probe::connect_narrow(server.addr(), NARROW).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    probe.send(request).await.unwrap();
    let peer = probe.local_addr().unwrap();
    arrives(server.addr(), peer, 0).await;
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().tally.answered, 1);
    drop(probe);
    logs_assert(|lines| is_named(peer, lines));
}

#[tokio::test(start_paused = true)]
#[traced_test]
async fn a_client_whose_request_nobody_could_look_at_is_named() {
    let app = Router::new().route("/", get(|| async { "never said" }));
    let server = Server::new(app).plan(Plan::new().drain_timeout(Duration::from_secs(3)));
    let server = TestServer::here().start(server).await;
    let mut probe = Probe::connect_narrow(server.addr(), NARROW).await.unwrap();
    probe.http2(Manners::Polite).await.unwrap();
    // It does not take what answers these, and h2 reads nothing behind them.
    let ping = b"\0\0\x08\x06\0\0\0\0\0anybody?";
    probe.send(ping.repeat(3000)).await.unwrap();
    probe.open_stream("/").await.unwrap();
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().tally.late_unprocessed, 1, "{report}");
    let said = format!(
        " WARN a_client_whose_request_nobody_could_look_at_is_named: lamplighter::transport: \
         closed before anybody could look at its last requests: its client took no bytes \
         connection=conn#1 peer={} requests=1",
        probe.local_addr().unwrap()
    );
    assert!(logs_contain(&said), "{said}");
}

/// The two ends of a connection, as the kernel tells of them (`proc_net_tcp`).
struct Ends {
    /// What the server's has sent or is to send, and the client's has not taken.
    held: u32,
    /// The server's waits until there is room at the client's.
    waits: bool,
    /// What the client has not read.
    unread: u32,
}

impl Ends {
    fn of(server: SocketAddr, client: SocketAddr) -> Self {
        const ZERO_WINDOW_PROBE: &str = "04";
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        // `sl local_address rem_address st tx_queue:rx_queue tr:tm->when …`
        let row = |from: SocketAddr, to: SocketAddr| {
            let ports = [from, to].map(|addr| format!(":{:04X}", addr.port()));
            let mut rows = table.lines().filter_map(|row| {
                let mut fields = row.split_whitespace().skip(1);
                let ends = ports.iter().all(|port| {
                    let field = fields.next();
                    field.is_some_and(|field| field.ends_with(port))
                });
                let (sent, read) = fields.nth(1)?.split_once(':')?;
                let queues = [sent, read].map(|queue| u32::from_str_radix(queue, 16));
                let waits = fields.next()?.starts_with(ZERO_WINDOW_PROBE);
                ends.then_some((queues, waits))
            });
            rows.next().unwrap()
        };
        let ([held, _], waits) = row(server, client);
        let ([_, unread], _) = row(client, server);
        Self {
            held: held.unwrap(),
            waits,
            unread: unread.unwrap(),
        }
    }
}

/// Waits until the client's kernel has taken an answer, beyond what was unread, or has no room for it.
async fn arrives(server: SocketAddr, client: SocketAddr, unread: u32) -> Ends {
    let arrived = async {
        loop {
            let ends = Ends::of(server, client);
            if ends.waits || (ends.held == 0 && ends.unread > unread) {
                break ends;
            }
            tokio::task::yield_now().await;
        }
    };
    within("an answer", arrived).await
}

/// Stops a server with a long lame duck while a client lacks little; the client's address.
async fn stopped_with_little_left(http2: bool) -> SocketAddr {
    const LITTLE: u32 = 900;
    let app = Router::new().route("/", get(|| async { vec![b'x'; 500] }));
    let server = Server::new(app).plan(Plan::new().lame_duck(Duration::from_secs(10)));
    let server = TestServer::here().start(server).await;
    let mut probe = Probe::connect_narrow(server.addr(), NARROW).await.unwrap();
    if http2 {
        probe.http2(Manners::Polite).await.unwrap();
    }
    let peer = probe.local_addr().unwrap();
    let mut unread = 0;
    let left = loop {
        if http2 {
            probe.open_stream("/").await.unwrap();
        } else {
            probe.request("/").await.unwrap();
        }
        let ends = arrives(server.addr(), peer, unread).await;
        if ends.waits {
            break ends.held;
        }
        unread = ends.unread;
    };
    assert!(left < LITTLE, "{left} bytes");
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    peer
}

#[tokio::test(start_paused = true)]
#[traced_test]
async fn so_is_one_that_lacks_little_and_has_been_quiet_for_long() {
    let peer = stopped_with_little_left(false).await;
    logs_assert(|lines| is_named(peer, lines));
}

#[tokio::test(start_paused = true)]
#[traced_test]
async fn so_it_is_over_http_2() {
    let peer = stopped_with_little_left(true).await;
    logs_assert(|lines| is_named(peer, lines));
}
