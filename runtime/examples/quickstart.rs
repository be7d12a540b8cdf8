//! The main job on real input: a server that starts, serves and stops gracefully on real signals.
//!
//! | variable | what it does | default |
//! |---|---|---|
//! | `PORT`, `LISTEN` | where it listens | 5000, 127.0.0.1 |
//! | `LISTEN_FDS` | sockets from a service manager, used instead of those two | none |
//! | `LOG_LEVEL` | what is logged to standard error | info |
//! | `LAME_DUCK_MS` | how long it still accepts after the signal | 0 |
//! | `GRACEFUL_SHUTDOWN_TIMEOUT_MS` | how long requests may take to finish | what the rest leaves |
//! | `GRACE_PERIOD_MS` | the whole time from the signal to the end | 30000 |
//! | `START_DELAY_MS` | a readiness check stays red that long | 0 |
#![expect(
    clippy::disallowed_methods,
    reason = "a program is free to use tokio's clock"
)]

#[path = "quickstart/greet.rs"]
mod greet;

use std::convert::Infallible;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::{ExitCode, Termination};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use futures_util::{Stream, StreamExt, stream};
use lamplighter::{
    App, Application, Bind, Check, Config, Healthcheck, Hook, HttpHealth, NamedRoutes, Reflection,
    Server, ShutdownSignal, Variables,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(serde::Deserialize)]
struct Nap {
    ms: u64,
}

async fn nap(Query(Nap { ms }): Query<Nap>) -> String {
    sleep(Duration::from_millis(ms)).await;
    format!("slept {ms} ms\n")
}

/// A tick every 100 ms until the server drains, then a last event: `bye`.
async fn events(signal: ShutdownSignal) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ticks = stream::unfold(0_u64, |tick| async move {
        sleep(Duration::from_millis(100)).await;
        Some((Event::default().data(format!("tick {tick}")), tick + 1))
    });
    let bye = stream::once(async { Event::default().data("bye") });
    let events = ticks.take_until(signal.draining_owned()).chain(bye);
    Sse::new(events.map(Ok))
}

const MOST_OF_A_MESSAGE: usize = 1024 * 1024;

async fn ws(upgrade: WebSocketUpgrade, signal: ShutdownSignal) -> Response {
    // As much is held for each peer, of a message or a frame that has not ended.
    upgrade
        .max_message_size(MOST_OF_A_MESSAGE)
        .max_frame_size(MOST_OF_A_MESSAGE)
        .on_upgrade(|socket| echo(socket, signal))
}

/// What a peer is told of what it has sent (RFC 6455, 7.4.1).
fn fault(error: axum::Error) -> (u16, &'static str) {
    match error.into_inner().downcast_ref() {
        Some(tungstenite::Error::Capacity(_)) => (close_code::SIZE, "a message too long"),
        Some(tungstenite::Error::Utf8(_)) => (close_code::INVALID, "text that is no UTF-8"),
        _ => (close_code::PROTOCOL, "these are no frames"),
    }
}

/// Sends back every message until the server drains, then says goodbye.
async fn echo(mut socket: WebSocket, signal: ShutdownSignal) {
    // Asked each time: a peer that never pauses would not let it be heard otherwise.
    let (code, reason) = loop {
        if signal.is_draining() {
            break (close_code::AWAY, "server is stopping");
        }
        match signal.until_draining(socket.recv()).await {
            Some(Some(Ok(message @ (Message::Text(_) | Message::Binary(_))))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            // Pings and the peer's own close are answered by the library.
            Some(Some(Ok(_))) | None => {}
            // Or it is gone, and this reaches nobody.
            Some(Some(Err(error))) => break fault(error),
            Some(None) => return,
        }
    };
    let goodbye = CloseFrame {
        code,
        reason: reason.into(),
    };
    if socket.send(Message::Close(Some(goodbye))).await.is_ok() {
        // Closed with something unread, the connection would be reset, and the goodbye with it. A
        // peer that does not answer holds nobody up for longer than this.
        let answered = async { while let Some(Ok(_)) = socket.recv().await {} };
        drop(timeout(Duration::from_secs(1), answered).await);
    }
}

fn plain() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!\n" }))
        .route("/sleep", get(nap))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/events", get(events))
        // CONNECT: a WebSocket over HTTP/2 (RFC 8441).
        .route("/ws", get(ws).connect(ws))
        // What is cut, or panics, is told by its route.
        .layer(NamedRoutes)
}

/// Plain routes and gRPC on one port.
fn app() -> impl Application {
    App::new(plain()).grpc(greet::routes())
}

/// A step that cleans up, and says so.
fn cleanup(name: &'static str) -> Hook {
    Hook::named(name, move || async move { tracing::info!("{name} closed") })
}

/// The server as the environment wants it, with this program's own defaults.
fn server(variables: &Variables) -> Result<Server, Box<dyn Error>> {
    let config = Config::read(variables)?;
    let delay = variables.millis("START_DELAY_MS")?.unwrap_or_default();
    // Both widened to fit: the check below stays red for that long.
    let ready = delay + Duration::from_secs(3);
    let plan = config
        .plan()
        .ready_timeout(ready)
        .start_timeout(ready + Duration::from_secs(27));
    let server = Server::new(app())
        .config(&config)
        .plan(plan)
        .protocol(Healthcheck::new().http(HttpHealth::default()))
        .protocol(Reflection::new([greeter::DESCRIPTORS]));
    let given = Bind::inherited_names().into_iter().map(Bind::inherited);
    let server = given.fold(server, Server::listen);

    server.on_ready(|ready| say(&format!("ready on http://{}", ready.addr())));
    server.on_stop(|report| say(&report.timeline().to_string()));

    server.hook(cleanup("database"))?;
    server.hook(cleanup("cache").after(["database"]))?;
    server.hook(cleanup("telemetry").after(["database", "cache"]))?;

    let began = Instant::now();
    server
        .health()
        .check(Check::new("warm-up", move || async move {
            match delay.checked_sub(began.elapsed()) {
                Some(left) if !left.is_zero() => Err(format!("{left:.1?} to go")),
                _ => Ok(()),
            }
        }));
    Ok(server)
}

/// Prints to standard output. The reader may be gone (`quickstart | head -1`): no reason to fail.
fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{}", text.trim_end()));
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut variables = Variables::from_env().with_default("LISTEN", "127.0.0.1");
    if !variables.is_set("GRACEFUL_SHUTDOWN_TIMEOUT_MS") {
        variables = variables.with_default("GRACE_PERIOD_MS", "30000");
    }
    let levels = ["error", "warn", "info", "debug", "trace"];
    let level = variables.one_of("LOG_LEVEL", &levels)?.unwrap_or("info");
    let level: Level = level.parse()?;
    // What h2 warns of is mostly what a peer sends, and no peer is to fill this log.
    let of_peers = if level > Level::INFO {
        level
    } else {
        Level::ERROR
    };
    let filter = Targets::new()
        .with_default(level)
        .with_target("h2", of_peers);
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        // Colours are for a terminal, and not for one whose user has none (no-color.org).
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        // Where would it be told? Its reader may be gone, and a log line is no reason to fail.
        .log_internal_errors(false)
        .finish()
        .with(filter)
        .init();
    let server = server(&variables)?;
    let report = lamplighter::block_on(server.run());
    // It tells on standard error what was not clean, as the log has, there, that has warnings.
    Ok(if tracing::enabled!(Level::WARN) {
        ExitCode::from(report.exit_code())
    } else {
        report.report()
    })
}

/// Exit code 78 (`EX_CONFIG`) for a setting that is refused; else what the report says.
fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        drop(writeln!(std::io::stderr(), "quickstart: {error}"));
        ExitCode::from(78)
    })
}
