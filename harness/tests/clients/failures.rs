//! What clients say when they get no answer, or not the one that was expected.

use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::routing::get;
use lamplighter::Phase;
use lamplighter_harness::{ClientFailure, Gate, TestServer};

use crate::{EVERYWHERE, app, everywhere, failure};

#[tokio::test]
async fn a_server_that_is_gone_is_told_with_the_request() {
    let server = everywhere().spawn(app(&Gate::new())).await;
    let addr = server.addr();
    let clients: Vec<_> = EVERYWHERE
        .iter()
        .map(|name| server.at(name).http2())
        .collect();
    let known = server.http1();
    assert_eq!(known.get("/").await.status(), 200);
    assert!(server.stop().await.is_clean());
    for client in clients {
        let error = client
            .try_send(Request::new(String::new()))
            .await
            .unwrap_err();
        assert!(
            matches!(error.failure(), ClientFailure::Connect(_)),
            "{error:?}"
        );
        assert!(
            error.request().starts_with("GET / over HTTP/2 to "),
            "{error}"
        );
    }
    let said = failure(known.get("/orders")).await;
    let told = format!("GET /orders over HTTP/1.1 to {addr}: cannot connect: Connection refused");
    assert!(
        said.contains(&told) && said.contains("failures.rs"),
        "{said}"
    );
}

#[tokio::test]
async fn an_answer_that_never_comes_is_told_with_how_long_it_was_waited_for() {
    let gate = Gate::new();
    let mut server = TestServer::spawn(app(&gate)).await;
    server.set_patience(Duration::from_millis(50));
    for client in [server.http1(), server.http2(), server.in_process()] {
        let said = failure(client.get("/held")).await;
        assert!(said.contains("GET /held over HTTP/"), "{said}");
        assert!(said.contains("nothing came for 50ms"), "{said}");
    }
    // Enough for what does come: a head and a part, and then nothing. All three wait at once.
    server.set_patience(Duration::from_secs(2));
    let clients = [server.http1(), server.http2(), server.in_process()];
    let late = clients.map(async |client| {
        let mut reply = client.get("/parts").await;
        assert_eq!(reply.chunk().await.unwrap(), "one part ");
        let error = reply.try_chunk().await.unwrap_err();
        assert!(
            matches!(error.failure(), ClientFailure::TimedOut(_)),
            "{error:?}"
        );
    });
    futures_util::future::join_all(late).await;
    gate.open();
    drop(server.stop().await);
}

#[tokio::test]
async fn a_body_that_is_cut_is_an_error_and_never_looks_whole() {
    for version in ["HTTP/1.1", "HTTP/2", "in memory"] {
        let gate = Gate::new();
        let server = TestServer::spawn(app(&gate)).await;
        let client = match version {
            "HTTP/1.1" => server.http1(),
            "HTTP/2" => server.http2(),
            _ => server.in_process(),
        };
        let mut reply = client.get("/parts").await;
        assert_eq!(reply.chunk().await.unwrap(), "one part ");
        drop(server.handle().force());
        let error = reply.try_bytes().await.unwrap_err();
        assert!(
            matches!(error.failure(), ClientFailure::Http(_)),
            "{error:?}"
        );
        assert!(error.to_string().starts_with("GET /parts over "), "{error}");
        let report = server.wait().await;
        assert_eq!(report.outcome().cut, 1, "{version}: {report}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_taken_as_a_whole_is_refused() {
    const MIB: usize = 1024 * 1024;
    let app = Router::new()
        .route("/16", get(|| async { vec![b'x'; 16 * MIB] }))
        .route("/17", get(|| async { vec![b'x'; 17 * MIB] }));
    let server = TestServer::spawn(app).await;
    let client = server.http1();
    assert_eq!(client.get("/16").await.bytes().await.len(), 16 * MIB);
    let error = client.get("/17").await.try_bytes().await.unwrap_err();
    assert!(
        error.to_string().contains("longer than 16777216 bytes"),
        "{error}"
    );
    let mut reply = client.get("/17").await;
    let mut length = 0;
    while let Some(part) = reply.chunk().await {
        length += part.len();
    }
    assert_eq!(length, 17 * MIB);
    drop(server.stop().await);
}

#[tokio::test]
async fn what_cannot_be_asked_or_read_is_told_so() {
    let server = TestServer::spawn(app(&Gate::new())).await;
    let client = server.http1();
    let said = failure(client.get("no path")).await;
    assert!(said.contains("GET \"no path\" over HTTP/1.1"), "{said}");
    let error = client.get("/").await.try_json::<u32>().await.unwrap_err();
    assert!(
        matches!(error.failure(), ClientFailure::Json(_)),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("not the JSON that was expected"),
        "{error}"
    );
    let said = failure(async { server.at("nobody") }).await;
    assert!(said.contains("no listener is named \"nobody\""), "{said}");
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_server_that_has_closed_its_listeners_takes_no_new_client_in_its_process() {
    let gate = Gate::new();
    let server = TestServer::spawn(app(&gate)).await;
    let (busy, idle) = (server.in_process(), server.in_process());
    let held = tokio::spawn(busy.get("/held"));
    gate.reached(1).await;
    drop(server.handle().stop());
    let closed = |event: &lamplighter::ServerEventKind| {
        matches!(event, lamplighter::ServerEventKind::ListenersClosed)
    };
    server.event("the listeners to be closed", closed).await;
    let said = failure(idle.get("/")).await;
    assert!(
        said.contains("GET / over HTTP/2 to the server in its process"),
        "{said}"
    );
    assert!(said.contains("accepts no connections any more"), "{said}");
    assert_eq!(server.handle().phase(), Phase::Draining);
    gate.open();
    assert_eq!(held.await.unwrap().text().await, "let go");
    assert!(server.wait().await.is_clean());
}
