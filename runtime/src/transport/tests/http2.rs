//! HTTP/2: in general, when the server drains, and when it is forced.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use futures_util::stream;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::TokioIo;
use lamplighter_lifecycle::{ConnectionEnd, Directive, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::advance;

use super::client::{Client, End};
use super::fixture::{Fixture, beside, soon, tally};
use crate::transport::{Limits, ShutdownSignal};

const LARGE: usize = 4 * 1024 * 1024;

fn once(mut frames: Vec<Frame<Bytes>>, ends: bool) -> Body {
    frames.reverse();
    Body::new(StreamBody::new(stream::poll_fn(move |_| {
        match frames.pop() {
            Some(frame) => Poll::Ready(Some(Ok::<_, std::convert::Infallible>(frame))),
            None if ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    })))
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/empty", get(|| async {}))
        .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/never", get(pending::<&'static str>))
        .route(
            "/ticks",
            get(|| async { once(vec![Frame::data(Bytes::from_static(b"tick"))], false) }),
        )
        .route(
            "/trailers",
            get(|| async {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                let data = Frame::data(Bytes::from_static(b"data"));
                once(vec![data, Frame::trailers(trailers)], true)
            }),
        )
        .route(
            "/draining",
            get(|signal: ShutdownSignal| async move {
                signal.draining().await;
                "bye"
            }),
        )
        .route(
            "/panics",
            get(|| async {
                resume_unwind(Box::new("a secret"));
                #[expect(unreachable_code, reason = "gives the handler its type")]
                ""
            }),
        )
        .route(
            "/panics-later",
            get(|| async {
                let mut said = false;
                Body::new(StreamBody::new(stream::poll_fn(move |_| {
                    if std::mem::replace(&mut said, true) {
                        resume_unwind(Box::new("a secret"));
                    }
                    let data = Frame::data(Bytes::from_static(b"tick"));
                    Poll::Ready(Some(Ok::<_, std::convert::Infallible>(data)))
                })))
            }),
        )
}

/// A well-behaved HTTP/2 client.
struct Peer {
    send: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Peer {
    async fn over(client: Client) -> Self {
        let (send, connection) = h2::client::handshake(client.into_stream()).await.unwrap();
        Self {
            send,
            connection: beside(connection),
        }
    }

    async fn request(&self, method: &str, path: &str) -> ResponseFuture {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://test{path}"))
            .body(())
            .unwrap();
        let mut ready = soon("a free stream", self.send.clone().ready())
            .await
            .unwrap();
        ready.send_request(request, true).unwrap().0
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.request("GET", path).await;
        let (head, body) = soon("an answer", answer).await.unwrap().into_parts();
        (head.status, text(body).await.unwrap())
    }

    /// How the connection ended, once all requests are over.
    async fn ended(self) -> Result<(), h2::Error> {
        drop(self.send);
        soon("the end of the connection", self.connection)
            .await
            .unwrap()
    }
}

async fn text(mut body: RecvStream) -> Result<String, h2::Error> {
    let mut text = Vec::new();
    while let Some(data) = soon("data", body.data()).await {
        let data = data?;
        body.flow_control().release_capacity(data.len()).unwrap();
        text.extend_from_slice(&data);
    }
    soon("trailers", body.trailers()).await?;
    Ok(String::from_utf8(text).unwrap())
}

/// Until everything that is begun is also in the books.
async fn at_rest(fixture: &Fixture) {
    soon("rest", async {
        while fixture.transport.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn requests_of_every_kind_are_answered_and_counted() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    assert_eq!(
        peer.get("/").await,
        (StatusCode::OK, "Hello, World!".into())
    );
    at_rest(&fixture).await;
    for path in ["/empty", "/trailers", "/nothing", "/large"] {
        peer.get(path).await;
        at_rest(&fixture).await;
    }
    let head = peer.request("HEAD", "/large").await.await.unwrap();
    assert_eq!(head.headers()["content-length"], LARGE.to_string());
    assert!(head.body().is_end_stream());
    at_rest(&fixture).await;
    fixture.drain();
    peer.ended().await.unwrap();
    let closed = fixture.closed(1).await;
    assert_eq!(closed.protocol, Protocol::Http2);
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(6, 6, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test]
async fn one_port_speaks_both_protocols() {
    let fixture = Fixture::serving(app()).await;
    let peer = Peer::over(fixture.connect().await).await;
    let mut client = fixture.connect().await;
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    client.get("/").await;
    client.until("Hello, World!").await;
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.protocol, Protocol::Http2);
    assert_eq!(fixture.closed(2).await.protocol, Protocol::Http1);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_flight_at_the_drain_finishes_and_the_connection_closes_after_it() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(4096)).await;
    let answer = peer.request("GET", "/draining").await;
    tokio::task::yield_now().await;
    let before = fixture.now();
    fixture.drain();
    let (head, body) = soon("an answer", answer).await.unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    assert!(!head.headers.contains_key("connection"));
    assert_eq!(text(body).await.unwrap(), "bye");
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_goaway_is_closed_after_a_second() {
    for says in [PREFACE.to_vec(), [PREFACE, SETTINGS].concat()] {
        let fixture = Fixture::in_memory(app());
        let mut client = fixture.dial(4096);
        client.send(&says).await;
        tokio::task::yield_now().await;
        advance(Duration::from_secs(5)).await;
        fixture.drain();
        assert_eq!(client.rest().await.1, End::Fin);
        let since = fixture.now().as_nanos() / 1_000_000;
        assert!((6000..=6002).contains(&since), "{since}");
        let closed = fixture.closed(1).await;
        assert_eq!(closed.end, ConnectionEnd::TimedOut);
        assert_eq!(closed.protocol, Protocol::Http2);
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_force_streams_are_cancelled_one_by_one() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(4096)).await;
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    let never = peer.request("GET", "/never").await;
    let ticks = peer.request("GET", "/ticks").await;
    let mut ticks = soon("a head", ticks).await.unwrap().into_body();
    assert_eq!(soon("a tick", ticks.data()).await.unwrap().unwrap(), "tick");
    fixture.drain();
    tokio::task::yield_now().await;
    let before = fixture.now();
    fixture.force();
    let error = soon("a reset", never).await.unwrap_err();
    assert_eq!(
        (error.is_reset(), error.reason()),
        (true, Some(Reason::CANCEL))
    );
    let error = soon("a reset", ticks.data()).await.unwrap().unwrap_err();
    assert_eq!(
        (error.is_reset(), error.reason()),
        (true, Some(Reason::CANCEL))
    );
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert_eq!(closed.tally, tally(3, 1, 2, 0));
    assert_eq!(fixture.now(), before);
    assert_eq!(fixture.forced(1).unwrap().2.len(), 2);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn resets_that_the_peer_does_not_take_are_given_up_after_50_ms() {
    let fixture = Fixture::in_memory(app());
    // Takes so little that the answers fill it.
    let mut client = fixture.dial(64);
    let mut says = [PREFACE, SETTINGS].concat();
    // GET / of http://test, indexed as far as it goes, on streams 1 to 15.
    for stream in [1, 3, 5, 7, 9, 11, 13, 15] {
        says.extend_from_slice(&[0, 0, 8, 1, 5, 0, 0, 0, stream]);
        says.extend_from_slice(b"\x82\x84\x86\x41\x03foo");
    }
    // Its own side is taken all the same.
    for part in says.chunks(32) {
        client.send(part).await;
        tokio::task::yield_now().await;
    }
    fixture.drain();
    tokio::task::yield_now().await;
    assert!(fixture.transport.in_flight() > 0);
    let before = fixture.now().as_nanos() / 1_000_000;
    fixture.force();
    let closed = fixture.closed(1).await;
    let after = fixture.now().as_nanos() / 1_000_000;
    assert!((50..=52).contains(&(after - before)), "{}", after - before);
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert!(closed.tally.cut > 0);
    assert_eq!(client.rest().await.1, End::Reset);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_wait_for_the_peers_window_keep_the_request_in_flight() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    let answer = peer.request("GET", "/large").await;
    let body = soon("a head", answer).await.unwrap().into_body();
    fixture.drain();
    advance(Duration::from_secs(60)).await;
    assert_eq!(fixture.transport.in_flight(), 1);
    assert_eq!(text(body).await.unwrap().len(), LARGE);
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_wait_for_the_peers_window_are_cut_by_force() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    let answer = peer.request("GET", "/large").await;
    let body = soon("a head", answer).await.unwrap().into_body();
    fixture.drain();
    tokio::task::yield_now().await;
    fixture.force();
    // Nobody reads: what is queued cannot leave, and cannot be reset behind hyper's back either.
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert_eq!(closed.tally, tally(1, 0, 1, 0));
    text(body).await.unwrap_err();
    assert_eq!(&*closed.cut[0].method, "GET");
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_peer_resets_is_counted_aborted_and_the_others_live() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(4096)).await;
    for path in ["/never", "/ticks", "/large"] {
        let answer = peer.request("GET", path).await;
        if path == "/never" {
            while fixture.transport.in_flight() == 0 {
                tokio::task::yield_now().await;
            }
            drop(answer);
        } else {
            drop(soon("a head", answer).await.unwrap());
        }
        at_rest(&fixture).await;
    }
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(4, 1, 0, 3));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_500_before_the_head_and_a_reset_stream_after_it() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(4096)).await;
    let (status, body) = peer.get("/panics").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, "Internal Server Error");
    let answer = peer.request("GET", "/panics-later").await;
    let error = match soon("an answer", answer).await {
        Ok(answer) => text(answer.into_body()).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    at_rest(&fixture).await;
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(3, 2, 0, 1));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn goaway_comes_in_the_first_half_of_the_lame_duck_and_to_newcomers_at_its_end() {
    let fixture = Fixture::in_memory(app());
    let mut old = Vec::new();
    for _ in 0..8 {
        old.push(Peer::over(fixture.dial(4096)).await);
    }
    tokio::task::yield_now().await;
    fixture.lame_duck(Duration::from_secs(10));
    tokio::task::yield_now().await;
    let newcomer = Peer::over(fixture.dial(4096)).await;
    let fixture_now = || fixture.now().as_nanos() / 1_000_000;
    let mut ended = futures_util::future::join_all(old.into_iter().map(
        |Peer { send, connection }| async move {
            connection.await.unwrap().unwrap();
            // Held until here: without it the client would leave by itself.
            drop(send);
            fixture_now()
        },
    ))
    .await;
    assert!(ended.iter().all(|at| *at <= 5002), "{ended:?}");
    ended.sort_unstable();
    ended.dedup();
    assert!(ended.len() > 4, "spread, not all at once: {ended:?}");
    advance(Duration::from_secs(4)).await;
    assert_eq!(newcomer.get("/").await.1, "Hello, World!");
    fixture.drain();
    newcomer.ended().await.unwrap();
    let closed = fixture.closed(9).await;
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn before_it_is_ready_the_server_tells_grpc_clients_that_it_is_unavailable() {
    let fixture = Fixture::without_listener(app(), Limits::default());
    let mut peer = Peer::over(fixture.dial(4096)).await;
    let request = http::Request::post("http://test/greeter.Greeter/SayHello")
        .header("content-type", "application/grpc+proto")
        .body(())
        .unwrap();
    let (answer, _) = peer.send.send_request(request, true).unwrap();
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(peer.get("/").await.0, StatusCode::SERVICE_UNAVAILABLE);
    fixture.transport.direct(&Directive::Serve);
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(3, 3, 0, 0));
    fixture.ends_clean().await;
}

#[test]
fn streams_on_many_threads_are_all_counted() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let fixture = Arc::new(Fixture::serving(app()).await);
        let done = Arc::new(Notify::new());
        let mut clients = Vec::new();
        for _ in 0..4 {
            let peer = Peer::over(fixture.connect().await).await;
            let paths = ["/", "/empty", "/trailers", "/nothing", "/large"];
            clients.push(beside(async move {
                for round in 0..100 {
                    peer.get(paths[round % paths.len()]).await;
                }
                peer
            }));
        }
        let mut peers = Vec::new();
        for client in clients {
            peers.push(soon("a client", client).await.unwrap());
        }
        at_rest(&fixture).await;
        done.notify_one();
        let mut never = Vec::new();
        for peer in &peers {
            for _ in 0..10 {
                never.push(peer.request("GET", "/never").await);
            }
        }
        while fixture.transport.in_flight() < 40 {
            tokio::task::yield_now().await;
        }
        fixture.drain();
        fixture.force();
        for answer in never {
            soon("a reset", answer).await.unwrap_err();
        }
        for number in 1..=4 {
            assert_eq!(fixture.closed(number).await.tally, tally(110, 100, 10, 0));
        }
        Arc::into_inner(fixture).unwrap().ends_clean().await;
    });
}

/// Answers what it is sent until the peer ends, or for as long as the server lets it.
fn tunnels() -> Router {
    Router::new().fallback(|request: axum::extract::Request| async move {
        let upgrading = hyper::upgrade::on(request);
        beside(async move {
            let mut io = TokioIo::new(upgrading.await.unwrap());
            let mut bytes = [0; 64];
            while let Ok(read @ 1..) = io.read(&mut bytes).await {
                io.write_all(&bytes[..read]).await.unwrap();
            }
        });
    })
}

/// The two ends of a tunnel that has carried a word.
async fn tunnel(peer: &Peer) -> (h2::SendStream<Bytes>, RecvStream) {
    let request = http::Request::connect("test:443").body(()).unwrap();
    let mut ready = peer.send.clone().ready().await.unwrap();
    let (answer, mut send) = ready.send_request(request, false).unwrap();
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut receive = answer.into_body();
    send.send_data(Bytes::from_static(b"word"), false).unwrap();
    let word = soon("a word", receive.data()).await.unwrap().unwrap();
    assert_eq!(&*word, b"word");
    (send, receive)
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_in_flight_until_it_ends_and_a_drain_waits_for_it() {
    let fixture = Fixture::in_memory(tunnels());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    let (mut send, receive) = tunnel(&peer).await;
    assert_eq!(fixture.transport.in_flight(), 1);
    fixture.drain();
    advance(Duration::from_secs(20)).await;
    send.send_data(Bytes::from_static(b"more"), true).unwrap();
    assert_eq!(soon("its end", text(receive)).await.unwrap(), "more");
    drop(send);
    peer.ended().await.unwrap();
    let closed = fixture.closed(1).await;
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_outlives_the_drain_is_cut_with_its_connection_and_named() {
    let fixture = Fixture::in_memory(tunnels());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    let (_send, mut receive) = tunnel(&peer).await;
    fixture.drain();
    fixture.force();
    let broken = soon("its end", receive.data()).await;
    assert!(matches!(broken, Some(Err(_))), "{broken:?}");
    let closed = fixture.closed(1).await;
    assert_eq!(closed.tally, tally(1, 0, 1, 0));
    assert_eq!(&*closed.cut[0].method, "CONNECT");
    drop(receive);
    drop(peer);
    fixture.ends_clean().await;
}
