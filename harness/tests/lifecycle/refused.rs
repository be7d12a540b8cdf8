//! Starts that are refused: the address is taken or none, the plan does not hold; each names what it is
//! about, and leaves nothing behind.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use lamplighter::{Config, Plan, Server, ServerEventKind as Event, ServerState, StartReason};
use lamplighter_harness::{Probe, Recorder, TestServer, own_loopback};

use super::{Notes, hello, secs};

/// An address that was free a moment ago, and what listens on it until it is dropped.
pub(super) fn taken() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(own_loopback())?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

pub(super) async fn refuses(addr: SocketAddr) -> bool {
    let error = Probe::connect(addr).await.err();
    error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn a_port_that_is_taken_fails_the_start_and_names_the_address() {
    let (listener, addr) = taken().unwrap();
    let error = hello().listen(addr).start().await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Bind(_)), "{error:?}");
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
    assert_eq!(error.report().exit_code(), 69);
    // The other one who listens there has not noticed.
    let mut other = Probe::connect(addr).await.unwrap();
    drop(listener.accept().unwrap());
    assert!(other.end().await.is_end());
}

#[tokio::test]
async fn an_address_or_a_plan_that_variables_have_set_is_refused_with_their_names() {
    let plain = || Server::new(axum::Router::new());
    let (_listener, addr) = taken().unwrap();
    let (ip, port) = (addr.ip().to_string(), addr.port().to_string());
    let config = Config::from_vars([("PORT", &port), ("LISTEN", &ip)]).unwrap();
    let refused = async |server: Server| server.start().await.unwrap_err().to_string();
    let error = refused(plain().config(&config)).await;
    let named = format!("; PORT is {port}, LISTEN is {ip} (after ");
    assert!(error.contains(&named), "{error}");
    // Where the program says it, no variable does, whoever comes first.
    for server in [
        plain().listen(addr).config(&config),
        plain().config(&config).listen(addr),
    ] {
        let error = refused(server).await;
        assert!(!error.contains("PORT"), "{error}");
    }

    let config = Config::from_vars([("GRACE_PERIOD_MS", "1000")]).unwrap();
    let server = plain().config(&config);
    let error = server.start().await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Plan(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("; GRACE_PERIOD_MS is 1000; hooks_timeout"),
        "{text}"
    );
    let line = error.report().to_string();
    assert!(line.contains("; GRACE_PERIOD_MS is 1000"), "{line}");
}

#[tokio::test]
async fn a_start_that_failed_leaves_nothing_behind() {
    let (first, free) = taken().unwrap();
    drop(first);
    let (_listener, addr) = taken().unwrap();
    let notes = Notes::default();
    // The first address can be bound, the second cannot.
    let server = Server::new(axum::Router::new()).listen(free).listen(addr);
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let handle = server.handle();
    let captured = Arc::new(());
    let held = Arc::clone(&captured);
    server.on_ready(move |_| drop(Arc::clone(&held)));
    let recorder = Recorder::attach(&server);
    let error = server.start().await.unwrap_err();
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
    assert!(refuses(free).await, "the first listener is open");
    drop(TcpListener::bind(free).unwrap());
    assert_eq!(handle.state(), ServerState::Stopped);
    assert_eq!(handle.in_flight(), 0);
    assert!(!handle.health().is_ready());
    assert_eq!(notes.taken(), ["hook"]);
    // What the callbacks had captured is let go of.
    assert_eq!(Arc::strong_count(&captured), 1);
    let record = recorder.finish().await;
    let [start, last] = record.calls.as_slice() else {
        panic!("{record}")
    };
    assert_eq!(start, "start");
    assert!(last.starts_with("error start failed: "), "{record}");
    assert!(
        matches!(record.events.last().unwrap().kind, Event::Error(_)),
        "{record}"
    );
    assert_eq!(record.count("stop"), 0);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_before_anything_is_bound() {
    for text in ["300.1.2.3:80", "localhost:99999", "nonsense", ":::80"] {
        let server = Server::new(axum::Router::new()).listen(text);
        assert!(server.check().is_err(), "{text}");
        let error = server.start().await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.report().exit_code(), 78, "{error}");
    }
}

#[tokio::test]
async fn a_plan_that_does_not_hold_is_refused_with_its_numbers() {
    let server = hello().plan(Plan::within(secs(10)).lame_duck(secs(20)));
    assert!(server.check().is_err());
    let error = TestServer::try_start(server).await.unwrap_err();
    assert!(matches!(error.reason(), StartReason::Plan(_)), "{error:?}");
    assert!(error.to_string().contains("lame_duck 20 s"), "{error}");
    assert_eq!(error.report().exit_code(), 78);
}
