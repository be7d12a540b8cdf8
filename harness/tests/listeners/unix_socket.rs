//! Servers on Unix sockets.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::{StreamExt, stream};
use lamplighter::{Addr, Bind, Plan, Running, Server};
use lamplighter_harness::{Gate, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{held, hello, started, stopped};

/// A directory that is gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let process = std::process::id();
        let path = std::env::temp_dir().join(format!("lamplighter-harness-{process}-{name}"));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("app.sock")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Sends a request after which the connection is to be closed.
async fn send(path: &Path, target: &str) -> UnixStream {
    let connected = within("a connection", UnixStream::connect(path)).await;
    let mut stream = connected.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: unix\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: UnixStream) -> String {
    let mut text = String::new();
    let read = within("an answer", stream.read_to_string(&mut text)).await;
    read.unwrap();
    text
}

async fn answers(path: &Path) {
    let text = answer(send(path, "/").await).await;
    assert!(
        text.starts_with("HTTP/1.1 200 ") && text.ends_with("hello"),
        "{text}"
    );
}

fn path_of(running: &Running) -> &Path {
    let Addr::Unix(Some(path)) = running.addr() else {
        panic!("on {}", running.addr())
    };
    path
}

#[tokio::test]
async fn a_server_on_a_unix_socket_answers_drains_and_leaves_no_file() {
    let directory = Directory::new("life");
    let path = directory.path();
    let gate = Gate::new();
    let server = held(&gate).listen(Bind::unix(&path).mode(0o600));
    let running = started(server).await;
    assert_eq!(path_of(&running), path);
    assert_eq!(
        running.addr().to_string(),
        format!("unix:{}", path.display())
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    answers(&path).await;
    let working = send(&path, "/held").await;
    gate.reached(1).await;
    // In the queue as the stop begins: this thread has not let the server accept it.
    let queued = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let stop = running.stop();
    queued.set_nonblocking(true).unwrap();
    let mut queued = UnixStream::from_std(queued).unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: unix\r\n\r\n";
    queued.write_all(request).await.unwrap();
    let text = answer(queued).await;
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    gate.open();
    assert!(answer(working).await.ends_with("let go"));
    let report = within("the end", stop).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 3);
    assert!(!path.exists());
}

#[tokio::test]
async fn an_answer_that_is_cut_is_named_though_a_unix_socket_knows_no_reset() {
    let directory = Directory::new("cut");
    let path = directory.path();
    let endless = || async {
        let begun = stream::iter([Ok::<_, Infallible>("begun")]);
        Body::from_stream(begun.chain(stream::pending()))
    };
    let app = Router::new().route("/endless", get(endless));
    let server = Server::new(app).plan(Plan::new().drain_timeout(Duration::ZERO));
    let running = started(server.listen(Bind::unix(&path))).await;
    let mut clients = Vec::new();
    for version in ["1.1", "1.0"] {
        let mut client = UnixStream::connect(&path).await.unwrap();
        let request = format!("GET /endless HTTP/{version}\r\nhost: unix\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(5).any(|bytes| bytes == b"begun") {
            let read = within("the beginning", client.read_buf(&mut seen)).await;
            assert!(read.unwrap() > 0, "{seen:?}");
        }
        clients.push((client, seen));
    }
    let report = stopped(running).await;
    assert_eq!(report.exit_code(), 10, "{report}");
    assert_eq!(report.connections().cut.len(), 2, "{report}");
    for ((mut client, mut seen), chunked) in clients.into_iter().zip([true, false]) {
        within("its end", client.read_to_end(&mut seen))
            .await
            .unwrap();
        let seen = String::from_utf8_lossy(&seen);
        // The last chunk is missing. What ends with its connection misses nothing, for all its client
        // can tell.
        assert_eq!(seen.ends_with("5\r\nbegun\r\n"), chunked, "{seen}");
        assert_eq!(seen.ends_with("begun"), !chunked, "{seen}");
    }
}

#[tokio::test]
async fn a_second_server_on_a_path_is_refused_and_the_first_one_has_not_noticed() {
    let directory = Directory::new("second");
    let path = directory.path();
    let running = started(hello().listen(Bind::unix(&path))).await;
    let error = hello().listen(Bind::unix(&path)).start().await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains(&*path.to_string_lossy()), "{message}");
    assert!(message.contains("a server answers there"), "{message}");
    assert_eq!(error.report().exit_code(), 69);
    answers(&path).await;
    assert!(stopped(running).await.is_clean());
}

#[tokio::test]
async fn the_socket_of_a_dead_server_is_replaced_and_a_file_is_not() {
    let directory = Directory::new("replaced");
    let path = directory.path();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let refused = UnixStream::connect(&path).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let text = format!("unix:{}", path.display());
    let running = started(hello().listen(text.as_str())).await;
    answers(&path).await;
    assert!(stopped(running).await.is_clean());
    std::fs::write(&path, "somebody's").unwrap();
    let error = hello().listen(text.as_str()).start().await.unwrap_err();
    assert!(error.to_string().contains("is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's");
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_file() {
    let directory = Directory::new("failed");
    let path = directory.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = hello()
        .listen(Bind::unix(&path))
        .listen(taken.local_addr().unwrap());
    within("the failure", server.start()).await.unwrap_err();
    assert!(!path.exists());
}
