//! Listeners from whoever started the process, as a service manager passes them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};

use lamplighter::Signal;
use lamplighter_harness::{Probe, Process, within};

use super::{quickstart, unruly};

async fn answers(addr: std::net::SocketAddr) {
    let mut probe = Probe::connect(addr).await.unwrap();
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
}

fn bound() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

async fn ends(process: Process) {
    process.signal(Signal::Sigterm);
    let exit = process.exit().await;
    assert_eq!(exit.code, Some(0), "{exit}");
}

/// Whether every descriptor from 3 on that is a socket is closed in the children of a process.
fn closes_sockets_in_children(process: &Process) -> bool {
    let of_process = format!("/proc/{}", process.pid());
    let fds = std::fs::read_dir(format!("{of_process}/fd")).unwrap();
    let mut sockets = 0;
    for fd in fds {
        let fd = fd.unwrap();
        let number: u32 = fd.file_name().to_str().unwrap().parse().unwrap();
        let target = std::fs::read_link(fd.path()).unwrap_or_default();
        if number < 3 || !target.to_string_lossy().starts_with("socket:") {
            continue;
        }
        // A connection may have gone since.
        let Ok(info) = std::fs::read_to_string(format!("{of_process}/fdinfo/{number}")) else {
            continue;
        };
        sockets += 1;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        if flags & 0o2_000_000 == 0 {
            return false;
        }
    }
    sockets > 0
}

#[tokio::test]
async fn an_inherited_listener_is_used_and_works_for_the_service_manager_after_the_end() {
    let (listener, addr) = bound();
    let process = unruly(["--listen", "inherited:web"])
        .inheriting(listener.try_clone().unwrap(), &["web"])
        .start();
    assert_eq!(process.ready().await, addr);
    answers(addr).await;
    assert!(closes_sockets_in_children(&process));
    ends(process).await;
    // The next activation finds who came meanwhile.
    let client = std::net::TcpStream::connect(addr).unwrap();
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}

#[tokio::test]
async fn listeners_are_told_apart_by_their_names() {
    let (listener, addr) = bound();
    let process = unruly(["--listen", "inherited:admin", "--listen", "inherited:web"])
        .inheriting(listener, &["web", "admin", "spare"])
        .start();
    assert_eq!(process.ready().await, addr);
    answers(addr).await;
    // The one that nobody asked for is closed in children as well.
    assert!(closes_sockets_in_children(&process));
    ends(process).await;
}

#[tokio::test]
async fn an_inherited_unix_socket_keeps_its_file() {
    let path = format!("lamplighter-inherited-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(path);
    let listener = UnixListener::bind(&path).unwrap();
    let process = unruly(["--listen", "inherited:web"])
        .inheriting(listener.try_clone().unwrap(), &["web"])
        .start();
    within("the address", process.line("ready on http://unix:")).await;
    ends(process).await;
    let connected = UnixStream::connect(&path);
    std::fs::remove_file(&path).unwrap();
    connected.unwrap();
    listener.accept().unwrap();
}

#[tokio::test]
async fn a_name_that_is_not_there_is_refused_with_those_that_are() {
    let (listener, _) = bound();
    let exit = unruly(["--listen", "inherited:metrics"])
        .inheriting(listener, &["web", "admin"])
        .start()
        .exit()
        .await;
    assert_eq!(exit.code, Some(78), "{exit}");
    let told = "no inherited listener is named \"metrics\"; those there are: \"web\", \"admin\"";
    assert!(exit.stderr.contains(told), "{exit}");
}

#[tokio::test]
async fn a_name_is_for_one_listener_as_often_as_it_was_passed() {
    let (listener, _) = bound();
    let twice = ["--listen", "inherited:web", "--listen", "inherited:web"];
    let twice_there = unruly(twice).inheriting(listener.try_clone().unwrap(), &["web", "web"]);
    let process = twice_there.start();
    process.ready().await;
    ends(process).await;
    let exit = unruly(twice)
        .inheriting(listener, &["web"])
        .start()
        .exit()
        .await;
    assert_eq!(exit.code, Some(78), "{exit}");
    assert!(
        exit.stderr.contains("named \"web\" is in use already"),
        "{exit}"
    );
}

#[tokio::test]
async fn a_start_that_fails_leaves_the_queue_to_the_service_manager() {
    let (listener, addr) = bound();
    let client = std::net::TcpStream::connect(addr).unwrap();
    let args = [
        "--listen",
        "inherited:web",
        "--check",
        "red",
        "--ready",
        "200",
    ];
    let process = unruly(args).inheriting(listener.try_clone().unwrap(), &["web"]);
    let exit = process.start().exit().await;
    assert_eq!(exit.code, Some(69), "{exit}");
    assert!(exit.stderr.contains("start failed: "), "{exit}");
    // A failed start counts those that it has accepted, if there are any.
    assert!(!exit.stderr.contains("; connections "), "{exit}");
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}

#[tokio::test]
async fn what_was_passed_to_another_process_is_not_taken() {
    let exit = unruly(["--listen", "inherited:web"])
        .env("LISTEN_FDS", 1)
        .env("LISTEN_PID", 1)
        .env("LISTEN_FDNAMES", "web")
        .start()
        .exit()
        .await;
    assert_eq!(exit.code, Some(78), "{exit}");
    assert!(
        exit.stderr.contains("LISTEN_PID is not this process"),
        "{exit}"
    );
}

#[tokio::test]
async fn what_is_no_listener_is_refused() {
    let (listener, addr) = bound();
    let client = std::net::TcpStream::connect(addr).unwrap();
    let exit = unruly(["--listen", "inherited:web"])
        .inheriting(client, &["web"])
        .start()
        .exit()
        .await;
    assert_eq!(exit.code, Some(78), "{exit}");
    assert!(exit.stderr.contains("it does not listen"), "{exit}");
    drop(listener);
}

#[tokio::test]
async fn a_hand_over_that_went_wrong_is_refused_where_all_of_it_is_taken() {
    let (_listener, addr) = bound();
    let client = std::net::TcpStream::connect(addr).unwrap();
    for (program, told) in [
        (
            quickstart().inheriting(client, &["web"]),
            "inherited as \"web\" is not usable: it does not listen",
        ),
        (
            quickstart().inheriting(File::open("/dev/null").unwrap(), &["web"]),
            "inherited as \"web\" is not usable: ",
        ),
        (
            quickstart().env("LISTEN_FDS", "two"),
            "LISTEN_FDS is \"two\", allowed is",
        ),
    ] {
        let exit = program.start().exit().await;
        assert_eq!(exit.code, Some(78), "{exit}");
        assert!(exit.stderr.contains(told), "{told}: {exit}");
        assert!(!exit.stdout.contains("ready on"), "{exit}");
    }
}

#[tokio::test]
async fn the_quickstart_takes_what_it_is_given_instead_of_binding() {
    let (listener, addr) = bound();
    let process = quickstart().inheriting(listener, &["web"]).start();
    assert_eq!(process.ready().await, addr);
    answers(addr).await;
    ends(process).await;
}
