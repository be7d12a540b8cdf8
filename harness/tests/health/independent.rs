//! What health does not depend on: a poll, an order, what the application is doing, which protocol asks.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::http::Request;
use axum::routing::get;
use futures_util::stream;
use lamplighter::{
    App, Healthcheck, HttpHealth, Incoming, Phase, Reflection, Server, ServingStatus,
};
use lamplighter_harness::{Gate, Manners, TestServer, own_loopback, within};
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Code;
use tonic::service::Routes;
use tonic_health::pb::health_check_response::ServingStatus as Wire;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1;

use super::grpc::{asking, channel, check, told};
use super::{answer_on, ends_well, healthy, secs, status_on};

#[tokio::test]
async fn probes_over_http1_http2_and_grpc_get_their_answers_on_one_port() {
    let server = TestServer::start(healthy(&Gate::new())).await;
    let mut http1 = server.probe().await;
    let mut http2 = server.probe().await;
    http2.http2(Manners::Polite).await.unwrap();
    let mut grpc = HealthClient::new(channel(server.addr()).await);
    for (set, status, wire) in [
        (ServingStatus::Serving, 200, Wire::Serving),
        (ServingStatus::NotServing, 503, Wire::NotServing),
    ] {
        server.handle().health().set("orders", set);
        assert_eq!(answer_on(&mut http1, "/readyz").await.status(), status);
        assert_eq!(status_on(&mut http2, "/readyz").await, status);
        assert_eq!(check(&mut grpc, "").await.unwrap(), wire);
        assert_eq!(answer_on(&mut http1, "/livez").await.status(), 200);
    }
    // Whoever stays and does not read holds a stop for a grace.
    drop(http2);
    ends_well(server).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_told_in_the_moment_of_the_change_and_of_changes_that_last_no_time() {
    let plan = lamplighter::Plan::new().lame_duck(secs(5));
    let server = healthy(&Gate::new()).plan(plan);
    let server = TestServer::here().start(server).await;
    let health = server.handle().health();
    let mut client = HealthClient::new(server.grpc());
    let mut watch = client.watch(asking("")).await.unwrap().into_inner();
    assert_eq!(told(&mut watch).await, Some(Wire::Serving));
    // Whoever asked again and again would have to let some time pass.
    let began = Instant::now();
    for _ in 0..3 {
        health.set("orders", ServingStatus::NotServing);
        assert_eq!(told(&mut watch).await, Some(Wire::NotServing));
        health.set("orders", ServingStatus::Serving);
        assert_eq!(told(&mut watch).await, Some(Wire::Serving));
    }
    drop(server.running().stop());
    assert_eq!(told(&mut watch).await, Some(Wire::NotServing));
    assert_eq!(began.elapsed(), secs(0));
    assert_eq!(server.handle().phase(), Phase::LameDuck);
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(told(&mut watch).await, None, "an end, and no error");
}

#[tokio::test]
async fn what_was_set_down_before_the_start_is_down_after_it() {
    let reflection = || Reflection::new([greeter::DESCRIPTORS]);
    let server = healthy(&Gate::new()).protocol(reflection());
    let health = server.health();
    // One that reflection makes known too, and one that nobody else knows.
    health.set("greeter.v1.Greeter", ServingStatus::NotServing);
    health.set("dependency.database", ServingStatus::NotServing);
    let server = TestServer::start(server).await;
    assert!(server.handle().health().is_ready());
    let mut client = HealthClient::new(server.grpc());
    for component in ["greeter.v1.Greeter", "dependency.database", ""] {
        let status = check(&mut client, component).await.unwrap();
        assert_eq!(status, Wire::NotServing, "{component:?}");
    }
    assert_eq!(server.get("/readyz").await.status(), 503);
    // Being ready undoes none of them; each is up again when somebody says so.
    health.set("greeter.v1.Greeter", ServingStatus::Serving);
    assert_eq!(check(&mut client, "").await.unwrap(), Wire::NotServing);
    health.set("dependency.database", ServingStatus::Serving);
    assert_eq!(check(&mut client, "").await.unwrap(), Wire::Serving);
    ends_well(server).await;
}

#[tokio::test]
async fn another_server_that_comes_and_goes_takes_nothing_away() {
    let one = TestServer::start(healthy(&Gate::new())).await;
    one.handle().health().set("orders", ServingStatus::Serving);
    let other = TestServer::start(healthy(&Gate::new())).await;
    other
        .handle()
        .health()
        .set("users", ServingStatus::NotServing);
    knows_its_own_alone(&one).await;
    ends_well(other).await;
    knows_its_own_alone(&one).await;
    ends_well(one).await;
}

async fn knows_its_own_alone(server: &TestServer) {
    let mut client = HealthClient::new(server.grpc());
    assert_eq!(check(&mut client, "orders").await.unwrap(), Wire::Serving);
    assert_eq!(check(&mut client, "").await.unwrap(), Wire::Serving);
    let unknown = check(&mut client, "users").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(server.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn protocols_say_the_same_in_whatever_order_they_were_given() {
    let bare = || {
        let router = Router::new().route("/", get(|| async { "hello" }));
        Server::new(router).listen(own_loopback())
    };
    let reflection = || Reflection::new([greeter::DESCRIPTORS]);
    for server in [
        bare().protocol(Healthcheck::new()).protocol(reflection()),
        bare().protocol(reflection()).protocol(Healthcheck::new()),
    ] {
        let server = TestServer::start(server).await;
        let mut client = HealthClient::new(server.grpc());
        for component in ["greeter.v1.Greeter", ""] {
            let status = check(&mut client, component).await.unwrap();
            assert_eq!(status, Wire::Serving, "{component:?}");
        }
        assert!(listed(&server).await.contains("grpc.health.v1.Health"));
        ends_well(server).await;
    }
}

/// What reflection says of a server.
async fn listed(server: &TestServer) -> String {
    use v1::server_reflection_request::MessageRequest;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.grpc());
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = client.server_reflection_info(stream::iter([request]));
    let mut answers = within("an answer", asked).await.unwrap().into_inner();
    let answer = within("a message", answers.message()).await.unwrap();
    format!("{answer:?}")
}

/// A layer that has no room for any request, ever: a bulkhead that is full.
#[derive(Clone)]
struct Full<S> {
    inner: S,
    /// Told of whoever waits for room.
    asked: Arc<Notify>,
}

impl<S> tower_layer::Layer<S> for Full<()> {
    type Service = Full<S>;

    fn layer(&self, inner: S) -> Full<S> {
        let asked = Arc::clone(&self.asked);
        Full { inner, asked }
    }
}

impl<S> tower_service::Service<Request<Incoming>> for Full<S>
where
    S: tower_service::Service<Request<Incoming>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.asked.notify_one();
        Poll::Pending
    }

    fn call(&mut self, request: Request<Incoming>) -> S::Future {
        self.inner.call(request)
    }
}

#[tokio::test]
async fn an_application_that_takes_no_request_keeps_nobody_from_asking_how_it_is() {
    let router = Router::new().route("/", get(|| async { "hello" }));
    let asked = Arc::<Notify>::default();
    let full = Full {
        inner: (),
        asked: Arc::clone(&asked),
    };
    let app = App::new(router).grpc(Routes::default()).layer(full);
    let server = Server::new(app)
        .listen(own_loopback())
        .protocol(Healthcheck::new().http(HttpHealth::default()))
        .protocol(Reflection::new([greeter::DESCRIPTORS]));
    let server = TestServer::start(server).await;
    let mut waiting = server.probe().await;
    waiting.request("/").await.unwrap();
    within("a request without room", asked.notified()).await;
    let mut client = HealthClient::new(server.grpc());
    assert_eq!(check(&mut client, "").await.unwrap(), Wire::Serving);
    let mut watch = client.watch(asking("")).await.unwrap().into_inner();
    assert_eq!(told(&mut watch).await, Some(Wire::Serving));
    for path in ["/healthz", "/readyz", "/livez"] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
    assert!(listed(&server).await.contains("greeter.v1.Greeter"));
    drop(server.handle().force());
    let report = server.wait().await;
    assert_eq!(report.outcome().cut, 1, "{report}");
}
