//! Hooks: cleanup in order, each with its share of the time, none in the way of another.
#![expect(clippy::print_stdout, reason = "it says what it does")]

use std::time::Duration;

use axum::{Router, routing::get};
use lamplighter::{Hook, HookContext, HookError, Report, Server};

fn server() -> Result<Server, HookError> {
    let app = Router::new().route("/", get(|| async { "Hello, World!\n" }));
    let server = Server::from_env(app);

    // Two that know nothing of each other run side by side, once no request is left.
    server.hook(Hook::named("database", || async {
        println!("database closed")
    }))?;
    server.hook(Hook::named("queue", || async { println!("queue closed") }))?;
    // One after both; the context says how long it has, and why the server stops.
    let telemetry = |context: HookContext| async move {
        println!("flushing telemetry: {}", context.cause());
        Ok::<(), String>(())
    };
    server.hook(Hook::named("telemetry", telemetry).after(["database", "queue"]))?;
    // What blocks gets a thread of its own, and 1 s where the others share what is left.
    let blocking = Hook::blocking("lock file", |_| println!("lock file removed"));
    let blocking = blocking.timeout(Duration::from_secs(1));
    server.hook(blocking.after(["telemetry"]))?;

    server.on_ready(|ready| println!("ready on http://{}", ready.addr()));
    server.on_stop(|report| println!("{report}"));
    Ok(server)
}

fn main() -> Report {
    let server = server().unwrap_or_else(|error| unreachable!("no cycle in here: {error}"));
    lamplighter::block_on(server.run())
}
