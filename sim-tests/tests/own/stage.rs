//! A service and its visitors, as small as they can be.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::Request;
use lamplighter::Server;
use lamplighter_sim::{BoxError, Host, Run, Simulation, Visit, scenario};

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A request for this path.
pub(crate) fn path(path: &str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let host = http::HeaderValue::from_static("service");
    request.headers_mut().insert(http::header::HOST, host);
    request
}

/// Answers `/slow` after 50 ms.
pub(crate) async fn slow(host: &Host) -> Result<Server, BoxError> {
    let host = host.clone();
    let answer = async move || {
        host.note("asked", 1);
        tokio::time::sleep(ms(50)).await;
        "done"
    };
    Ok(Server::new(Router::new().route("/slow", get(answer))))
}

/// Asks for `/slow`, and notes what it got.
pub(crate) async fn asks(visit: Visit) {
    let status = match visit.ask(path("/slow")).await {
        Ok(answer) => u64::from(answer.status().as_u16()),
        Err(_) => 0,
    };
    visit.note("got", status);
}

/// A simulation with that visitor.
pub(crate) fn simulation() -> Simulation {
    scenario().visitor("guest", asks)
}

/// What was seen, without when, of whoever's name begins so.
pub(crate) fn seen(run: &Run, who: &str) -> Vec<String> {
    let entries = run.trace.iter();
    let own = entries.filter(|entry| entry.who.to_string().starts_with(who));
    own.map(|entry| entry.what.to_string()).collect()
}
