//! A server by hand: a thread, a runtime, an accept loop, hyper, and nothing besides.
//!
//! Its runtime is made where that of a test server is: by whoever asks for it, while the thread comes up.
//! That puts a server on the processor of its clients, and both kinds have it.
//!
//! **Invariant:** it promises nothing that a thread and hyper do not: no bound on its stop, no report.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tower_service::Service;

/// The version that it speaks.
#[derive(Clone, Copy)]
pub(crate) enum Http {
    One,
    Two,
}

/// How it stops.
#[derive(Clone, Copy)]
pub(crate) enum Stop {
    /// Every connection is told to end, and waited for.
    Graceful,
    /// Everything is let go of.
    CutOff,
}

pub(crate) struct ByHand {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    over: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl ByHand {
    pub(crate) async fn spawn(app: Router, http: Http, stop: Stop) -> Self {
        let (ready, is_ready) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let (ends, over) = oneshot::channel();
        let (made, is_made) = mpsc::sync_channel::<Runtime>(1);
        let thread = thread::spawn(move || {
            let runtime = is_made.recv().expect("a runtime");
            runtime.block_on(async {
                match stop {
                    Stop::Graceful => accept_and_end(app, http, ready, told).await,
                    Stop::CutOff => accept(app, http, ready, told).await,
                }
            });
            drop(runtime);
            ends.send(()).expect("somebody who waits for its end");
        });
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        made.send(runtime).expect("a thread");
        Self {
            addr: is_ready.await.expect("an address"),
            stop: tell,
            over,
            thread,
        }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("a server that runs");
        self.over.await.expect("an end");
        self.thread.join().expect("a thread that did not panic");
    }
}

async fn bind(ready: oneshot::Sender<SocketAddr>) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    ready
        .send(listener.local_addr().expect("an address"))
        .expect("somebody who waits for it");
    listener
}

async fn accept(
    app: Router,
    http: Http,
    ready: oneshot::Sender<SocketAddr>,
    mut told: oneshot::Receiver<()>,
) {
    let listener = bind(ready).await;
    loop {
        tokio::select! {
            biased;
            _ = &mut told => return,
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                tokio::spawn(serve(app.clone(), http, stream));
            }
        }
    }
}

async fn accept_and_end(
    app: Router,
    http: Http,
    ready: oneshot::Sender<SocketAddr>,
    mut told: oneshot::Receiver<()>,
) {
    let listener = bind(ready).await;
    let (tell, ends) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut told => break,
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                connections.spawn(serve_and_end(app.clone(), http, stream, ends.clone()));
            }
        }
    }
    drop(listener);
    drop(tell);
    while let Some(ended) = connections.join_next().await {
        ended.expect("a connection that did not panic");
    }
}

async fn serve(app: Router, http: Http, stream: TcpStream) {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| app.clone().call(request));
    // How a connection ends is its client's affair.
    let _end = match http {
        Http::One => http1::Builder::new().serve_connection(io, service).await,
        Http::Two => {
            let builder = http2::Builder::new(TokioExecutor::new());
            builder.serve_connection(io, service).await
        }
    };
}

async fn serve_and_end(app: Router, http: Http, stream: TcpStream, mut ends: watch::Receiver<()>) {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| app.clone().call(request));
    macro_rules! to_its_end {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            let over = tokio::select! {
                biased;
                end = &mut connection => Some(end),
                _ = ends.changed() => None,
            };
            match over {
                Some(end) => end,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }};
    }
    let _end = match http {
        Http::One => to_its_end!(http1::Builder::new().serve_connection(io, service)),
        Http::Two => {
            let builder = http2::Builder::new(TokioExecutor::new());
            to_its_end!(builder.serve_connection(io, service))
        }
    };
}
