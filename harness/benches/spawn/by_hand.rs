//! A server by hand: a thread, a runtime, an accept loop, hyper, and nothing besides.
//!
//! **Invariant:** it promises nothing that a thread and hyper do not: no graceful close, no report.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tower_service::Service;

/// The version that it speaks.
#[derive(Clone, Copy)]
pub(crate) enum Http {
    One,
    Two,
}

pub(crate) struct ByHand {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    over: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl ByHand {
    pub(crate) async fn spawn(app: Router, http: Http) -> Self {
        let (ready, is_ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (ends, over) = oneshot::channel();
        let thread = thread::spawn(move || {
            let mut runtime = Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("a runtime");
            runtime.block_on(accept(app, http, ready, stopped));
            drop(runtime);
            ends.send(()).expect("somebody who waits for its end");
        });
        Self {
            addr: is_ready.await.expect("an address"),
            stop,
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

async fn accept(
    app: Router,
    http: Http,
    ready: oneshot::Sender<SocketAddr>,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    ready
        .send(listener.local_addr().expect("an address"))
        .expect("somebody who waits for it");
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                tokio::spawn(serve(app.clone(), http, stream));
            }
        }
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
