//! Several listeners of one server.

use std::net::TcpListener;

use lamplighter::{Bind, BindError, StartReason};
use lamplighter_harness::{Gate, Probe, Seen, own_loopback};

use super::{ask, connect, held, hello, started, stopped, tcp};

#[tokio::test]
async fn several_listeners_have_their_names_and_one_stop_drains_them_all() {
    let gate = Gate::new();
    let server = held(&gate)
        .listen(Bind::from(own_loopback()).named("web"))
        .listen(Bind::from(own_loopback()).named("admin"))
        .listen(own_loopback());
    let running = started(server).await;
    let web = tcp(running.addr_of("web").unwrap());
    let admin = tcp(running.addr_of("admin").unwrap());
    assert_eq!(running.addr_of("metrics"), None);
    assert_eq!(tcp(running.addr()), web, "the first one is the address");
    assert_ne!(web, admin);
    let mut probes = Vec::new();
    for addr in [web, admin] {
        let mut probe = connect(addr).await;
        probe.request("/held").await.unwrap();
        probes.push(probe);
    }
    gate.reached(2).await;
    let stop = running.stop();
    gate.open();
    for probe in &mut probes {
        let answer = probe.answer().await;
        assert!(answer.status() == 200 && answer.head.closes(), "{answer:?}");
        assert_eq!(probe.end().await, Seen::Fin);
    }
    let report = lamplighter_harness::within("the end", stop).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 2);
    for addr in [web, admin] {
        Probe::connect(addr).await.unwrap_err();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn all_listeners_are_bound_or_none() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    // An address of its own: what is free there, no other test takes.
    let first = TcpListener::bind("127.0.0.42:0").unwrap();
    let addr = first.local_addr().unwrap();
    drop(first);
    let server = hello().listen(addr).listen(taken.local_addr().unwrap());
    let error = server.start().await.unwrap_err();
    let named = taken.local_addr().unwrap().to_string();
    assert!(error.to_string().contains(&named), "{error}");
    assert_eq!(error.report().exit_code(), 69);
    TcpListener::bind(addr).unwrap();
}

#[tokio::test]
async fn two_listeners_of_one_name_are_a_configuration_that_is_refused() {
    let server = hello()
        .listen(Bind::from(0).named("web"))
        .listen(Bind::from(0).named("web"));
    let reason = server.check().unwrap_err();
    let taken = |reason: &StartReason| {
        let StartReason::Bind(error) = reason else {
            return false;
        };
        matches!(&**error, BindError::NameTaken { name } if name == "web")
    };
    assert!(taken(&reason), "{reason:?}");
    let error = server.start().await.unwrap_err();
    assert!(taken(error.reason()), "{error:?}");
    assert_eq!(error.report().exit_code(), 78);
}

#[tokio::test]
async fn one_listener_takes_ipv6_and_ipv4() {
    // A machine may have no IPv6.
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let running = started(hello().listen("[::]:0")).await;
    let port = tcp(running.addr()).port();
    for loopback in ["127.0.0.1", "[::1]"] {
        let addr = format!("{loopback}:{port}").parse().unwrap();
        assert_eq!(ask(addr, "/").await.1.status(), 200);
    }
    assert!(stopped(running).await.is_clean());
}
