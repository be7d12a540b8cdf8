//! Every numbered example: it starts, answers, stops on SIGTERM, and ends well; none is long.

use std::path::Path;

use lamplighter::Signal;
use lamplighter_harness::{Probe, Process, Program};

use super::assert_in_order;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/examples");

fn example(name: &str) -> Process {
    Program::example("lamplighter", name)
        .env("PORT", 0)
        .env("LISTEN", "127.0.0.1")
        .start()
}

#[expect(
    clippy::unwrap_used,
    reason = "an example that cannot be asked fails its test"
)]
async fn ask(process: &Process, path: &str) -> (u16, String) {
    let mut probe = Probe::connect(process.ready().await).await.unwrap();
    probe.request(path).await.unwrap();
    let answer = probe.answer().await;
    (answer.status(), answer.text())
}

/// Ends it as an orchestrator does, and gives what it has said on standard output.
async fn ends_well(process: Process) -> String {
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
    exit.stdout
}

#[tokio::test]
async fn an_axum_app_answers() {
    let process = example("01_axum");
    assert_eq!(ask(&process, "/").await.1, "Hello, World!\n");
    assert_eq!(ask(&process, "/hello/you").await.1, "Hello, you!\n");
    ends_well(process).await;
}

#[tokio::test]
async fn a_tonic_service_says_hello() {
    let process = example("02_tonic");
    assert_eq!(
        super::grpc::hello(process.ready().await).await,
        "Hello, World!"
    );
    ends_well(process).await;
}

#[tokio::test]
async fn both_share_a_port_with_health() {
    let process = example("03_both");
    assert_eq!(ask(&process, "/").await.1, "Hello, World!\n");
    assert_eq!(
        super::grpc::hello(process.ready().await).await,
        "Hello, World!"
    );
    assert_eq!(ask(&process, "/readyz").await.0, 200);
    ends_well(process).await;
}

#[tokio::test]
async fn hooks_run_in_their_order() {
    let process = example("04_hooks");
    assert_eq!(ask(&process, "/").await.0, 200);
    let said = ends_well(process).await;
    let order = ["database closed", "telemetry: SIGTERM", "lock file removed"];
    assert_in_order(&said, &order);
    assert_in_order(&said, &["queue closed", "telemetry: SIGTERM", "clean"]);
}

#[tokio::test]
async fn a_worker_ends_with_the_drain() {
    let process = example("05_workers");
    assert!(ask(&process, "/").await.1.starts_with("swept "));
    let said = ends_well(process).await;
    assert!(said.contains("swept "), "{said}");
}

#[tokio::test]
async fn health_says_more_on_the_admin_port() {
    let process = example("06_health");
    let (status, text) = ask(&process, "/readyz").await;
    assert!(status == 200 && text.contains("database"), "{text}");
    let line = process.line("admin on http://").await;
    let admin: std::net::SocketAddr = line.trim_start_matches("admin on http://").parse().unwrap();
    let mut probe = Probe::connect(admin).await.unwrap();
    probe.request("/readyz").await.unwrap();
    let text = probe.answer().await.text();
    assert!(text.contains("resident_bytes"), "{text}");
    ends_well(process).await;
}

#[test]
fn each_is_short_and_each_is_tested() {
    let mut numbered = Vec::new();
    for entry in Path::new(FOLDER).read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|end| end == "rs") && name.starts_with('0') {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines < 60, "{name}: {lines} lines");
            numbered.push(name);
        }
    }
    numbered.sort();
    let tested = include_str!("examples.rs");
    for name in &numbered {
        assert!(tested.contains(&format!("example(\"{name}\")")), "{name}");
    }
    assert_eq!(numbered.len(), 6, "{numbered:?}");
}

#[tokio::test]
async fn the_quickstart_echoes_what_is_no_text_too() {
    let process = example("quickstart");
    let mut probe = Probe::connect(process.ready().await).await.unwrap();
    let head = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n";
    probe
        .send([&head[..], b"\x00\xff\r\n"].concat())
        .await
        .unwrap();
    let answer = probe.answer().await;
    assert_eq!(
        (answer.status(), &answer.body[..]),
        (200, &b"\x00\xff\r\n"[..])
    );
    ends_well(process).await;
}
