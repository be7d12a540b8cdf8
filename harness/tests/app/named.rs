//! What was cut is named by the route that it took, and never by its path.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::extract::WebSocketUpgrade;
use axum::routing::get;
use futures_util::stream;
use greeter::v1::{SayHelloRequest, StreamHelloRequest};
use lamplighter::{App, NamedRoutes, Plan, Report, Server, name_route};
use lamplighter_harness::{Gate, Manners, Probe, Seen, TestServer};

use super::{client, routes, secs};

/// Routes that wait at the gate, one whose body never ends, a WebSocket, and a fallback that waits.
fn held(gate: &Gate) -> Router {
    let waits = || {
        let gate = gate.clone();
        move || async move { gate.pass().await }
    };
    let items = Router::new().route("/items/{id}", get(waits()));
    Router::new()
        .route("/free/{id}", get(|| async {}))
        .route("/users/{id}", get(waits()))
        .route("/feed/{id}", get(feed))
        .route("/chat/{room}", get(chat))
        .nest("/api", items)
        .fallback(waits())
}

async fn feed() -> Body {
    Body::from_stream(stream::pending::<Result<String, std::io::Error>>())
}

async fn chat(upgrade: WebSocketUpgrade) -> axum::response::Response {
    upgrade.on_upgrade(async |_socket| std::future::pending().await)
}

async fn cutting(app: impl lamplighter::Application) -> TestServer {
    let server = Server::new(app).plan(Plan::new().drain_timeout(secs(1)));
    TestServer::here().start(server).await
}

/// What was cut, as the report names it.
fn cut(report: &Report) -> BTreeSet<String> {
    let told = format!("{report:?} {} {}", report.to_json(), report.timeline());
    assert!(!told.contains("secret"), "{told}");
    let cut = report.connections().cut.iter().map(|cut| {
        let route = cut.work.template.as_deref().unwrap_or("?");
        format!("{} {} {route}", cut.work.protocol, cut.work.method)
    });
    cut.collect()
}

async fn requests(server: &TestServer, path: &str) -> Probe {
    let mut probe = server.probe().await;
    probe.request(path).await.unwrap();
    probe
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_on_http1_is_named_by_its_route_and_never_by_its_path() {
    let gate = Gate::new();
    let server = cutting(held(&gate).layer(NamedRoutes)).await;
    let mut probes = Vec::new();
    for path in ["/users/secret", "/api/items/secret"] {
        probes.push(requests(&server, path).await);
    }
    // It has answered a request already, whose route is not this one's.
    let mut second = requests(&server, "/free/secret").await;
    assert_eq!(second.answer().await.status(), 200);
    second.request("/secret").await.unwrap();
    gate.reached(3).await;
    let mut fed = requests(&server, "/feed/secret").await;
    assert_eq!(fed.head().await.status, 200);
    let chat = server.websocket("/chat/secret").await;
    let report = server.stop().await;
    let named = cut(&report);
    let expected = [
        "http/1 GET /api/items/{id}",
        "http/1 GET /feed/{id}",
        "http/1 GET /users/{id}",
        "http/1 GET ?",
        "upgraded GET /chat/{room}",
    ];
    assert_eq!(named, expected.map(String::from).into(), "{report}");
    drop((probes, second, fed, chat));
}

#[tokio::test(start_paused = true)]
async fn streams_of_one_connection_are_each_named_by_their_own_route() {
    let gate = Gate::new();
    let app = App::new(held(&gate).layer(NamedRoutes)).grpc(routes(&gate));
    let server = cutting(app).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    for path in ["/users/secret", "/api/items/secret", "/secret"] {
        probe.open_stream(path).await.unwrap();
    }
    gate.reached(3).await;
    let feed = probe.open_stream("/feed/secret").await.unwrap();
    let head = |seen: &Seen| matches!(seen, Seen::Headers { stream, .. } if *stream == feed);
    probe.until("the head of the feed", head).await;
    let mut greeter = client(&server);
    let name = || String::from("deaf");
    let hellos = greeter.stream_hello(StreamHelloRequest { name: name() });
    let hellos = hellos.await.unwrap();
    let mut other = greeter.clone();
    let waits = tokio::spawn(async move {
        let name = String::from("gate");
        other.say_hello(SayHelloRequest { name }).await
    });
    gate.reached(4).await;
    let report = server.stop().await;
    let expected = [
        "http/2 GET /api/items/{id}",
        "http/2 GET /feed/{id}",
        "http/2 GET /users/{id}",
        "http/2 GET ?",
        "http/2 POST /greeter.v1.Greeter/SayHello",
        "http/2 POST /greeter.v1.Greeter/StreamHello",
    ];
    assert_eq!(cut(&report), expected.map(String::from).into(), "{report}");
    drop((probe, hellos));
    assert!(waits.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_application_of_another_kind_names_its_routes_itself_and_the_first_name_counts() {
    let gate = Gate::new();
    let at = gate.clone();
    let handler = move || {
        let gate = at.clone();
        async move {
            // Found out behind a first wait.
            tokio::task::yield_now().await;
            name_route("users by id");
            name_route("another");
            gate.pass().await;
        }
    };
    let server = cutting(Router::new().fallback(handler)).await;
    let probe = requests(&server, "/secret").await;
    gate.reached(1).await;
    let report = server.stop().await;
    let expected = ["http/1 GET users by id"].map(String::from);
    assert_eq!(cut(&report), expected.into(), "{report}");
    drop(probe);
    // Without a request it names nothing, and does no harm.
    name_route("nobody's");
}
