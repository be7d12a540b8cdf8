//! What is answered in each phase of a life: health, the application, and gRPC in its words.

use std::time::Duration;

use lamplighter::{LameDuckReadiness, Phase, Plan, WhileDraining};
use lamplighter_harness::{Gate, Manners, Probe, Seen, TestServer, within};

use super::{answer_on, ask, ends_well, green_behind, healthy, secs, status_on, statuses};

#[tokio::test]
async fn before_ready_the_server_is_alive_and_not_ready_and_the_application_waits() {
    let (gate, warm) = (Gate::new(), Gate::new());
    let server = healthy(&gate).plan(Plan::new().ready_timeout(secs(20)));
    server.health().check(green_behind(&warm));
    // Its address is known to nobody yet, so it has one of its own.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let started = tokio::spawn(TestServer::start(server.listen(listener)));
    warm.reached(1).await;
    let mut probe = Probe::connect(addr).await.unwrap();
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 503),
        ("/healthz", 503),
        ("/", 503),
    ] {
        assert_eq!(answer_on(&mut probe, path).await.status(), status, "{path}");
    }
    let mut http2 = Probe::connect(addr).await.unwrap();
    http2.http2(Manners::Polite).await.unwrap();
    for (path, status) in [("/livez", 200), ("/readyz", 503), ("/", 503)] {
        assert_eq!(status_on(&mut http2, path).await, status, "{path}");
    }
    warm.open();
    let server = within("the start", started).await.unwrap();
    // The connections of before live on.
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/", 200)] {
        assert_eq!(answer_on(&mut probe, path).await.status(), status, "{path}");
        assert_eq!(status_on(&mut http2, path).await, status, "{path}");
    }
    // Whoever stays and does not read holds a stop for a grace.
    drop(http2);
    ends_well(server).await;
}

#[tokio::test(start_paused = true)]
async fn a_lame_duck_is_alive_and_not_ready_and_goes_on_serving() {
    let gate = Gate::new();
    let server = healthy(&gate).plan(Plan::new().lame_duck(secs(5)));
    let server = TestServer::here().start(server).await;
    assert_eq!(statuses(&server).await, [200, 200, 200]);
    drop(server.running().stop());
    // In the step of the cause: before anybody has had a turn.
    assert!(!server.handle().health().is_ready());
    assert_eq!(statuses(&server).await, [503, 200, 200]);
    assert_eq!(server.handle().phase(), Phase::LameDuck);
    let mut http2 = server.probe().await;
    http2.http2(Manners::Polite).await.unwrap();
    assert_eq!(status_on(&mut http2, "/readyz").await, 503);
    assert_eq!(status_on(&mut http2, "/livez").await, 200);
    assert_eq!(status_on(&mut http2, "/").await, 200);
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn readiness_that_is_held_lasts_until_the_drain() {
    let gate = Gate::new();
    let plan = Plan::new()
        .lame_duck(secs(5))
        .lame_duck_readiness(LameDuckReadiness::Held);
    let server = TestServer::here().start(healthy(&gate).plan(plan)).await;
    let mut held = server.probe().await;
    held.request("/held").await.unwrap();
    gate.reached(1).await;
    drop(server.running().stop());
    assert!(server.handle().health().is_ready());
    tokio::time::advance(Duration::from_millis(4_500)).await;
    // A head that has begun within a second of the drain is answered in it.
    let mut late = server.probe().await;
    late.send("GET /readyz HTTP/1.1\r\n").await.unwrap();
    assert_eq!(statuses(&server).await, [200, 200, 200]);
    assert_eq!(server.handle().phase(), Phase::LameDuck);
    server.reached(Phase::Draining).await;
    assert!(!server.handle().health().is_ready());
    late.send("host: probe\r\n\r\n").await.unwrap();
    assert_eq!(late.answer().await.status(), 503);
    gate.open();
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn while_draining_a_living_connection_is_told_alive_and_not_ready() {
    let gate = Gate::new();
    let server = TestServer::here().start(healthy(&gate)).await;
    let mut held = server.probe().await;
    held.request("/held").await.unwrap();
    gate.reached(1).await;
    // A head that has begun in time is answered.
    let mut late = server.probe().await;
    late.send("GET /readyz HTTP/1.1\r\n").await.unwrap();
    // A peer that never answers PING keeps its first GOAWAY's promise open for a second.
    let mut http2 = server.probe().await;
    http2.http2(Manners::Mute).await.unwrap();
    assert_eq!(status_on(&mut http2, "/readyz").await, 200);
    assert_eq!(
        answer_on(&mut server.probe().await, "/livez")
            .await
            .status(),
        200
    );
    drop(server.running().stop());
    server.reached(Phase::Draining).await;
    assert_eq!(status_on(&mut http2, "/readyz").await, 503);
    assert_eq!(status_on(&mut http2, "/livez").await, 200);
    late.send("host: probe\r\n\r\n").await.unwrap();
    let head = late.head().await;
    assert_eq!(head.status, 503);
    assert!(head.closes(), "{head:?}");
    gate.open();
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_in_the_lame_duck_is_told_to_come_back_on_another_connection() {
    let gate = Gate::new();
    let server = healthy(&gate).plan(Plan::new().lame_duck(secs(5)));
    let server = TestServer::here().start(server).await;
    let mut probe = server.probe().await;
    assert!(!ask(&mut probe, "HEAD", "/readyz").await.closes());
    drop(server.running().stop());
    let head = ask(&mut probe, "HEAD", "/readyz").await;
    assert!(head.status == 503 && head.closes(), "{head:?}");
    assert_eq!(probe.end().await, Seen::Fin);
    drop(server.wait().await);
}

#[tokio::test(start_paused = true)]
async fn infrastructure_is_exempt_from_refusals_while_draining() {
    let gate = Gate::new();
    let plan = Plan::new().while_draining(WhileDraining::Reject);
    let server = TestServer::here().start(healthy(&gate).plan(plan)).await;
    let mut held = server.probe().await;
    held.request("/held").await.unwrap();
    gate.reached(1).await;
    let mut late = server.probe().await;
    late.send("GET /livez HTTP/1.1\r\n").await.unwrap();
    // A peer that never answers PING keeps its first GOAWAY's promise open for a second.
    let mut http2 = server.probe().await;
    http2.http2(Manners::Mute).await.unwrap();
    assert_eq!(status_on(&mut http2, "/").await, 200);
    assert_eq!(
        answer_on(&mut server.probe().await, "/").await.status(),
        200
    );
    drop(server.running().stop());
    server.reached(Phase::Draining).await;
    assert_eq!(status_on(&mut http2, "/").await, 503, "the application");
    assert_eq!(status_on(&mut http2, "/livez").await, 200);
    late.send("host: probe\r\n\r\n").await.unwrap();
    let answer = late.answer().await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().contains("SERVING"), "{}", answer.text());
    gate.open();
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn no_stop_waits_for_a_peer_that_takes_no_answers_of_health() {
    let server = healthy(&Gate::new()).plan(Plan::new().drain_timeout(secs(600)));
    let server = TestServer::here().start(server).await;
    let mut probe = Probe::connect_narrow(server.addr(), 4096).await.unwrap();
    probe.http2(Manners::Polite).await.unwrap();
    status_on(&mut probe, "/livez").await;
    drop(server.handle().stop());
    server.reached(Phase::Draining).await;
    // More than its kernel has room for, and it reads nothing.
    for _ in 0..100 {
        probe.open_stream("/readyz").await.unwrap();
    }
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    // It has a second to say that it knows of the end, and one to fetch what is left.
    assert!(report.total() < secs(3), "{report}");
    drop(probe);
}
