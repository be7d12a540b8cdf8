//! What those who wait for a value see of it, and in which order.

use tokio_test::task::spawn;
use tokio_test::{assert_pending, assert_ready};

use super::*;

#[test]
fn whoever_waits_is_woken_in_the_order_in_which_the_waits_began() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let order = runtime.unwrap().block_on(async {
        let (sender, receiver) = channel(false);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let tasks = tokio::task::LocalSet::new();
        for number in 0..32 {
            let (mut receiver, woken) = (receiver.clone(), Arc::clone(&woken));
            tasks.spawn_local(async move {
                assert!(receiver.wait_for(|value| *value).await.is_ok());
                woken.lock().unwrap().push(number);
            });
        }
        tasks.spawn_local(async move { sender.send_replace(true) });
        tasks.await;
        Arc::into_inner(woken).unwrap().into_inner().unwrap()
    });
    assert_eq!(order, (0..32).collect::<Vec<_>>());
}

#[test]
fn a_value_that_is_so_already_is_not_waited_for() {
    let (sender, mut receiver) = channel(1);
    assert_eq!(sender.send_replace(2), 1);
    let mut wait = spawn(receiver.wait_for(|value| *value == 2));
    assert_eq!(*assert_ready!(wait.poll()).unwrap(), 2);
}

#[test]
fn a_change_wakes_whoever_waits_for_it_and_another_one_does_not_end_the_wait() {
    let (sender, mut receiver) = channel(1);
    let mut wait = spawn(receiver.wait_for(|value| *value == 3));
    assert_pending!(wait.poll());
    sender.send_modify(|value| *value += 1);
    assert!(wait.is_woken());
    assert_pending!(wait.poll());
    assert!(!sender.send_if_modified(|_| false));
    assert!(!wait.is_woken());
    sender.send_modify(|value| *value += 1);
    assert!(wait.is_woken());
    assert_eq!(*assert_ready!(wait.poll()).unwrap(), 3);
}

#[test]
fn a_change_is_seen_once_and_one_from_before_the_subscription_never() {
    let sender = Sender::new(1);
    sender.send_replace(2);
    let mut receiver = sender.subscribe();
    assert_pending!(spawn(receiver.changed()).poll());
    sender.send_replace(3);
    assert_eq!(assert_ready!(spawn(receiver.changed()).poll()), Ok(()));
    assert_pending!(spawn(receiver.changed()).poll());
    sender.send_replace(4);
    assert_eq!(*receiver.borrow(), 4);
    assert_eq!(*sender.borrow(), 4);
    assert_eq!(assert_ready!(spawn(receiver.changed()).poll()), Ok(()));
}

#[test]
fn the_end_of_the_sender_ends_every_wait_that_can_only_be_in_vain() {
    let (sender, mut receiver) = channel(1);
    let mut waits = receiver.clone();
    let mut wait = spawn(waits.wait_for(|value| *value == 2));
    assert_pending!(wait.poll());
    drop(sender);
    assert!(wait.is_woken());
    assert!(assert_ready!(wait.poll()).is_err());
    assert_eq!(assert_ready!(spawn(receiver.changed()).poll()), Err(Gone));
    assert!(assert_ready!(spawn(receiver.wait_for(|value| *value == 1)).poll()).is_ok());
}
