//! What is told to listen on, and what becomes of it at the start.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::*;
use crate::os::listener::TcpNetwork;

fn network() -> BoxNetwork {
    BoxNetwork::new(TcpNetwork)
}

#[test]
fn everything_that_names_an_address_is_taken() {
    let addr = |bind: Bind| {
        let Target::Addr(addr) = &bind.target else {
            panic!("{bind:?} is no address")
        };
        addr.to_string()
    };
    assert_eq!(addr(5000.into()), "0.0.0.0:5000");
    assert_eq!(addr("5000".into()), "0.0.0.0:5000");
    assert_eq!(addr(String::from("[::1]:1").into()), "[::1]:1");
    assert_eq!(addr(([127, 0, 0, 1], 2).into()), "127.0.0.1:2");
    assert_eq!(addr((Ipv6Addr::LOCALHOST, 3).into()), "[::1]:3");
    assert_eq!(addr((IpAddr::from([10, 0, 0, 1]), 4).into()), "10.0.0.1:4");
    assert_eq!(
        addr(SocketAddr::from(([10, 0, 0, 1], 5)).into()),
        "10.0.0.1:5"
    );
    assert_eq!(addr(Addr::Named("host".into()).into()), "host");
}

#[tokio::test]
async fn a_wrong_text_comes_out_at_the_start() {
    let bind = Bind::from("example.com:80").named("public");
    let checked = bind.check().unwrap_err().to_string();
    let opened = bind.open(&network()).await.unwrap_err();
    assert_eq!(checked, opened.to_string());
    assert!(
        checked.starts_with(r#""example.com:80" is no address"#),
        "{checked}"
    );
    assert!(opened.addr().is_none());
}

#[tokio::test]
async fn a_free_port_is_taken_and_told() {
    let bound = Bind::from("localhost:0")
        .named("http")
        .refuse_new_at_stop()
        .open(&network())
        .await
        .unwrap();
    assert_ne!(bound.addr().port(), Some(0));
    assert_eq!(bound.name(), Some("http"));
    assert!(bound.refuses_new_at_stop());
    let addr = bound.addr().clone();
    assert_eq!(bound.into_listener().local_addr().unwrap(), addr);
}

#[tokio::test]
async fn a_port_in_use_is_refused_by_name() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = taken.local_addr().unwrap();
    let error = Bind::from(addr).open(&network()).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(&format!("cannot listen on {addr}: ")),
        "{message}"
    );
    assert!(message.contains("names who does"), "{message}");
    assert_eq!(error.addr(), Some(&Addr::Tcp(addr)));
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused_by_name() {
    // Set aside for documentation, so no machine has it.
    let error = Bind::from("192.0.2.1:5000")
        .open(&network())
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("cannot listen on 192.0.2.1:5000: "),
        "{message}"
    );
    assert!(message.contains("no such address"), "{message}");
}

#[tokio::test]
async fn a_network_is_asked_for_addresses_only_it_knows() {
    let named = Bind::from(Addr::Named("host".into()));
    let message = named.open(&network()).await.unwrap_err().to_string();
    assert!(message.starts_with("cannot listen on host: "), "{message}");
}

#[tokio::test]
async fn a_listener_that_is_bound_already_is_taken_over() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut bound = Bind::from(listener).open(&network()).await.unwrap();
    assert_eq!(bound.addr, Addr::Tcp(addr));
    let client = tokio::net::TcpStream::connect(addr).await.unwrap();
    let (_, peer) = bound.listener.accept().await.unwrap();
    assert_eq!(peer, Addr::Tcp(client.local_addr().unwrap()));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let addr = listener.local_addr().unwrap();
    let bound = Bind::listener(listener).open(&network()).await.unwrap();
    assert_eq!(bound.addr, Addr::Tcp(addr));
}

fn refusal(binds: &[Bind]) -> String {
    let error = Bind::check_all(binds).unwrap_err();
    assert!(error.is_configuration(), "{error}");
    error.to_string()
}

#[test]
fn one_name_or_one_address_is_for_one_listener() {
    let named = |port: u16, name: &str| Bind::from(port).named(name);
    assert_eq!(
        refusal(&[named(1, "web"), named(2, "admin"), named(3, "web")]),
        "two listeners are named \"web\", allowed is each name once"
    );
    assert_eq!(
        refusal(&["127.0.0.1:80".into(), 80.into(), "127.0.0.1:80".into()]),
        "told to listen on 127.0.0.1:80 twice, allowed is each address once"
    );
    let free = ["127.0.0.1:0".into(), "127.0.0.1:0".into(), named(0, "web")];
    Bind::check_all(&free).unwrap();
}

#[cfg(unix)]
#[test]
fn permissions_are_for_the_path_of_a_unix_socket() {
    Bind::check_all(&[Bind::unix("/run/app.sock").mode(0o660)]).unwrap();
    for bind in [
        Bind::unix("/run/app.sock").mode(0o1000),
        Bind::from(80).mode(0o660),
    ] {
        let message = refusal(&[bind]);
        assert!(
            message.contains("allowed is 0 to 0o777, for the path"),
            "{message}"
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_that_cannot_be_is_refused_by_its_path_with_what_can_be_done() {
    let long = refusal(&[Bind::unix("/run/".to_owned() + &"a".repeat(200))]);
    assert!(long.starts_with("\"unix:/run/aaa"), "{long}");
    let missing = Bind::unix("/nowhere/app.sock");
    let message = missing.open(&network()).await.unwrap_err().to_string();
    assert!(
        message.starts_with("cannot listen on unix:/nowhere/app.sock: "),
        "{message}"
    );
    assert!(
        message.contains("its directory has to be there"),
        "{message}"
    );
    let file = Bind::from("unix:/dev/null");
    let message = file.open(&network()).await.unwrap_err().to_string();
    assert!(message.contains("is no socket; allowed is"), "{message}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_name_that_was_not_inherited_comes_out_at_the_start() {
    assert_eq!(Bind::inherited_names(), [""; 0]);
    let message = refusal(&[Bind::inherited("web")]);
    assert!(message.contains("none named \"web\""), "{message}");
    let opened = Bind::inherited("web").open(&network()).await.unwrap_err();
    assert_eq!(opened.to_string(), message);
}

#[tokio::test]
async fn a_listener_is_called_by_its_name_and_its_address() {
    let open = async |bind: Bind| bind.open(&network()).await.unwrap();
    let named = open(Bind::from("127.0.0.1:0").named("web")).await;
    assert_eq!(
        named.label().to_string(),
        format!("web on {}", named.addr())
    );
    assert_eq!(named.holding(), Holding::Owned);
    let unnamed = open(Bind::from("127.0.0.1:0").shared()).await;
    assert_eq!(unnamed.label().to_string(), unnamed.addr().to_string());
    assert_eq!(unnamed.holding(), Holding::Shared);
}

#[cfg(unix)]
#[tokio::test]
async fn the_path_goes_first_at_the_stop_of_an_owned_unix_socket_and_stays_at_that_of_a_shared_one()
{
    let path = format!("lamplighter-bind-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(path);
    let owned = Bind::unix(&path).open(&network()).await.unwrap();
    assert!(owned.refuses_new_at_stop());
    drop(owned);
    assert!(!path.exists());
    let shared = Bind::unix(&path).shared().open(&network()).await.unwrap();
    drop(shared);
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    let tcp = Bind::from("127.0.0.1:0").open(&network()).await.unwrap();
    assert!(!tcp.refuses_new_at_stop());
}
