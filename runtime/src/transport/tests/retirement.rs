//! Limits of age and of requests, as peers see them and as the books keep them.

use std::future::pending;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter_lifecycle::{Budget, ConnectionEnd};

use super::client::End;
use super::fixture::{Closed, Fixture, tally};
use super::frames::{ACK, ANY, Frames, GOAWAY, PING, RST_STREAM, frame, get as get_frame};
use super::http2::peer::app;
use crate::transport::{Limits, ShutdownSignal};

const AGE: Duration = Duration::from_secs(10);

fn requests(most: u64) -> Limits {
    Limits::default().max_requests_per_connection(Some(most))
}

fn aged() -> Limits {
    Limits::default().max_connection_age(Some(AGE))
}

fn in_memory(app: Router, limits: Limits) -> Fixture {
    Fixture::limited(app, limits, Budget::default())
}

/// Millis since the connection is old enough, or has to be: a tenth around its age.
#[track_caller]
fn at_age(fixture: &Fixture, later: u64) {
    let now = fixture.now().as_nanos() / 1_000_000;
    assert!((9_000 + later..=11_002 + later).contains(&now), "{now} ms");
}

fn retired(closed: &Closed, begun: u64) {
    assert_eq!(closed.end, ConnectionEnd::Retired);
    assert_eq!(closed.tally, tally(begun, begun, 0, 0));
}

#[tokio::test]
async fn the_answer_to_the_last_request_announces_the_close() {
    let fixture = Fixture::on_a_port(app(), requests(2), Budget::default()).await;
    let mut client = fixture.connect().await;
    client.get("/").await;
    let first = client.until("Hello, World!").await;
    assert!(!first.contains("connection"), "{first}");
    client.get("/").await;
    let (second, end) = client.rest().await;
    assert!(second.contains("\r\nconnection: close\r\n"), "{second}");
    assert!(second.ends_with("Hello, World!"), "{second}");
    assert_eq!(end, End::Fin);
    retired(&fixture.closed(1).await, 2);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn the_last_stream_brings_goaway_in_two_steps_and_those_between_are_served() {
    let fixture = Fixture::on_a_port(app(), requests(2), Budget::default()).await;
    let mut frames = Frames::over(fixture.connect().await).await;
    frames.send(get_frame(1, "/")).await;
    frames.answered(1).await;
    frames.send(get_frame(3, "/draining")).await;
    assert_eq!(frames.until(GOAWAY).await.word(0), ANY);
    let ping = frames.until(PING).await;
    frames.send(get_frame(5, "/")).await;
    frames.answered(5).await;
    frames.send(frame(PING, ACK, 0, &ping.payload)).await;
    assert_eq!(frames.until(GOAWAY).await.word(0), 5);
    // A stop finds it told already, and lets its last stream finish.
    fixture.drain();
    let rest = frames.rest().await;
    assert!(rest.iter().all(|frame| frame.kind != GOAWAY), "{rest:?}");
    assert!(
        rest.iter()
            .any(|frame| frame.stream == 3 && frame.ends_stream())
    );
    retired(&fixture.closed(1).await, 3);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_is_told_at_its_age_and_closes_after_its_last_stream() {
    let fixture = in_memory(app(), aged());
    let mut frames = Frames::over(fixture.dial(4096)).await;
    frames.send(get_frame(1, "/")).await;
    frames.answered(1).await;
    assert_eq!(frames.until(GOAWAY).await.word(0), ANY);
    at_age(&fixture, 0);
    let ping = frames.until(PING).await;
    frames.send(frame(PING, ACK, 0, &ping.payload)).await;
    assert_eq!(frames.until(GOAWAY).await.word(0), 1);
    assert_eq!(frames.rest().await, []);
    at_age(&fixture, 0);
    retired(&fixture.closed(1).await, 1);
    assert!(!fixture.signal.is_draining());
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_http1_connection_in_use_is_told_by_the_next_answer() {
    let fixture = in_memory(app(), aged());
    let mut client = fixture.dial(4096);
    let mut begun = 0;
    // Never idle for a second, so nothing is lost.
    let last = loop {
        client.get("/").await;
        begun += 1;
        let answer = client.until("Hello, World!").await;
        if answer.contains("\r\nconnection: close\r\n") {
            break answer;
        }
        tokio::time::advance(Duration::from_millis(900)).await;
    };
    assert!(last.starts_with("HTTP/1.1 200 "), "{last}");
    // The request before may have been just too early.
    let now = fixture.now().as_nanos() / 1_000_000;
    assert!((9_000..=11_902).contains(&now), "{now} ms");
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    retired(&fixture.closed(1).await, begun);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_http1_connection_out_of_use_is_closed_a_second_later() {
    let fixture = in_memory(app(), aged());
    let mut client = fixture.dial(4096);
    client.get("/").await;
    client.until("Hello, World!").await;
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    at_age(&fixture, 1_000);
    retired(&fixture.closed(1).await, 1);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn work_is_waited_for_and_not_told_of_a_stop_that_there_is_none() {
    let app = Router::new().route(
        "/",
        get(|signal: ShutdownSignal| async move {
            let long = signal.until_draining(pending::<()>());
            let told = tokio::time::timeout(AGE * 100, long).await.is_ok();
            if told { "told" } else { "untold" }
        }),
    );
    let fixture = in_memory(app, aged());
    let mut client = fixture.dial(4096);
    client.get("/").await;
    // Longer than any other wait of these tests.
    let (answer, end) = client.rest_within(AGE * 200).await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("untold") && end == End::Fin, "{answer}");
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn what_outlives_the_grace_is_cut_and_counted_with_nobody_stopping() {
    let limits = aged().max_connection_age_grace(Some(Duration::from_secs(2)));
    let fixture = in_memory(app(), limits);
    let mut client = fixture.dial(4096);
    client.get("/never").await;
    let mut frames = Frames::over(fixture.dial(4096)).await;
    frames.send(get_frame(1, "/never")).await;
    assert_eq!(client.rest().await, (String::new(), End::Reset));
    at_age(&fixture, 2_000);
    let reset = frames.until(RST_STREAM).await;
    assert_eq!((reset.stream, reset.word(0)), (1, 8), "CANCEL");
    at_age(&fixture, 2_000);
    for number in [1, 2] {
        let closed = fixture.closed(number).await;
        assert_eq!(closed.end, ConnectionEnd::Cut);
        assert_eq!(closed.tally, tally(1, 0, 1, 0));
        assert_eq!(&*closed.cut[0].method, "GET");
    }
    assert!(!fixture.signal.is_cancelled());
    fixture.ends_clean().await;
}
