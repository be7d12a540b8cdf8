//! Health asked in process, and components that were set before the start.

use lamplighter::{ServerEventKind as Event, ServingStatus};
use lamplighter_harness::{Gate, TestServer};
use tonic_health::pb::health_check_response::ServingStatus as Wire;
use tonic_health::pb::health_client::HealthClient;

use super::grpc::{asking, list};
use super::{ends_well, healthy};

#[tokio::test]
async fn asking_in_process_changes_nothing_of_the_health() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    server
        .handle()
        .health()
        .set("orders.v1.Orders", ServingStatus::Serving);
    let names = [
        (String::new(), Wire::Serving),
        ("orders.v1.Orders".to_owned(), Wire::Serving),
    ];
    assert_eq!(list(server.grpc()).await.unwrap(), names);
    assert_eq!(server.get("/healthz").await.status(), 200);
    let told = server.events().len();

    let client = server.in_process();
    assert_eq!(client.get("/").await.text().await, "hello");
    let healthz = client.get("/healthz").await;
    assert_eq!(healthz.status(), 200);
    assert_eq!(healthz.header("cache-control"), Some("no-store"));
    let mut health = HealthClient::new(client.clone());
    for service in ["", "orders.v1.Orders"] {
        let answer = health.check(asking(service)).await.unwrap();
        assert_eq!(answer.into_inner().status(), Wire::Serving, "{service:?}");
    }
    let unknown = health.check(asking("in-process")).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);

    assert_eq!(list(server.grpc()).await.unwrap(), names);
    assert_eq!(server.get("/healthz").await.status(), 200);
    assert_eq!(server.handle().health().status(), ServingStatus::Serving);
    // It has seen connections, and nothing else.
    let since = server.events().split_off(told);
    let connections = since.iter().all(|event| {
        matches!(
            event.kind,
            Event::ConnectionOpened { .. } | Event::ConnectionClosed { .. }
        )
    });
    assert!(connections, "{since:?}");
    ends_well(server).await;
}

#[tokio::test]
async fn a_component_that_was_set_before_the_start_survives_it_and_can_be_set_afterwards() {
    let server = healthy(&Gate::new());
    let health = server.health();
    health.set("orders.v1.Orders", ServingStatus::Serving);
    let server = TestServer::start(server).await;
    let names = |status| {
        [
            (String::new(), status),
            ("orders.v1.Orders".to_owned(), status),
        ]
    };
    let channel = server.grpc();
    assert_eq!(list(channel.clone()).await.unwrap(), names(Wire::Serving));
    assert_eq!(server.get("/readyz").await.status(), 200);
    // By the clone of before the start, and by what the handle has: they are the same.
    health.set("orders.v1.Orders", ServingStatus::NotServing);
    assert_eq!(
        list(channel.clone()).await.unwrap(),
        names(Wire::NotServing)
    );
    assert_eq!(server.get("/readyz").await.status(), 503);
    let handle = server.handle().health();
    handle.set("orders.v1.Orders", ServingStatus::Serving);
    assert_eq!(list(channel).await.unwrap(), names(Wire::Serving));
    assert_eq!(server.get("/readyz").await.status(), 200);
    ends_well(server).await;
}
