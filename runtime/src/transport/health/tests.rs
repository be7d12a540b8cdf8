//! What a health says of itself, without a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::http::Method;
use tokio::runtime::Handle;
use tokio_test::{assert_pending, assert_ready, task::spawn};

use super::http::{HttpHealth, Question};
use super::*;

fn ready() -> Health {
    let health = Health::new(Clock::new());
    health.set_readiness(Readiness::Ready);
    health
}

#[test]
fn only_the_lifecycle_makes_a_server_ready() {
    let health = Health::new(Clock::new());
    health.set("", ServingStatus::Serving);
    health.set("orders", ServingStatus::Serving);
    assert_eq!(health.status(), ServingStatus::NotServing);
    assert_eq!(health.status_of("orders"), Some(ServingStatus::NotServing));
    health.set_readiness(Readiness::Ready);
    assert_eq!(health.status(), ServingStatus::Serving);
    assert_eq!(health.status_of("orders"), Some(ServingStatus::Serving));
    // And whoever runs it can still say that it should get no traffic.
    health.set("", ServingStatus::NotServing);
    assert_eq!(health.status(), ServingStatus::NotServing);
    assert_eq!(health.status_of(""), Some(ServingStatus::NotServing));
    assert_eq!(health.status_of("orders"), Some(ServingStatus::Serving));
    assert_eq!(health.status_of("users"), None);
}

#[test]
fn whoever_waits_for_a_change_is_woken_by_one_and_by_nothing_else() {
    let health = ready();
    health.set("orders", ServingStatus::Serving);
    let mut changes = health.changes();
    let mut waiting = spawn(async move { changes.changed().await.is_ok() });
    assert_pending!(waiting.poll());
    health.set("orders", ServingStatus::Serving);
    health.set_readiness(Readiness::Ready);
    health.remove("users");
    assert!(!waiting.is_woken());
    health.set("orders", ServingStatus::NotServing);
    assert!(assert_ready!(waiting.poll()));
}

#[tokio::test]
async fn of_two_checks_with_one_name_the_one_that_is_down_is_seen() {
    let health = ready();
    health.inner.clock.begin(&Handle::current());
    health.check(Check::new("database", || async { Err::<(), _>("gone") }));
    health.check(Check::new("database", || async { Ok::<(), String>(()) }));
    let http = HttpHealth::default().with_details();
    let answer = http
        .answer(&health, Question::Readiness, &Method::GET)
        .await;
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["checks"]["database"]["ok"], false, "{body}");
    assert_eq!(body["checks"]["database"]["error"], "gone", "{body}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_down_after_its_time_and_says_so() {
    let health = ready();
    health.inner.clock.begin(&Handle::current());
    let silent = Check::new("silent", std::future::pending::<Result<(), String>>);
    health.check(silent.timeout(Duration::from_secs(3)));
    assert_eq!(health.assess().await, ServingStatus::NotServing);
    let checks = health.checks();
    let latest = checks.first().and_then(|check| check.latest()).unwrap();
    assert_eq!(latest.took, Duration::from_secs(3));
    assert_eq!(latest.answer, Err(Arc::from("no answer within 3s")));
}

#[cfg(feature = "grpc")]
#[test]
fn messages_have_the_bytes_of_the_protocol() {
    use super::messages::{HealthCheckRequest, HealthCheckResponse, HealthListResponse, Status};
    use prost::Message;
    let request = HealthCheckRequest {
        service: "a.B".into(),
    };
    assert_eq!(request.encode_to_vec(), b"\x0a\x03a.B");
    let down: HealthCheckResponse = Status::NotServing.into();
    assert_eq!(down.encode_to_vec(), [0x08, 2]);
    let unknown: HealthCheckResponse = Status::ServiceUnknown.into();
    assert_eq!(unknown.encode_to_vec(), [0x08, 3]);
    let list = HealthListResponse {
        statuses: [("a".to_owned(), Status::Serving.into())].into(),
    };
    assert_eq!(list.encode_to_vec(), b"\x0a\x07\x0a\x01a\x12\x02\x08\x01");
    // What reflection says of them is one file of the protocol's own name.
    let [file] = &descriptor_set().file[..] else {
        unreachable!("one file describes it")
    };
    let messages: Vec<&str> = file.message_type.iter().map(|it| it.name()).collect();
    assert_eq!(
        messages,
        [
            "HealthCheckRequest",
            "HealthCheckResponse",
            "HealthListRequest",
            "HealthListResponse"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_what_is_never_kept_wait_for_one_answer_that_was_begun_after_they_asked() {
    let health = ready();
    health.inner.clock.begin(&Handle::current());
    let asked = Arc::new(AtomicU32::new(0));
    let (count, clock) = (Arc::clone(&asked), health.inner.clock.clone());
    let slow = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let clock = clock.clone();
        async move {
            let answers_at = clock.now() + Duration::from_millis(900);
            clock.sleep_until(answers_at).await;
            Ok::<(), String>(())
        }
    };
    health.check(Check::new("slow", slow).cache_for(Duration::ZERO));
    let began = health.inner.clock.now();
    let answers = join_all((0..100).map(|_| health.assess())).await;
    assert!(
        answers
            .iter()
            .all(|status| *status == ServingStatus::Serving)
    );
    // One for the first, and one for all who came while that was being asked: it may have seen what
    // was true before they came.
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let waited = health.inner.clock.now().since(began);
    assert_eq!(waited, Duration::from_millis(1800));
    // Nothing is kept for those who come later.
    assert_eq!(health.assess().await, ServingStatus::Serving);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_was_given_up_is_no_answer_for_those_who_wait() {
    let health = ready();
    health.inner.clock.begin(&Handle::current());
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let second_hangs = move || {
        let hangs = count.fetch_add(1, Ordering::SeqCst) == 1;
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            Ok::<(), String>(())
        }
    };
    health.check(Check::new("slow", second_hangs).cache_for(Duration::ZERO));
    let mut first = spawn(health.assess());
    assert_pending!(first.poll());
    let mut second = spawn(health.assess());
    assert_pending!(second.poll());
    let mut third = spawn(health.assess());
    assert_pending!(third.poll());
    assert_eq!(first.await, ServingStatus::Serving);
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    drop(second);
    assert_eq!(third.await, ServingStatus::Serving);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
