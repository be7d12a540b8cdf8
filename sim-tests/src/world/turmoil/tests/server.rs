//! A plain server in turmoil, with an application that knows nothing of simulations.

use std::sync::{Arc, Mutex};

use axum::extract::Query;
use axum::{Router, routing::get};
use lamplighter::{Limits, Plan, Report, Server, Signal, signal_channel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Told, WINDOW, hosts, millis, step_for, step_until};
use crate::host::Dial;
use crate::service::PORT;

async fn sleep(Query(query): Query<Vec<(String, u64)>>) -> String {
    let ms = query.first().map_or(0, |(_, ms)| *ms);
    tokio::time::sleep(millis(ms)).await;
    format!("slept {ms} ms")
}

fn app() -> Router {
    Router::new().route("/sleep", get(sleep))
}

async fn exchange(mut io: impl AsyncReadExt + AsyncWriteExt + Unpin) -> String {
    let request = "GET /sleep?ms=300 HTTP/1.1\r\nHost: a\r\n\r\n";
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    answer.lines().last().unwrap_or_default().to_owned()
}

/// A server that is told to stop while clients come one by one; what everybody saw, and its report.
fn stopped_under_load(clients: u16) -> (Vec<String>, Report) {
    let told = Told::default();
    let report: Arc<Mutex<Option<Report>>> = Arc::default();
    let (signals, source) = signal_channel();
    let (mut hosts, clock) = hosts();
    let server = Server::new(app())
        .listen(PORT)
        .network(hosts.network(0))
        .plan(Plan::default().drain_timeout(millis(1000)))
        .limits(Limits::default().date_header(false))
        .stop_on([Signal::Sigterm])
        .signal_source(source);
    let database = || async { tokio::time::sleep(millis(50)).await };
    server.hook(database).unwrap();
    let mut events = server.events();
    let (done, seen, now) = (Arc::clone(&report), told.clone(), clock.clone());
    hosts.run_on_server(0, async move {
        let running = server.start().await.unwrap();
        while let Some(event) = events.next().await {
            seen.tell(now.now(), event.kind);
        }
        *done.lock().unwrap() = Some(running.wait().await);
    });
    for client in 0..clients {
        let (dial, told, clock) = (hosts.dial(client, WINDOW), told.clone(), clock.clone());
        hosts.run_client(client, async move {
            tokio::time::sleep(millis(10 * u64::from(client) + 1)).await;
            let said = match dial.dial().await {
                Ok(io) => exchange(io).await,
                Err(error) => error.kind().to_string(),
            };
            told.tell(clock.now(), format!("client {client}: {said}"));
        });
    }
    step_for(&mut hosts, 200);
    signals.send(Signal::Sigterm);
    step_until(&mut hosts, || report.lock().unwrap().is_some());
    step_for(&mut hosts, 10);
    let report = report.lock().unwrap().take().unwrap();
    (told.lines(), report)
}

#[test]
fn an_ordinary_server_stops_under_load_and_does_not_know_where_it_is() {
    let (lines, report) = stopped_under_load(30);
    let all = lines.join("\n");
    assert!(report.is_clean(), "{all}\n{report}");
    assert_eq!(report.connections().tally.answered, 20, "{all}");
    let said = |what: &str| lines.iter().filter(|line| line.ends_with(what)).count();
    assert_eq!(said("slept 300 ms"), 20, "{all}");
    assert_eq!(said("connection refused"), 10, "{all}");
    // The last request of the twenty begins at 191 + 3 * 2 ms, and takes 300 ms.
    for line in [
        " 200 signal        SIGTERM (first)",
        " 200 listeners     closed",
        " 497 phase         running-hooks",
        " 547 stop",
    ] {
        assert!(lines.iter().any(|told| told == line), "{line}\n{all}");
    }
}

#[test]
fn a_server_in_turmoil_does_the_same_twice() {
    let (once, _) = stopped_under_load(30);
    let (twice, _) = stopped_under_load(30);
    assert_eq!(once, twice);
}
