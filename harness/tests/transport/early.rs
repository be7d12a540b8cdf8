//! Answers that are there before the whole of an HTTP/2 request: no reset follows them on their heels.

use lamplighter::ConnectionEnd::Graceful;
use lamplighter_harness::{Manners, Seen};

use crate::secs;
use crate::stage::Stage;

/// One that no route takes, and one that a route does not take by POST.
const REFUSED: [(&str, u16); 2] = [("/nowhere", 404), ("/", 405)];

const NO_ERROR: u32 = 0;

#[tokio::test(start_paused = true)]
async fn who_is_answered_before_its_body_may_send_that_all_the_same() {
    let stage = Stage::running().await;
    let mut probe = stage.http2(Manners::Polite).await;
    for (path, status) in REFUSED {
        let stream = probe.open_upload(path).await.unwrap();
        let known = probe.streamed(stream).await;
        assert_eq!((known.status, known.ended), (Some(status), true));
        probe
            .send_data(stream, b"light the lamps", true)
            .await
            .unwrap();
    }
    drop(stage.stop());
    assert_eq!(probe.end().await, Seen::Fin);
    let reset = |seen: &&Seen| matches!(seen, Seen::Reset { .. });
    assert_eq!(probe.seen().iter().find(reset), None);
    stage.over().await.ended([Graceful]).answered(2).at_once();
}

#[tokio::test(start_paused = true)]
async fn who_never_sends_its_body_is_asked_not_to_and_holds_up_no_stop() {
    let mut stage = Stage::running().await;
    let mut probe = stage.http2(Manners::Polite).await;
    for (number, (path, _)) in REFUSED.into_iter().enumerate() {
        let stream = probe.open_upload(path).await.unwrap();
        assert!(probe.streamed(stream).await.ended);
        assert_eq!(stage.handle.in_flight(), 0);
        // A second for the first of them; the other one is there at the stop.
        if number == 0 {
            stage.passes(secs(1)).await;
            let reset = |seen: &Seen| matches!(seen, Seen::Reset { code: NO_ERROR, .. });
            probe.until("a reset", reset).await;
        }
    }
    drop(stage.stop());
    assert_eq!(probe.end().await, Seen::Fin);
    stage.over().await.ended([Graceful]).answered(2).at_once();
}
