//! What an account says of the requests in flight that nobody else knows: blocked in their first poll.

use axum::Router;
use http::Method;
use lamplighter_lifecycle::Protocol;

use crate::transport::in_flight::{By, Exchange};
use crate::transport::limits::Limits;
use crate::transport::tests::fixture::Fixture;

#[tokio::test]
async fn each_stream_that_is_stuck_has_its_own_method_whatever_came_behind_it() {
    let fixture = Fixture::without_listener(Router::new(), Limits::default());
    let (account, _token) = fixture.account(Protocol::Http2);
    let stuck = Exchange::begin(&account, &Method::GET);
    let other = Exchange::begin(&account, &Method::POST);
    let also_stuck = Exchange::begin(&account, &Method::DELETE);
    other.finish();
    other.settle(By::Stream);
    let said: Vec<String> = account
        .work()
        .iter()
        .map(|work| work.method.to_string())
        .collect();
    // The last is the one that is answered, whose bytes are not with the kernel yet.
    assert_eq!(
        said.get(..2).unwrap_or_default(),
        ["GET", "DELETE"],
        "{said:?}"
    );
    drop((stuck, also_stuck));
}
