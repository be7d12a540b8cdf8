//! Checks while the server runs: asked by those who ask, in time, and not too often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lamplighter::{Check, ServingStatus};
use lamplighter_harness::{Gate, TestServer};

use super::{answer_on, ends_well, healthy, secs};

/// A check that counts how often it is asked, and says what it is told to say.
fn counting(name: &str, asked: &Arc<AtomicU32>, down_from: u32) -> Check {
    let asked = Arc::clone(asked);
    Check::new(name, move || {
        let count = asked.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            if count >= down_from {
                Err("out of reach")
            } else {
                Ok(())
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_good_for_a_second_and_then_asked_for_again() {
    let asked = Arc::new(AtomicU32::new(0));
    let server = healthy(&Gate::new());
    server.health().check(counting("database", &asked, 3));
    let server = TestServer::here().start(server).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "by the start");
    let mut probe = server.probe().await;
    for _ in 0..10 {
        assert_eq!(answer_on(&mut probe, "/readyz").await.status(), 200);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "ten probes, one question");
    tokio::time::advance(secs(1)).await;
    assert_eq!(answer_on(&mut probe, "/readyz").await.status(), 200);
    assert_eq!(answer_on(&mut probe, "/readyz").await.status(), 200);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    tokio::time::advance(secs(1)).await;
    assert_eq!(answer_on(&mut probe, "/readyz").await.status(), 503);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    // Liveness asks nobody, however old the answers are.
    tokio::time::advance(secs(10)).await;
    assert_eq!(answer_on(&mut probe, "/livez").await.status(), 200);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(server.handle().health().status(), ServingStatus::NotServing);
    ends_well(server).await;
}

#[tokio::test]
async fn a_check_that_keeps_no_answer_is_asked_every_time() {
    let asked = Arc::new(AtomicU32::new(0));
    let server = healthy(&Gate::new());
    let check = counting("database", &asked, u32::MAX).cache_for(secs(0));
    server.health().check(check);
    let server = TestServer::start(server).await;
    for expected in 2..5 {
        assert_eq!(server.get("/readyz").await.status(), 200);
        assert_eq!(asked.load(Ordering::SeqCst), expected);
    }
    ends_well(server).await;
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_question() {
    let (gate, asked) = (Gate::new(), Arc::new(AtomicU32::new(0)));
    let server = TestServer::start(healthy(&Gate::new())).await;
    let (at, count) = (gate.clone(), Arc::clone(&asked));
    server.handle().health().check(
        Check::new("slow", move || {
            count.fetch_add(1, Ordering::SeqCst);
            let gate = at.clone();
            async move {
                gate.pass().await;
                Ok::<(), String>(())
            }
        })
        .timeout(secs(60))
        .cache_for(secs(60)),
    );
    let mut probes = Vec::new();
    for _ in 0..8 {
        let mut probe = server.probe().await;
        probe.request("/readyz").await.unwrap();
        probes.push(probe);
    }
    gate.reached(1).await;
    gate.open();
    for probe in &mut probes {
        assert_eq!(probe.answer().await.status(), 200);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    ends_well(server).await;
}

#[tokio::test]
async fn whoever_waits_takes_over_from_one_who_asked_and_left() {
    let gate = Gate::new();
    let server = TestServer::start(healthy(&Gate::new())).await;
    let at = gate.clone();
    server.handle().health().check(
        Check::new("slow", move || {
            let gate = at.clone();
            async move {
                gate.pass().await;
                Ok::<(), String>(())
            }
        })
        .timeout(secs(60)),
    );
    let mut first = server.probe().await;
    first
        .http2(lamplighter_harness::Manners::Polite)
        .await
        .unwrap();
    first.open_stream("/readyz").await.unwrap();
    gate.reached(1).await;
    let mut second = server.probe().await;
    second.request("/readyz").await.unwrap();
    drop(first);
    gate.open();
    assert_eq!(second.answer().await.status(), 200);
    ends_well(server).await;
}

#[tokio::test]
async fn an_error_a_panic_and_silence_are_all_down_and_hurt_nobody_else() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let health = server.handle().health();
    let kinds: [(&str, Check); 4] = [
        (
            "error",
            Check::new("error", || async { Err::<(), _>("no") }),
        ),
        (
            "panic",
            Check::new("panic", || async {
                std::panic::resume_unwind(Box::new("on purpose"));
                #[expect(unreachable_code, reason = "it says of which type the answer were")]
                Ok::<(), String>(())
            }),
        ),
        (
            "panic at once",
            Check::new("panic at once", || {
                std::panic::resume_unwind(Box::new("on purpose"));
                #[expect(unreachable_code, reason = "it says of which type the answer were")]
                async {
                    Ok::<(), String>(())
                }
            }),
        ),
        (
            "silence",
            Check::new("silence", std::future::pending::<Result<(), String>>)
                .timeout(std::time::Duration::from_millis(50)),
        ),
    ];
    for (_, check) in kinds {
        health.check(check);
    }
    health.check(Check::new("fine", || async { Ok::<(), String>(()) }));
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status(), 503);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    for (name, ok) in [
        ("error", false),
        ("panic", false),
        ("panic at once", false),
        ("silence", false),
        ("fine", true),
    ] {
        assert_eq!(body["checks"][name]["ok"], ok, "{name}: {body}");
    }
    assert_eq!(server.get("/").await.status(), 200);
    assert_eq!(server.get("/livez").await.status(), 200);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_stop_waits_for_no_check_that_somebody_asked_for() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let gate = Gate::new();
    let at = gate.clone();
    server.handle().health().check(
        Check::new("slow", move || {
            let gate = at.clone();
            async move {
                gate.pass().await;
                Ok::<(), String>(())
            }
        })
        .timeout(secs(3600)),
    );
    let mut probe = server.probe().await;
    probe.request("/readyz").await.unwrap();
    gate.reached(1).await;
    let stop = tokio::spawn(server.stop());
    let answer = probe.answer().await;
    assert_eq!(answer.status(), 503);
    let report = lamplighter_harness::within("the stop", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_check_knows_which_server_asks_it() {
    let server = healthy(&Gate::new());
    let known = || async {
        match lamplighter::ShutdownSignal::current() {
            Some(_) => Ok(()),
            None => Err("asked by nobody"),
        }
    };
    let check = Check::new("server", known).cache_for(secs(0));
    server.health().check(check);
    // By its start, and by those who ask later.
    let server = TestServer::start(server).await;
    assert_eq!(server.get("/readyz").await.status(), 200);
    ends_well(server).await;
}
