//! The admin listener: answers from the moment it is bound until everything else is over.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use lamplighter::{Addr, Bind, Healthcheck, HttpHealth, Phase, Plan, Server, StartReason};
use lamplighter_harness::{Gate, Probe, Seen, TestServer, own_loopback, within};
use tonic_health::pb::health_check_response::ServingStatus as Wire;
use tonic_health::pb::health_client::HealthClient;

use super::grpc::{asking, channel, told};
use super::{answer_on, app, green_behind, secs};

/// A server with an admin listener on a free port, and that port.
fn with_admin(gate: &Gate) -> (Server, SocketAddr) {
    let listener = TcpListener::bind(own_loopback()).unwrap();
    let addr = listener.local_addr().unwrap();
    let health = Healthcheck::new().http(HttpHealth::default());
    let health = health.listen(Bind::from(listener).named("admin"));
    (app(gate).protocol(health), addr)
}

async fn ask(addr: SocketAddr, path: &str) -> u16 {
    let mut probe = Probe::connect(addr).await.unwrap();
    answer_on(&mut probe, path).await.status()
}

#[tokio::test]
async fn it_answers_in_every_phase_to_the_last_and_then_its_port_is_free() {
    let (gate, warm, hook) = (Gate::new(), Gate::new(), Gate::new());
    let (server, admin) = with_admin(&gate);
    let plan = Plan::new().ready_timeout(secs(20)).lame_duck(secs(3600));
    let server = server.plan(plan.hooks_timeout(secs(60)));
    server.health().check(green_behind(&warm));
    let at = hook.clone();
    server.hook(move || async move { at.pass().await }).unwrap();
    let started = tokio::spawn(TestServer::start(server));
    warm.reached(1).await;
    assert_eq!(
        [ask(admin, "/livez").await, ask(admin, "/readyz").await],
        [200, 503]
    );
    warm.open();
    let server = within("the start", started).await.unwrap();
    let handle = server.handle().clone();
    assert_eq!(server.running().addr_of("admin"), Some(&Addr::Tcp(admin)));
    assert_ne!(
        server.addr(),
        admin,
        "the first listener is the application's"
    );
    assert_eq!(
        [ask(admin, "/livez").await, ask(admin, "/readyz").await],
        [200, 200]
    );
    // It is there for that, and for nothing else.
    assert_eq!(ask(admin, "/").await, 404);
    drop(handle.stop());
    assert_eq!(handle.phase(), Phase::LameDuck);
    assert_eq!(
        [ask(admin, "/livez").await, ask(admin, "/readyz").await],
        [200, 503]
    );
    let mut held = server.probe().await;
    held.request("/held").await.unwrap();
    gate.reached(1).await;
    drop(handle.force());
    server.reached(Phase::RunningHooks).await;
    hook.reached(1).await;
    let refused = Probe::connect(server.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(
        [ask(admin, "/livez").await, ask(admin, "/readyz").await],
        [200, 503]
    );
    hook.open();
    drop(server.wait().await);
    let refused = Probe::connect(admin).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    drop(TcpListener::bind(admin).unwrap());
}

#[tokio::test]
async fn its_requests_are_no_work_and_no_part_of_the_report() {
    let (server, admin) = with_admin(&Gate::new());
    let server = TestServer::start(server).await;
    let mut client = HealthClient::new(channel(admin).await);
    let mut watch = client.watch(asking("")).await.unwrap().into_inner();
    assert_eq!(told(&mut watch).await, Some(Wire::Serving));
    // One that is silent, one that has begun a head, one whose request body never comes.
    let mut silent = Probe::connect(admin).await.unwrap();
    let mut begun = Probe::connect(admin).await.unwrap();
    begun.send("GET /livez HTTP/1.1\r\n").await.unwrap();
    assert_eq!(server.handle().in_flight(), 0);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 0, "{report}");
    assert_eq!(told(&mut watch).await, Some(Wire::NotServing));
    for probe in [&mut silent, &mut begun] {
        let end = probe.end().await;
        assert!(matches!(end, Seen::Fin | Seen::Rst), "{end:?}");
    }
}

#[tokio::test]
async fn details_can_be_for_the_admin_listener_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap();
    let http = HttpHealth::default().with_details_on_admin();
    let health = Healthcheck::new().http(http).listen(listener);
    let server = TestServer::start(app(&Gate::new()).protocol(health)).await;
    let public = server.get("/readyz").await.text();
    assert!(!public.contains("resident_bytes"), "{public}");
    let mut probe = Probe::connect(admin).await.unwrap();
    let private = answer_on(&mut probe, "/readyz").await.text();
    assert!(private.contains("resident_bytes"), "{private}");
    drop(server.stop().await);
}

#[tokio::test]
async fn a_port_that_is_taken_stops_the_start_and_leaves_nothing_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let main = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = main.local_addr().unwrap();
    let health = Healthcheck::new().listen(taken.local_addr().unwrap());
    let router = axum::Router::new();
    let server = Server::new(router).listen(main).protocol(health);
    // Not by way of a test server, which would give it a free port.
    let error = within("the start", server.start()).await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Bind(_)), "{error}");
    assert_eq!(error.report().exit_code(), 69);
    drop(TcpListener::bind(addr).unwrap());
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_before_anything_is_bound() {
    let health = Healthcheck::new().listen("nowhere:at:all");
    let refused = app(&Gate::new()).protocol(health).check().unwrap_err();
    assert!(refused.to_string().contains("nowhere"), "{refused}");
}

#[tokio::test]
async fn an_explained_server_sends_probes_to_its_admin_listener() {
    let (server, admin) = with_admin(&Gate::new());
    let explained = server.listen("localhost:8080").explain();
    let ports = format!(
        "- name: http\n            containerPort: 8080\n          \
         - name: admin\n            containerPort: {}\n",
        admin.port()
    );
    assert!(explained.contains(&ports), "{explained}");
    assert_eq!(explained.matches("port: admin\n").count(), 2, "{explained}");
    // A port that is taken at the start is known to nobody, and no kubelet could be told it.
    let health = Healthcheck::new().http(HttpHealth::default());
    let server = app(&Gate::new()).protocol(health.listen("127.0.0.1:0"));
    let explained = server.explain();
    assert!(explained.contains("containerPort: 5000\n"), "{explained}");
    assert_eq!(explained.matches("port: http\n").count(), 2, "{explained}");
}

#[test]
fn an_explained_server_names_no_probe_that_it_does_not_answer() {
    let server = || Server::new(axum::Router::new());
    let explained = server().protocol(Healthcheck::new()).explain();
    assert!(
        explained.contains("grpc:\n            port: 5000\n"),
        "{explained}"
    );
    assert!(!explained.contains("/readyz"), "{explained}");
    let explained = server().explain();
    assert!(explained.contains("# No probes"), "{explained}");
    assert!(!explained.contains("Probe:"), "{explained}");
}
