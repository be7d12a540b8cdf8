//! A server that misbehaves on demand, for tests of whole processes.
//!
//! | argument | what it does |
//! |---|---|
//! | `--hook NAME=KIND` | a hook: `ok`, `fail`, `panic`, `hang`, `block`, `thread-ok`, `thread-hang` |
//! | `--after NAME` | the hook before it runs after that one |
//! | `--callback NAME` | this callback panics: `start`, `ready`, `stopping`, `stop`, `error`; or blocks: `block-stopping`, `block-stop` |
//! | `--check KIND` | a readiness check: `red`, `hang`, `panic`, `block` |
//! | `--worker KIND` | a worker: `drains`, `fail`, `hang`, `block` |
//! | `--drain MS`, `--hooks MS`, `--margin MS`, `--ready MS` | the plan |
//! | `--listen WHERE` | listens there: an address, or `inherited:NAME`; each adds one |
//! | `--servers N` | so many servers in this process |
//! | `--at-end SIGNAL` | sends itself this signal when `block_on` has returned: `SIGINT`, `SIGTERM` |
//!
//! `hang` waits for ever and can be aborted; `block` blocks its thread for ever. Asked for `/block`
//! or `/hang`, a handler does the same; `/block-body` does so in the middle of its answer, `/block-all`
//! blocks every worker thread of the runtime, and `/sleep?ms=N` behaves. Every event of a server is a line on standard output.

use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::routing::get;
use futures_util::stream::{self, StreamExt};
use lamplighter::{
    Bind, Check, Events, Hook, NamedRoutes, Plan, Report, Server, ServerHandle, ShutdownSignal,
    Signal,
};

/// What the arguments ask for.
#[derive(Default)]
struct Wishes {
    hooks: Vec<(String, String, Vec<String>)>,
    callbacks: Vec<String>,
    checks: Vec<String>,
    workers: Vec<String>,
    listen: Vec<String>,
    plan: Plan,
    servers: usize,
    at_end: Option<rustix::process::Signal>,
}

impl Wishes {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wishes = Self {
            servers: 1,
            ..Self::default()
        };
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = || {
                value
                    .parse()
                    .map_err(|error| format!("{name} {value}: {error}"))
            };
            let time = || number().map(Duration::from_millis);
            let plan = wishes.plan.clone();
            match name.as_str() {
                "--hook" => {
                    let (hook, kind) = value.split_once('=').ok_or("--hook NAME=KIND")?;
                    wishes.hooks.push((hook.into(), kind.into(), Vec::new()));
                }
                "--after" => {
                    let (_, _, after) = wishes.hooks.last_mut().ok_or("--after what hook?")?;
                    after.push(value);
                }
                "--callback" => wishes.callbacks.push(value),
                "--check" => wishes.checks.push(value),
                "--worker" => wishes.workers.push(value),
                "--listen" => wishes.listen.push(value),
                "--drain" => wishes.plan = plan.drain_timeout(time()?),
                "--hooks" => wishes.plan = plan.hooks_timeout(time()?),
                "--margin" => wishes.plan = plan.margin(time()?),
                "--ready" => wishes.plan = plan.ready_timeout(time()?),
                "--servers" => wishes.servers = usize::try_from(number()?).unwrap_or(usize::MAX),
                "--at-end" => {
                    wishes.at_end = Some(match value.as_str() {
                        "SIGINT" => rustix::process::Signal::INT,
                        "SIGTERM" => rustix::process::Signal::TERM,
                        other => return Err(format!("no signal {other}")),
                    });
                }
                _ => return Err(format!("what is {name}?")),
            }
        }
        Ok(wishes)
    }

    fn server(&self) -> Result<Server, Box<dyn Error>> {
        let app = Router::new()
            .route("/", get(|| async { "Hello, World!" }))
            .route("/hang", get(|| async { hang("handler").await }))
            .route("/block", get(|| async { block("handler") }))
            .route("/block-all", get(block_all))
            .route("/block-body", get(block_body))
            .route("/panic", get(|| async { panics("handler") }))
            .route("/sleep", get(sleep))
            .layer(NamedRoutes);
        let server = Server::new(app).plan(self.plan.clone());
        let server = if self.listen.is_empty() {
            server.listen("127.0.0.1:0")
        } else {
            self.listen
                .iter()
                .map(|to| bind(to))
                .fold(server, Server::listen)
        };
        for (name, kind, after) in &self.hooks {
            server.hook(hook(name, kind)?.after(after.clone()))?;
        }
        for kind in &self.checks {
            server.health().check(check(kind.clone()));
        }
        for kind in &self.workers {
            let work = kind.clone();
            server.worker(kind.clone(), move |signal| worker(work, signal))?;
        }
        for callback in &self.callbacks {
            match callback.as_str() {
                "start" => server.on_start(|| panics("on_start")),
                "ready" => server.on_ready(|_| panics("on_ready")),
                "stopping" => server.on_stopping(|_| panics("on_stopping")),
                "stop" => server.on_stop(|_| panics("on_stop")),
                "error" => server.on_error(|_| panics("on_error")),
                "block-stopping" => server.on_stopping(|_| block("on_stopping")),
                "block-stop" => server.on_stop(|_| block("on_stop")),
                other => return Err(format!("no callback {other}").into()),
            }
        }
        server.on_ready(|ready| say(&format!("ready on http://{}", ready.addr())));
        server.on_stop(|report| say(&report.timeline().to_string()));
        Ok(server)
    }
}

fn bind(to: &str) -> Bind {
    to.strip_prefix("inherited:")
        .map_or_else(|| to.into(), Bind::inherited)
}

fn hook(name: &str, kind: &str) -> Result<Hook, String> {
    let owned = name.to_owned();
    let told = move || say(&format!("hook {owned} runs"));
    Ok(match kind {
        "ok" => Hook::named(name, || async move { told() }),
        "fail" => Hook::named(name, || async move {
            told();
            Err("it would not close")
        }),
        "panic" => Hook::named(name, || async move {
            told();
            panics("hook");
        }),
        "hang" => Hook::named(name, || async move {
            told();
            hang("hook").await;
        }),
        "block" => Hook::named(name, || async move {
            told();
            block("hook");
        }),
        "thread-ok" => Hook::blocking(name, move |_| told()),
        "thread-hang" => Hook::blocking(name, move |_| {
            told();
            block("hook");
        }),
        other => return Err(format!("no kind of hook: {other}")),
    })
}

fn check(kind: String) -> Check {
    Check::new(kind.clone(), move || {
        let kind = kind.clone();
        async move {
            match kind.as_str() {
                "red" => {}
                "panic" => panics("check"),
                "block" => block("check"),
                _ => hang("check").await,
            }
            Err("not today")
        }
    })
}

async fn worker(kind: String, signal: ShutdownSignal) -> Result<(), &'static str> {
    match kind.as_str() {
        "drains" => signal.draining().await,
        "fail" => return Err("lost the queue"),
        "block" => block("worker"),
        _ => hang("worker").await,
    }
    Ok(())
}

/// Waits for ever; whoever aborts it gets rid of it.
async fn hang(who: &str) {
    say(&format!("{who} hangs"));
    std::future::pending::<()>().await;
}

/// Blocks its thread for ever; nobody gets rid of it.
/// Half of an answer, and nothing behind it.
async fn block_body() -> Body {
    let half = stream::once(async { Ok::<_, Infallible>("half of it") });
    let rest = stream::once(async {
        // The half is on its way by then.
        tokio::task::yield_now().await;
        block("body");
        Ok("the rest")
    });
    Body::from_stream(half.chain(rest))
}

fn block(who: &str) {
    say(&format!("{who} blocks"));
    loop {
        std::thread::park();
    }
}

/// Leaves no worker thread: tasks of one's own queue are taken over by those that are idle, all but
/// the last one spawned.
async fn block_all() {
    for _ in 0..32 {
        drop(tokio::spawn(async { block("task") }));
    }
    block("handler");
}

#[derive(serde::Deserialize)]
struct Sleep {
    ms: u64,
}

async fn sleep(Query(Sleep { ms }): Query<Sleep>) -> String {
    say("handler sleeps");
    tokio::time::sleep(Duration::from_millis(ms)).await;
    format!("slept {ms} ms")
}

/// Panics without a word on standard error.
fn panics(who: &str) {
    std::panic::resume_unwind(Box::new(format!("{who} was told to panic")));
}

fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{}", text.trim_end()));
}

/// Prints every event, on a thread that works when the server's runtime does not.
fn print(mut events: Events) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(std::thread::spawn(move || {
        runtime.block_on(async {
            while let Some(event) = events.next().await {
                let text = event.kind.to_string();
                let words: Vec<&str> = text.split_whitespace().collect();
                say(&format!("event {}", words.join(" ")));
            }
        });
    }))
}

/// Starts them all, then waits for the end of each; the first that is not clean counts.
async fn run_all(servers: Vec<Server>) -> Report {
    let stop_on = [Signal::Sigterm, Signal::Sigint];
    let mut running = Vec::new();
    for server in servers {
        let handle: ServerHandle = server.handle();
        match server.stop_on(stop_on).start().await {
            Ok(started) => running.push((handle, started)),
            Err(error) => return error.into_report(),
        }
    }
    say("all are ready");
    let mut last = None;
    for (handle, _started) in &running {
        let report = handle.wait().await;
        if !report.is_clean() {
            return report;
        }
        last = Some(report);
    }
    match last {
        Some(report) => report,
        None => std::future::pending().await,
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_writer(std::io::stderr)
        // Tests read it, whatever features of the subscriber they bring along.
        .with_ansi(false)
        // Panics where nobody reads it, as most programs' logs do.
        .log_internal_errors(true)
        .init();
    let wishes = Wishes::read(std::env::args().skip(1))?;
    let mut servers = Vec::new();
    let mut printers = Vec::new();
    for _ in 0..wishes.servers {
        let server = wishes.server()?;
        printers.push(print(server.events())?);
        servers.push(server);
    }
    let report = match (servers.pop(), servers.is_empty()) {
        (Some(only), true) => lamplighter::block_on(only.run()),
        (last, _) => lamplighter::block_on(run_all(servers.into_iter().chain(last).collect())),
    };
    if let Some(signal) = wishes.at_end {
        rustix::process::kill_process(rustix::process::getpid(), signal)?;
    }
    for printer in printers {
        drop(printer.join());
    }
    Ok(std::process::Termination::report(report))
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        drop(writeln!(std::io::stderr(), "unruly: {error}"));
        ExitCode::from(64)
    })
}
