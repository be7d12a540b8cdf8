//! The health of a server as probes and balancers see it, phase by phase, over real sockets.
//!
//! **Invariant:** no test sleeps; what takes time takes virtual time.

#![expect(
    clippy::unwrap_used,
    reason = "what a client of a test cannot do fails that test"
)]

#[path = "health/admin.rs"]
mod admin;
#[path = "health/checks.rs"]
mod checks;
#[path = "health/grpc.rs"]
mod grpc;
#[path = "health/http.rs"]
mod http;
#[path = "health/in_process.rs"]
mod in_process;
#[path = "health/independent.rs"]
mod independent;
#[path = "health/phases.rs"]
mod phases;
#[path = "health/windows.rs"]
mod windows;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter::{Check, Healthcheck, HttpHealth, Phase, Report, Server};
use lamplighter_harness::{Answer, Gate, Head, Probe, Seen, TestServer, own_loopback};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A server on a free port with `/`, and `/held` that waits at the gate.
fn app(gate: &Gate) -> Server {
    let gate = gate.clone();
    let held = move || {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            "let go"
        }
    };
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/held", get(held));
    Server::new(router).listen(own_loopback())
}

/// The same with health over HTTP, and gRPC where that is built in.
fn healthy(gate: &Gate) -> Server {
    app(gate).protocol(Healthcheck::new().http(HttpHealth::default()))
}

/// A check that says what the gate lets it say: it waits there, and is green.
fn green_behind(gate: &Gate) -> Check {
    let gate = gate.clone();
    let check = move || {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Ok::<(), String>(())
        }
    };
    Check::new("warm-up", check).timeout(secs(3600))
}

/// How long a server drained.
fn draining(report: &Report) -> Duration {
    let phases = report.phases().iter();
    let mut draining = phases.filter(|it| it.phase == Phase::Draining);
    draining.next().map(|phase| phase.took).unwrap()
}

/// Asks with this method; reads no body where there is none to come.
async fn ask(probe: &mut Probe, method: &str, path: &str) -> Head {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: probe\r\n\r\n");
    probe.send(request).await.unwrap();
    probe.head().await
}

async fn answer_on(probe: &mut Probe, path: &str) -> Answer {
    probe.request(path).await.unwrap();
    probe.answer().await
}

/// The status of an answer over HTTP/2.
fn answered(stream: u32) -> impl Fn(&Seen) -> bool {
    move |seen| matches!(seen, Seen::Headers { stream: of, status: Some(_), .. } if *of == stream)
}

async fn status_on(probe: &mut Probe, path: &str) -> u16 {
    let stream = probe.open_stream(path).await.unwrap();
    let head = probe.until("the answer's head", answered(stream)).await;
    if let Seen::Headers { status, .. } = head {
        status.unwrap_or(0)
    } else {
        0
    }
}

/// Asks for all three, on connections of their own: ready, alive, and the application.
async fn statuses(server: &TestServer) -> [u16; 3] {
    [
        server.get("/readyz").await.status(),
        server.get("/livez").await.status(),
        server.get("/").await.status(),
    ]
}

/// Stops the server, cleanly.
async fn ends_well(server: TestServer) {
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
}
