//! Unix sockets in a directory of the test's own.

use super::*;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener as StdListener, UnixStream as Client};

/// A directory that is gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let process = std::process::id();
        let path = std::env::temp_dir().join(format!("lamplighter-{process}-{name}"));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A socket's file as a killed server leaves it.
fn leave_dead(path: &Path) {
    drop(StdListener::bind(path).unwrap());
    assert!(path.exists());
}

fn refused(path: &Path) -> io::Error {
    UnixListener::bind(path, None).unwrap_err()
}

#[tokio::test]
async fn a_unix_socket_is_accepted_from_and_its_file_is_gone_at_the_end() {
    let directory = Directory::new("accept");
    let path = directory.path("app.sock");
    let mut listener = UnixListener::bind(&path, None).unwrap();
    let addr = Listener::local_addr(&listener).unwrap();
    assert_eq!(addr, Addr::Unix(Some(path.clone())));
    assert!(listener.accept_queued().unwrap().is_none());
    let mut client = Client::connect(&path).unwrap();
    let (stream, peer) = Listener::accept(&mut listener).await.unwrap();
    assert_eq!(peer, Addr::Unix(None));
    let second = Client::connect(&path).unwrap();
    let (queued, peer) = listener.accept_queued().unwrap().unwrap();
    assert_eq!(peer, Addr::Unix(None));
    for stream in [&stream, &queued] {
        let flags = rustix::io::fcntl_getfd(stream).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
    let flags = rustix::io::fcntl_getfd(&listener.inner).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    stream.try_write(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    drop((second, listener));
    assert!(!path.exists());
}

#[tokio::test]
async fn the_file_of_a_dead_server_is_replaced() {
    let directory = Directory::new("dead");
    let path = directory.path("app.sock");
    leave_dead(&path);
    let listener = UnixListener::bind(&path, None).unwrap();
    Client::connect(&path).unwrap();
    drop(listener);
}

#[tokio::test]
async fn where_somebody_answers_nothing_is_replaced() {
    let directory = Directory::new("alive");
    let path = directory.path("app.sock");
    let other = UnixListener::bind(&path, None).unwrap();
    let error = refused(&path);
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(
        error.to_string().contains("a server answers there"),
        "{error}"
    );
    Client::connect(&path).unwrap();
    drop(other);
    // Datagrams are another protocol's, and just as alive.
    let _other = UnixDatagram::bind(&path).unwrap();
    assert_eq!(refused(&path).kind(), ErrorKind::AddrInUse);
    assert!(path.exists());
}

#[tokio::test]
async fn a_server_whose_queue_is_full_is_not_taken_for_dead() {
    let directory = Directory::new("full");
    let path = directory.path("app.sock");
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let fill = || {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let connected = client.connect(&SockAddr::unix(&path).unwrap());
        connected.is_ok().then_some(client)
    };
    let _clients: Vec<Socket> = std::iter::from_fn(fill).collect();
    assert_eq!(refused(&path).kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn what_is_no_socket_is_never_replaced() {
    let directory = Directory::new("file");
    let file = directory.path("notes.txt");
    std::fs::write(&file, "keep me").unwrap();
    let dead = directory.path("dead.sock");
    leave_dead(&dead);
    let link = directory.path("link.sock");
    std::os::unix::fs::symlink(&dead, &link).unwrap();
    for path in [&file, &directory.0, &link] {
        let error = refused(path);
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{path:?}: {error}");
        assert!(
            error.to_string().contains("is no socket; allowed is"),
            "{error}"
        );
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "keep me");
    assert!(dead.exists());
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_an_error_that_leaves_nothing() {
    let directory = Directory::new("missing");
    let path = directory.path("no/app.sock");
    assert_eq!(refused(&path).kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
}

#[tokio::test]
async fn the_file_has_its_mode_before_anybody_can_connect() {
    let directory = Directory::new("mode");
    let path = directory.path("app.sock");
    for mode in [0o600, 0o660] {
        let listener = UnixListener::bind(&path, Some(mode)).unwrap();
        let permissions = std::fs::metadata(&path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode);
        drop(listener);
    }
}

#[tokio::test]
async fn without_its_path_nobody_new_comes_and_those_who_came_are_there() {
    let directory = Directory::new("refuse");
    let path = directory.path("app.sock");
    let mut listener = UnixListener::bind(&path, None).unwrap();
    let mut early = Client::connect(&path).unwrap();
    assert_eq!(listener.refuse_new().unwrap(), Duration::ZERO);
    let late = Client::connect(&path).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::NotFound);
    let (stream, _) = listener.accept_queued().unwrap().unwrap();
    early.write_all(b"hello").unwrap();
    stream.readable().await.unwrap();
    assert!(listener.accept_queued().unwrap().is_none());
}

#[tokio::test]
async fn the_file_of_a_successor_is_left_alone() {
    let directory = Directory::new("successor");
    let path = directory.path("app.sock");
    let listener = UnixListener::bind(&path, None).unwrap();
    // As a deployment does that renames its own socket over the old one.
    let _successor = StdListener::bind(directory.path("new.sock")).unwrap();
    std::fs::rename(directory.path("new.sock"), &path).unwrap();
    drop(listener);
    Client::connect(&path).unwrap();
}

#[tokio::test]
async fn the_file_of_a_listener_that_somebody_else_bound_is_left_alone() {
    let directory = Directory::new("given");
    let path = directory.path("app.sock");
    let bound = StdListener::bind(&path).unwrap();
    let clone = bound.try_clone().unwrap();
    drop(UnixListener::from_std(bound).unwrap());
    Client::connect(&path).unwrap();
    drop(clone);
    let mut shared = UnixListener::bind(&path, None).unwrap();
    shared.leave_path();
    drop(shared);
    assert!(path.exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_in_the_abstract_namespace_is_no_file() {
    let name = format!("\0lamplighter-{}", std::process::id());
    let path = PathBuf::from(&name);
    let mut listener = UnixListener::bind(&path, None).unwrap();
    let addr = Listener::local_addr(&listener).unwrap();
    assert_eq!(addr, Addr::Unix(Some(path.clone())));
    assert_eq!(addr.to_string(), format!("unix:@{}", &name[1..]));
    let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    client.connect(&SockAddr::unix(&path).unwrap()).unwrap();
    Listener::accept(&mut listener).await.unwrap();
    assert_eq!(refused(&path).kind(), ErrorKind::AddrInUse);
}
