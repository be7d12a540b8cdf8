//! What an account says of the requests in flight that nobody else knows: blocked in their first poll, or
//! with nobody who attends to them any more.

use std::sync::Arc;

use axum::Router;
use http::Method;
use lamplighter_lifecycle::Protocol;
use tokio_test::task::spawn;

use crate::transport::body::{Held, Hold};
use crate::transport::flag;
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

#[tokio::test]
async fn what_nobody_wants_is_awaited_as_long_as_a_task_attends_to_it_and_no_longer() {
    let fixture = Fixture::without_listener(Router::new(), Limits::default());
    let (account, _token) = fixture.account(Protocol::Http2);
    account.raise(flag::DRAINING);
    let mut task = spawn(());
    task.enter(|cx, _| account.remember(cx.waker()));
    // The frames know of no stream that wants an answer.
    let exchange = Arc::new(Exchange::begin(&account, &Method::GET));
    let chunk = Arc::clone(&exchange);
    let held = Held::new(Hold::Shared(exchange));
    assert_eq!(account.awaited_work(), 1);
    assert!(!task.is_woken());
    drop(held);
    // A part of its answer is with h2, and nobody says more of it.
    assert!(task.is_woken());
    assert_eq!((account.in_flight(), account.awaited_work()), (1, 0));
    account.wanted().begins(1);
    assert_eq!(account.awaited_work(), 1);
    Exchange::settle_last(chunk, By::Connection);
    assert_eq!(account.in_flight(), 0);
}

#[tokio::test]
async fn a_tunnel_is_awaited_though_its_answer_has_ended_and_infrastructure_is_not() {
    let fixture = Fixture::without_listener(Router::new(), Limits::default());
    let (account, _token) = fixture.account(Protocol::Http2);
    let tunnel = Arc::new(Exchange::begin(&account, &Method::CONNECT));
    tunnel.tunnel();
    let carried = Held::new(Hold::Shared(Arc::clone(&tunnel)));
    let head = Held::new(Hold::Shared(tunnel));
    drop(head);
    assert_eq!(account.awaited_work(), 1);
    let check = Exchange::begin(&account, &Method::POST);
    check.serves_infrastructure();
    assert_eq!((account.in_flight(), account.awaited_work()), (2, 1));
    drop(carried);
    assert_eq!((account.in_flight(), account.awaited_work()), (1, 0));
    check.settle(By::Stream);
}
