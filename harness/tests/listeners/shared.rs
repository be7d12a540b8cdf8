//! Listeners that somebody else holds as well (law 20).

use std::io::{Read, Write};
use std::net::TcpListener;

use lamplighter::Bind;
use lamplighter_harness::{Gate, Probe, Recorder, within};

use super::{ask, connect, held, hello, started, stopped, tcp};

/// A listener, and the clone of it that somebody else holds.
fn two_holders() -> (TcpListener, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let clone = listener.try_clone().unwrap();
    (listener, clone)
}

/// The other holder accepts, and answers the request that comes.
async fn serves(other: TcpListener, mut client: Probe) {
    // A holder that does not poll makes it blocking for itself, as every program does at its start.
    other.set_nonblocking(false).unwrap();
    let served = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = other.accept().unwrap();
        let mut head = [0; 1024];
        let length = stream.read(&mut head).unwrap();
        assert!(head[..length].starts_with(b"GET /"));
        let answer = b"HTTP/1.1 418 \r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
        other
    });
    let answer = client.answer().await;
    assert_eq!(answer.status(), 418, "{answer:?}");
    within("the other holder", served).await.unwrap();
}

#[tokio::test]
async fn a_shared_listener_works_for_its_other_holder_after_the_stop() {
    let (ours, other) = two_holders();
    // To be left alone means no filter either, whatever is asked for.
    let bind = Bind::from(ours).shared().refuse_new_at_stop();
    let running = started(hello().listen(bind)).await;
    let addr = tcp(running.addr());
    let (probe, answer) = ask(addr, "/").await;
    assert_eq!(answer.status(), 200);
    drop(probe);
    assert!(stopped(running).await.is_clean());
    let mut client = connect(addr).await;
    client.request("/").await.unwrap();
    serves(other, client).await;
}

#[tokio::test]
async fn what_waits_in_a_shared_queue_is_left_to_the_other_holder() {
    let gate = Gate::new();
    let (ours, other) = two_holders();
    let server = held(&gate).listen(Bind::from(ours).shared());
    let mut recorder = Recorder::attach(&server);
    let running = started(server).await;
    let addr = tcp(running.addr());
    let mut working = connect(addr).await;
    working.request("/held").await.unwrap();
    gate.reached(1).await;
    // In the queue as the stop begins: nothing has run since it came.
    let queued = std::net::TcpStream::connect(addr).unwrap();
    let stop = running.stop();
    recorder.until("listeners closed").await;
    let (_, peer) = other.accept().unwrap();
    assert_eq!(peer, queued.local_addr().unwrap());
    // The server still works, and the door is the other's alone.
    let mut client = connect(addr).await;
    client.request("/").await.unwrap();
    serves(other, client).await;
    gate.open();
    assert_eq!(working.answer().await.status(), 200);
    let report = within("the end", stop).await;
    assert_eq!(report.connections().accepted, 1, "{report}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_filter_of_an_owned_listener_is_gone_with_it_even_if_somebody_holds_it_after_all() {
    let (ours, other) = two_holders();
    let bind = Bind::from(ours).refuse_new_at_stop();
    let running = started(hello().listen(bind)).await;
    let addr = tcp(running.addr());
    assert_eq!(ask(addr, "/").await.1.status(), 200);
    assert!(stopped(running).await.is_clean());
    let mut client = connect(addr).await;
    client.request("/").await.unwrap();
    serves(other, client).await;
}
