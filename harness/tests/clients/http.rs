//! HTTP by either version: where it goes, which connection it takes, how a body is read.

use axum::http::{Request, StatusCode, Version};
use lamplighter::{Limits, Phase};
use lamplighter_harness::{Gate, TestServer, within};
use tower_service::Service;

use crate::{EVERYWHERE, app, everywhere};

#[tokio::test]
async fn either_version_reaches_every_kind_of_listener() {
    let server = everywhere().spawn(app(&Gate::new())).await;
    for name in EVERYWHERE {
        let (one, two) = (server.at(name).http1(), server.at(name).http2());
        assert_eq!(one.get("/").await.text().await, "HTTP/1.1", "{name}");
        assert_eq!(two.get("/").await.text().await, "HTTP/2.0", "{name}");
        assert_eq!(server.at(name).get("/").await.text(), "HTTP/1.1", "{name}");
        for client in [one, two] {
            let reply = client.post_json("/echo", &[1, 2, 3]).await;
            assert_eq!(reply.json::<Vec<u32>>().await, [1, 2, 3], "{name}");
            let reply = client.post("/echo", "as it is").await;
            assert_eq!(&*reply.bytes().await, b"as it is", "{name}");
            assert_eq!(client.connections(), 1, "{name}");
        }
    }
    assert_eq!(server.http1().get("/").await.status(), StatusCode::OK);
    assert_eq!(server.http2().get("/nowhere").await.status(), 404);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 3 * 3 + 2);
}

#[tokio::test]
async fn the_head_of_an_answer_is_there_before_its_body() {
    let gate = Gate::new();
    let server = TestServer::spawn(app(&gate)).await;
    for client in [server.http1(), server.http2()] {
        let gate = &gate;
        let mut reply = client.get("/parts").await;
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.header("content-length"), None);
        assert_eq!(reply.chunk().await.unwrap(), "one part ");
        gate.open();
        assert_eq!(reply.chunk().await.unwrap(), "and the rest");
        assert_eq!(reply.chunk().await, None);
    }
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_client_makes_another_connection_when_the_server_has_closed_the_one_before() {
    let limits = Limits::default().max_requests_per_connection(Some(2));
    let server = TestServer::builder().limits(limits);
    let server = server.spawn(app(&Gate::new())).await;
    let client = server.http1();
    for connections in [1, 1, 2, 2, 3] {
        assert_eq!(client.get("/").await.text().await, "HTTP/1.1");
        assert_eq!(client.connections(), connections);
    }
    let report = server.stop().await;
    assert_eq!(report.connections().accepted, 3, "{report}");
}

#[tokio::test]
async fn requests_share_a_connection_over_http2_and_take_turns_over_http1() {
    let gate = Gate::new();
    let server = TestServer::spawn(app(&gate)).await;
    let (shared, in_turn) = (server.http2(), server.http1());
    let both = tokio::spawn({
        let (one, two) = (shared.get("/held"), shared.get("/held"));
        async { tokio::join!(one, two) }
    });
    gate.reached(2).await;
    gate.open();
    let (one, two) = within("both answers", both).await.unwrap();
    assert_eq!(one.text().await + &two.text().await, "let golet go");
    assert_eq!(shared.connections(), 1);
    // The second one goes when the first has been read.
    let unread = in_turn.get("/parts").await;
    let second = in_turn.get("/");
    let (text, second) = tokio::join!(unread.text(), second);
    assert_eq!(text, "one part and the rest");
    assert_eq!(second.text().await, "HTTP/1.1");
    assert_eq!(in_turn.connections(), 1);
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_request_of_any_kind_is_sent_as_it_is() {
    let server = TestServer::spawn(app(&Gate::new())).await;
    for client in [server.http1(), server.http2()] {
        let request = Request::put("/echo?of=what").body(String::from("body"));
        assert_eq!(client.send(request.unwrap()).await.status(), 405);
        let whole = format!("{}?query", server.url("/"));
        let request = Request::get(whole).body(String::new()).unwrap();
        assert_eq!(client.send(request).await.status(), 200);
    }
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_client_is_a_tower_service() {
    let server = TestServer::spawn(app(&Gate::new())).await;
    let mut client = server.http2();
    let request = Request::get("/").body(String::new()).unwrap();
    let answer = within("an answer", client.call(request)).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(answer.status(), 200);
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn what_is_in_flight_at_a_stop_is_answered_and_an_idle_client_holds_up_nothing() {
    let gate = Gate::new();
    let server = everywhere().spawn(app(&gate)).await;
    let mut clients = Vec::new();
    for name in EVERYWHERE {
        for client in [server.at(name).http1(), server.at(name).http2()] {
            assert_eq!(client.get("/").await.status(), 200);
            clients.push((tokio::spawn(client.clone().get("/held")), client));
        }
    }
    gate.reached(clients.len()).await;
    let draining = server.reached(Phase::Draining);
    let stop = server.handle().stop();
    draining.await;
    gate.open();
    for (answer, _idle) in &mut clients {
        let reply = within("an answer", answer).await.unwrap();
        assert_eq!(reply.text().await, "let go");
    }
    let report = within("the end", stop).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(server.wait().await.connections().tally.answered, 12);
}
