//! Listeners that a server is given when it is alive already.

use lamplighter::Phase;
use lamplighter_harness::{Gate, Probe, Seen, within};
use tokio::net::TcpListener;

use super::{held, started};

async fn bound() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

#[tokio::test]
async fn a_listener_that_comes_late_is_served_drained_and_closed_with_the_others() {
    let gate = Gate::new();
    let running = started(held(&gate).listen("127.0.0.1:0")).await;
    let (listener, addr) = bound().await;
    running.handle().accept_from(listener).unwrap();
    let mut working = Probe::connect(addr).await.unwrap();
    working.request("/held").await.unwrap();
    gate.reached(1).await;
    // In the queue as the stop begins: this thread has not let the server accept it.
    let queued = std::net::TcpStream::connect(addr).unwrap();
    let stop = running.stop();
    let mut queued = Probe::of(queued).unwrap();
    queued.request("/").await.unwrap();
    assert_eq!(queued.answer().await.status(), 200);
    within("the drain", running.handle().reached(Phase::Draining)).await;
    gate.open();
    assert_eq!(working.answer().await.text(), "let go");
    for probe in [&mut working, &mut queued] {
        assert_eq!(probe.end().await, Seen::Fin);
    }
    let report = within("the end", stop).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 2);
    assert!(Probe::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_listener_is_refused_and_closed_before_the_start_and_once_the_others_are_closed() {
    let gate = Gate::new();
    let server = held(&gate).listen("127.0.0.1:0");
    let handle = server.handle();
    let (listener, addr) = bound().await;
    let early = handle.accept_from(listener).unwrap_err();
    assert_eq!(early.phase, Phase::Created);
    assert!(Probe::connect(addr).await.is_err());
    let running = started(server).await;
    let mut working = Probe::connect(running.addr().clone()).await.unwrap();
    working.request("/held").await.unwrap();
    gate.reached(1).await;
    let stop = running.stop();
    within("the drain", handle.reached(Phase::Draining)).await;
    let (listener, addr) = bound().await;
    let late = handle.accept_from(listener).unwrap_err();
    assert_eq!(late.phase, Phase::Draining);
    assert!(late.to_string().contains(&addr.to_string()), "{late}");
    assert!(Probe::connect(addr).await.is_err());
    gate.open();
    assert_eq!(working.answer().await.text(), "let go");
    assert!(within("the end", stop).await.is_clean());
    let (listener, _) = bound().await;
    assert_eq!(
        handle.accept_from(listener).unwrap_err().phase,
        Phase::Stopped
    );
}
