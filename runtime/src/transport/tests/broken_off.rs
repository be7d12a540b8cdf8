//! Whose fault it is that the body of an HTTP/2 answer breaks off: the moments that no client can time.

use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use http::Method;
use http_body::Body;
use lamplighter_lifecycle::Protocol;
use tokio::sync::mpsc;
use tokio_test::task;
use tokio_test::{assert_pending, assert_ready};

use crate::transport::account::Account;
use crate::transport::body::{AnswerBody, Hold};
use crate::transport::flag;
use crate::transport::in_flight::Exchange;
use crate::transport::limits::Limits;
use crate::transport::tests::fixture::Fixture;

/// What happens between the first piece of an answer and the error behind it.
type Between = fn(&Account);

/// How many answers fail by the application's fault, of one that breaks off over a stream's end.
fn failed(method: Method, has_upload: bool, between: Between) -> u64 {
    let fixture = Fixture::without_listener(Router::new(), Limits::default());
    let (account, _token) = fixture.account(Protocol::Http2);
    // Of long ago.
    account.broken.request_breaks();
    let exchange = Exchange::begin(&account, &method).with_upload(has_upload);
    let (sends, mut pieces) = mpsc::unbounded_channel();
    let pieces = futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx));
    let hold = Hold::Shared(Arc::new(exchange));
    let body = AnswerBody::application(AxumBody::from_stream(pieces), hold, false);
    let mut body = pin!(body);
    let is_piece = |frame: Option<Result<_, _>>| frame.map(|frame| frame.is_ok());
    let mut next = task::spawn(std::future::poll_fn(|cx| {
        body.as_mut().poll_frame(cx).map(is_piece)
    }));
    sends.send(Ok("half")).unwrap();
    assert_eq!(assert_ready!(next.poll()), Some(true));
    assert_pending!(next.poll());
    between(&account);
    let reset = h2::Error::from(h2::Reason::CANCEL);
    sends.send(Err(std::io::Error::other(reset))).unwrap();
    assert_eq!(assert_ready!(next.poll()), Some(false));
    account.tally().failed
}

#[tokio::test]
async fn a_broken_answer_is_its_clients_fault_only_if_something_of_the_client_broke_by_then() {
    let breaks: [Between; 4] = [
        |account| account.broken.request_breaks(),
        |account| account.broken.connection_breaks(),
        |account| account.raise(flag::PEER_ENDED),
        |account| account.falls_silent(),
    ];
    for between in breaks {
        assert_eq!(failed(Method::POST, true, between), 0);
        // It was there as a whole.
        assert_eq!(failed(Method::GET, false, between), 1);
    }
    assert_eq!(failed(Method::POST, true, |_| {}), 1);
}
