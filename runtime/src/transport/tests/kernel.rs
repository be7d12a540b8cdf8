//! A transport without sockets, through the eyes of its process: in a simulation nothing may depend
//! on what the machine has left, and thousands of servers in a row must not ask it for anything.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter_lifecycle::ConnectionEnd;

use super::fixture::Fixture;
use crate::os::test_process::of;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_transport_without_sockets_takes_no_descriptor() {
    let process = of(a_transport_without_sockets_takes_no_descriptor, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let before = descriptors();
        runtime.block_on(async {
            let app = Router::new().route("/", get(|| async { "Hello, World!" }));
            let fixture = Fixture::in_memory(app);
            let mut last = fixture.dial(4096);
            let mut idle = fixture.dial(4096);
            idle.get("/").await;
            idle.until("Hello, World!").await;
            assert_eq!(descriptors(), before, "serving");
            fixture.lame_duck(Duration::from_secs(60));
            last.get("/").await;
            last.until("Hello, World!").await;
            // Whether it has got its answer is to be found out.
            fixture.lingers(1).await;
            fixture.drain();
            assert_eq!(fixture.closed(2).await.end, ConnectionEnd::Idle);
            assert_eq!(descriptors(), before, "stopping");
            drop(last);
            fixture.lingered(1).await;
            fixture.ends_clean().await;
        });
        drop(runtime);
        assert_eq!(descriptors(), before, "at the end");
        0
    });
    let end = process.end();
    assert_eq!(end.code(), Some(0), "{end:?}");
}
