//! A limit on connections: who waits, who comes next, and what a stop makes of it.

use std::net::TcpStream;

use lamplighter::{Limits, Server, StartReason};
use lamplighter_harness::{Gate, Seen, within};

use super::{ask, connect, held, hello, started, stopped, tcp};

fn at_most(connections: usize, server: Server) -> Server {
    let limits = Limits::default().max_connections(Some(connections));
    server.limits(limits).listen("127.0.0.1:0")
}

#[tokio::test]
async fn at_the_limit_clients_wait_in_the_queue_until_one_leaves() {
    let running = started(at_most(2, hello())).await;
    let addr = tcp(running.addr());
    let (first, _) = ask(addr, "/").await;
    let (mut second, _) = ask(addr, "/").await;
    let mut third = connect(addr).await;
    third.request("/").await.unwrap();
    let mut fourth = connect(addr).await;
    fourth.request("/").await.unwrap();
    // Those inside are served as if nobody waited.
    second.request("/").await.unwrap();
    assert_eq!(second.answer().await.status(), 200);
    let accepted = || running.handle().report().connections().accepted;
    assert_eq!(accepted(), 2);
    assert!(running.handle().health().is_ready());
    drop(first);
    let answer = third.answer().await;
    assert!(
        answer.status() == 200 && !answer.head.closes(),
        "{answer:?}"
    );
    assert_eq!(accepted(), 3);
    drop(second);
    assert_eq!(fourth.answer().await.status(), 200);
    drop(third);
    let report = stopped(running).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 4);
    assert_eq!(report.connections().tally.answered, 5);
}

#[tokio::test]
async fn the_listeners_of_a_server_share_its_limit() {
    let running =
        started(at_most(1, hello()).listen(lamplighter::Bind::from("127.0.0.1:0").named("admin")))
            .await;
    let web = tcp(running.addr());
    let admin = tcp(running.addr_of("admin").unwrap());
    let (mut inside, _) = ask(web, "/").await;
    for (next, wait) in [(admin, web), (web, admin), (admin, web)] {
        let mut outside = connect(next).await;
        outside.request("/").await.unwrap();
        inside.request("/").await.unwrap();
        assert_eq!(
            inside.answer().await.status(),
            200,
            "while {wait} is served"
        );
        let open = running.handle().report().connections().open;
        assert_eq!(open, 1);
        drop(inside);
        assert_eq!(outside.answer().await.status(), 200);
        inside = outside;
    }
    assert!(stopped(running).await.is_clean());
}

#[tokio::test]
async fn who_waits_at_the_limit_when_the_server_stops_is_answered() {
    let gate = Gate::new();
    let running = started(at_most(1, held(&gate))).await;
    let addr = tcp(running.addr());
    let mut inside = connect(addr).await;
    inside.request("/held").await.unwrap();
    gate.reached(1).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut probe = connect(addr).await;
        probe.request("/").await.unwrap();
        waiting.push(probe);
    }
    let stop = running.stop();
    for probe in &mut waiting {
        let answer = probe.answer().await;
        assert!(answer.status() == 200 && answer.head.closes(), "{answer:?}");
        assert_eq!(probe.end().await, Seen::Fin);
    }
    gate.open();
    assert_eq!(inside.answer().await.status(), 200);
    let report = within("the end", stop).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 6);
}

#[tokio::test]
async fn clients_that_gave_up_waiting_cost_nothing_but_their_turn() {
    let running = started(at_most(1, hello())).await;
    let addr = tcp(running.addr());
    let (inside, _) = ask(addr, "/").await;
    for _ in 0..10 {
        drop(TcpStream::connect(addr).unwrap());
    }
    let mut last = connect(addr).await;
    last.request("/").await.unwrap();
    drop(inside);
    assert_eq!(last.answer().await.status(), 200);
    assert!(stopped(running).await.is_clean());
}

#[tokio::test]
async fn a_limit_under_which_nobody_could_be_served_is_refused() {
    let error = at_most(0, hello()).start().await.unwrap_err();
    assert!(
        matches!(error.reason(), StartReason::Limits(_)),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("allowed is 1 or more"),
        "{error}"
    );
    assert_eq!(error.report().exit_code(), 78);
}
