//! Connections that are over, and whose sockets stay until their peers have what was sent.

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use lamplighter_lifecycle::{ConnectionEnd, Instant};
use tokio::io::AsyncWriteExt;
use tokio::time::advance;

use super::client::{Client, End};
use super::fixture::{Fixture, soon, tally};
use super::frames::{
    ACK, DATA, Frames, GOAWAY, PING, SETTINGS, frame, get as get_frame, post as post_frame,
};

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/deaf", post(|| async { "no, thank you" }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
}

/// More than a peer with little room takes before it reads, and no more than the kernel takes for it.
const LARGE: usize = 24 * 1024;

/// The head of an upload, and as much of it as a client sends before it looks for an answer.
async fn upload(client: &mut Client) {
    client
        .send("POST /deaf HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000\r\n\r\n")
        .await;
    client.send(vec![b'x'; 48 * 1024]).await;
}

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

/// Sends until nobody takes it any more; how much was taken.
async fn flood(client: Client) -> usize {
    let mut stream = client.into_stream();
    let mut taken = 0;
    while let Ok(more) = soon("room", stream.write(&[b'x'; 1000])).await {
        taken += more;
    }
    taken
}

#[tokio::test]
async fn an_early_answer_arrives_though_its_client_goes_on_sending() {
    let fixture = Fixture::serving(app()).await;
    for number in 1..=20 {
        let mut client = fixture.connect().await;
        upload(&mut client).await;
        // Counted and closed: nothing is in flight while it lingers.
        let closed = fixture.closed(number).await;
        assert_eq!(closed.tally, tally(1, 1, 0, 0));
        assert_eq!(fixture.transport.open_connections(), 0);
        client.send(vec![b'x'; 8 * 1024]).await;
        client.finish().await;
        let (answer, end) = client.rest().await;
        assert!(answer.ends_with("no, thank you"), "{number}: {answer}");
        assert_eq!(end, End::Fin, "{number}");
        fixture.lingered(number).await;
    }
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_stops_sending_is_read_for_64_kib() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(1000);
    client
        .send("POST /deaf HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000\r\n\r\n")
        .await;
    fixture.lingers(1).await;
    let taken = flood(client).await;
    // What the pipe holds comes on top.
    assert!((65_536..=66_536).contains(&taken), "{taken}");
    fixture.lingered(1).await;
    assert_eq!(fixture.now(), at(0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_neither_sends_nor_ends_is_waited_for_a_second() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(64 * 1024);
    upload(&mut client).await;
    fixture.lingers(1).await;
    fixture.lingered(1).await;
    let waited = fixture.now().as_nanos() / 1_000_000;
    assert!((1000..=1001).contains(&waited), "{waited} ms");
    assert_eq!(client.rest().await.1, End::Fin);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_client_that_resets_is_not_waited_for() {
    let fixture = Fixture::serving(app()).await;
    let mut client = fixture.connect().await;
    upload(&mut client).await;
    fixture.lingers(1).await;
    let socket = client.into_tcp();
    socket2::SockRef::from(&socket)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    let before = fixture.now();
    drop(socket);
    fixture.lingered(1).await;
    // It would have had a second.
    assert!(fixture.now().since(before) < Duration::from_millis(900));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn while_serving_no_more_than_512_linger_and_the_next_is_closed_at_once() {
    let fixture = Fixture::in_memory(app());
    let mut clients = Vec::new();
    for _ in 0..512 {
        let mut client = fixture.dial(64 * 1024);
        upload(&mut client).await;
        clients.push(client);
    }
    fixture.lingers(512).await;
    let mut client = fixture.dial(64 * 1024);
    upload(&mut client).await;
    fixture.closed(513).await;
    assert_eq!(client.rest().await.1, End::Fin);
    assert_eq!(fixture.lingering().0.len(), 512);
    // One that leaves makes room.
    drop(clients.pop());
    fixture.lingers(511).await;
    let mut client = fixture.dial(64 * 1024);
    upload(&mut client).await;
    fixture.lingers(512).await;
    drop(client);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn while_serving_nobody_lingers_who_has_sent_no_more_than_was_read() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client
        .send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await;
    let (answer, end) = client.rest().await;
    assert!(answer.ends_with("Hello, World!"), "{answer}");
    assert_eq!(end, End::Fin);
    fixture.closed(1).await;
    assert_eq!(fixture.lingering(), (vec![], vec![]));
    assert_eq!(fixture.now(), at(0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn in_a_stop_an_answered_connection_lingers_until_its_peer_has_ended() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    fixture.lame_duck(Duration::from_secs(5));
    client.get("/").await;
    client.until("Hello, World!").await;
    // Nobody can tell whether a pipe in memory is acknowledged.
    fixture.lingers(1).await;
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Graceful);
    advance(Duration::from_millis(300)).await;
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    fixture.lingered(1).await;
    assert_eq!(fixture.now(), at(300));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn in_a_stop_goaway_is_waited_for_also_where_it_crosses_the_first_request_of_all() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(4096)).await;
    fixture.drain();
    frames.until(GOAWAY).await;
    let ping = frames.until(PING).await;
    frames.send(frame(PING, ACK, 0, &ping.payload)).await;
    fixture.lingers(1).await;
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Graceful);
    // Sent before its peer knows, and neither lost in a reset nor begun.
    frames.send(get_frame(1, "/")).await;
    assert_eq!(frames.until(GOAWAY).await.word(0), 0);
    let mut client = frames.into_client();
    client.finish().await;
    assert_eq!(client.rest().await.1, End::Fin);
    fixture.lingered(1).await;
    assert_eq!(fixture.now(), at(0));
    assert_eq!(fixture.closed(1).await.tally, tally(0, 0, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn in_a_stop_nobody_lingers_to_whom_nothing_was_said() {
    let fixture = Fixture::in_memory(app());
    let client = fixture.dial(4096);
    fixture.opened(1).await;
    advance(Duration::from_millis(100)).await;
    fixture.drain();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Silent);
    assert_eq!(fixture.lingering(), (vec![], vec![]));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn in_a_stop_an_idle_connection_does_not_linger_where_nobody_can_tell() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client.get("/").await;
    client.until("Hello, World!").await;
    fixture.drain();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Idle);
    assert_eq!(fixture.lingering(), (vec![], vec![]));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn lingering_is_ended_from_above_at_once_and_for_good() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(64 * 1024);
    upload(&mut client).await;
    fixture.lingers(1).await;
    let mut late = fixture.dial(64 * 1024);
    fixture.transport.end_linger();
    fixture.lingered(1).await;
    upload(&mut late).await;
    fixture.closed(2).await;
    assert_eq!(fixture.lingering(), (vec![], vec![1]));
    assert_eq!(fixture.now(), at(0));
    fixture.ends_clean().await;
}

#[cfg(target_os = "linux")]
mod acknowledged {
    use super::*;
    use std::net::SocketAddr;
    use tokio::net::TcpSocket;

    /// Whether the kernel holds anything that was sent from here to there, as `proc_net_tcp` has it.
    fn unsent(from: SocketAddr, to: SocketAddr) -> bool {
        let ports = [from, to].map(|addr| format!(":{:04X}", addr.port()));
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        // `sl local_address rem_address st tx_queue:rx_queue …`
        table.lines().any(|row| {
            let fields: Vec<&str> = row.split_whitespace().collect();
            let ends = fields[1..].iter().zip(&ports);
            ends.take(2).all(|(field, port)| field.ends_with(port))
                && !fields[4].starts_with("00000000:")
        })
    }

    /// Waits until the kernel of this client has acknowledged all that the server sent.
    async fn acknowledged(fixture: &Fixture, client: Client) -> Client {
        let socket = client.into_tcp();
        let ours = socket.local_addr().unwrap();
        soon("an acknowledgement", async {
            while unsent(fixture.addr(), ours) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Client::of_tcp(socket)
    }

    #[tokio::test]
    async fn in_a_stop_an_idle_connection_with_everything_acknowledged_is_closed_at_once() {
        let fixture = Fixture::serving(app()).await;
        let mut clients = Vec::new();
        for _ in 0..10 {
            let mut client = fixture.connect().await;
            client.get("/").await;
            client.until("Hello, World!").await;
            clients.push(acknowledged(&fixture, client).await);
        }
        fixture.drain();
        for number in 1..=10 {
            assert_eq!(fixture.closed(number).await.end, ConnectionEnd::Idle);
        }
        soon("the end of all tasks", fixture.tasks.ended()).await;
        assert_eq!(fixture.lingering(), (vec![], vec![]));
        // None of them has ended its side.
        for client in clients {
            assert_eq!(client.rest().await, (String::new(), End::Fin));
        }
    }

    #[tokio::test]
    async fn in_a_stop_an_answer_that_is_still_fetched_lingers_until_it_has_arrived() {
        still_fetched(false).await;
    }

    #[tokio::test]
    async fn so_it_does_for_a_client_that_has_ended_its_side_behind_its_request() {
        still_fetched(true).await;
    }

    /// With so little room at its end, what it has not read is in the server's kernel.
    async fn client_with_little_room(fixture: &Fixture) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        let stream = socket.connect(fixture.addr()).await.unwrap();
        Client::of_tcp(stream.into_std().unwrap())
    }

    async fn still_fetched(ends_its_side: bool) {
        let fixture = Fixture::serving(app()).await;
        let mut client = client_with_little_room(&fixture).await;
        client.get("/large").await;
        if ends_its_side {
            client.finish().await;
        }
        let head = client.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        fixture.drain();
        let closed = fixture.closed(1).await.end;
        let knows = if ends_its_side {
            ConnectionEnd::PeerClosed
        } else {
            ConnectionEnd::Idle
        };
        assert_eq!(closed, knows);
        fixture.lingers(1).await;
        let (rest, end) = client.rest().await;
        assert_eq!((rest.len(), end), (LARGE, End::Fin));
        fixture.lingered(1).await;
        fixture.ends_clean().await;
    }

    #[tokio::test]
    async fn requests_that_nobody_wants_take_no_answer_along_that_is_still_fetched() {
        let fixture = Fixture::serving(app()).await;
        let mut client = client_with_little_room(&fixture).await;
        fixture.lame_duck(Duration::from_secs(60));
        client.get("/large").await;
        // Pipelined behind the answer that closes: more than is read of what nobody wants.
        client
            .send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n")
            .await;
        fixture.lingers(1).await;
        client.send(vec![b'x'; 128 * 1024]).await;
        let (answer, _) = client.rest().await;
        let body = answer.find("\r\n\r\n").map(|at| answer.len() - at - 4);
        assert_eq!(body, Some(LARGE));
        fixture.lingered(1).await;
        fixture.ends_clean().await;
    }

    #[tokio::test]
    async fn an_upload_that_nobody_wants_takes_no_answer_along_that_is_still_fetched() {
        const WINDOW_UPDATE: u8 = 8;
        /// What h2 puts into the PING of a graceful close.
        const PONG: [u8; 8] = [0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54];
        let fixture = Fixture::serving(app()).await;
        let mut frames = Frames::over(client_with_little_room(&fixture).await).await;
        // SETTINGS_INITIAL_WINDOW_SIZE, and the connection's.
        let window = (32 * 1024 * 1024_u32).to_be_bytes();
        let wide = [&[0, 4][..], &window].concat();
        frames.send(frame(SETTINGS, 0, 0, &wide)).await;
        frames.send(frame(WINDOW_UPDATE, 0, 0, &window)).await;
        frames.send(get_frame(1, "/large")).await;
        let read = frames.until(DATA).await.payload.len();
        soon("the kernel to have all of the answer", async {
            while fixture.transport.in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        fixture.drain();
        // Unread, the PING is not seen here, and answered blindly.
        soon("the connection to linger", async {
            while fixture.lingering().0.is_empty() {
                frames.send(frame(PING, ACK, 0, &PONG)).await;
                tokio::task::yield_now().await;
            }
        })
        .await;
        frames.send(post_frame(3, "/deaf")).await;
        for _ in 0..20 {
            frames.send(frame(DATA, 0, 3, &[0; 16 * 1024])).await;
        }
        let rest = frames.rest().await;
        let data = rest.iter().filter(|frame| frame.kind == DATA);
        let rest: usize = data.map(|frame| frame.payload.len()).sum();
        assert_eq!(read + rest, LARGE);
        drop(frames);
        fixture.lingered(1).await;
        fixture.ends_clean().await;
    }

    #[tokio::test]
    async fn an_answer_that_is_still_fetched_lingers_into_a_stop_that_begins_behind_it() {
        let fixture = Fixture::serving(app()).await;
        let mut client = client_with_little_room(&fixture).await;
        client.get("/large").await;
        client.finish().await;
        client.until("\r\n\r\n").await;
        assert_eq!(fixture.closed(1).await.end, ConnectionEnd::PeerClosed);
        fixture.lingers(1).await;
        fixture.drain();
        let (rest, end) = client.rest().await;
        assert_eq!((rest.len(), end), (LARGE, End::Fin));
        fixture.lingered(1).await;
        fixture.ends_clean().await;
    }

    #[tokio::test]
    async fn an_answered_client_that_keeps_its_side_open_is_let_go_once_it_has_everything() {
        let fixture = Fixture::serving(app()).await;
        let mut client = fixture.connect().await;
        fixture.lame_duck(Duration::from_secs(60));
        client.get("/").await;
        client.until("Hello, World!").await;
        let client = acknowledged(&fixture, client).await;
        assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Graceful);
        // Its side is open, and nothing but the acknowledgement can end this before a second.
        let before = fixture.now();
        soon("the end of the lingering", async {
            while !fixture.lingering().0.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(fixture.now().since(before) < Duration::from_millis(900));
        drop(client);
        fixture.ends_clean().await;
    }
}

#[tokio::test]
async fn aborted_tasks_leave_nothing_that_lingers() {
    let fixture = Fixture::serving(app()).await;
    let mut client = fixture.connect().await;
    client.get("/").await;
    client.until("Hello, World!").await;
    fixture.transport.abort();
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Idle);
    assert_eq!(fixture.lingering(), (vec![], vec![]));
    fixture.ends_clean().await;
}
