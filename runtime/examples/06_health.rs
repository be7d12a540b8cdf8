//! Health: a check that gates readiness, a component that somebody watches, and an admin listener.
//!
//! `curl http://127.0.0.1:5000/readyz`, and on the port that it prints for those who may know more.
#![expect(clippy::print_stdout, reason = "it says where it is ready")]
#![expect(
    clippy::disallowed_methods,
    reason = "a program is free to use tokio's clock"
)]

use std::io::Error;
use std::time::Duration;

use axum::{Router, routing::get};
use lamplighter::{
    Bind, Check, Health, Healthcheck, HookError, HttpHealth, Report, Server, ServingStatus,
    ShutdownSignal,
};
use tokio::time::sleep;

/// Asked at the start until it says yes, and then by whoever wants to know, at most every 5 s.
async fn ping_database() -> Result<(), Error> {
    Ok(())
}

/// What is known by itself needs no question: it is set when it changes.
async fn watch_queue(health: Health, signal: ShutdownSignal) {
    loop {
        // Or not, as the queue's client knows.
        health.set("queue", ServingStatus::Serving);
        let pause = sleep(Duration::from_secs(1));
        if signal.until_draining(pause).await.is_none() {
            return;
        }
    }
}

fn server() -> Result<Server, HookError> {
    let app = Router::new().route("/", get(|| async { "Hello, World!\n" }));
    // The admin port answers from before Ready to the very end of a stop, and is nobody else's.
    let admin = Bind::from(([127, 0, 0, 1], 0)).named("admin");
    let http = HttpHealth::default().with_details_on_admin();
    let server = Server::from_env(app).protocol(Healthcheck::new().http(http).listen(admin));
    let database = Check::new("database", ping_database).timeout(Duration::from_secs(2));
    let health = server.health();
    health.check(database.cache_for(Duration::from_secs(5)));
    server.worker("queue", move |signal| watch_queue(health, signal))?;
    server.on_ready(|ready| {
        println!("ready on http://{}", ready.addr());
        if let Some(admin) = ready.addr_of("admin") {
            println!("admin on http://{admin}");
        }
    });
    Ok(server)
}

fn main() -> Report {
    let server = server().unwrap_or_else(|error| unreachable!("it is not draining: {error}"));
    lamplighter::block_on(server.run())
}
