//! What befalls lines, hosts and clocks, seen from both ends of a connection.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use super::stage::{Stage, Tell, accepted};
use super::{WINDOW, millis};
use crate::host::Dial;

#[test]
fn what_is_held_is_late_and_what_is_parted_is_lost() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        tell.read(&mut io).await;
    });
    stage.client(1, |dial, _| async move {
        let mut io = dial.dial().await.unwrap();
        loop {
            io.write_all(b"abcd").await.unwrap();
            sleep(millis(10)).await;
        }
    });
    stage.after(20);
    stage.hosts.hold(1);
    let held = stage.after(20);
    assert_eq!(held, ["   7 server 4", "  17 server 4"]);
    stage.hosts.release(1);
    let released = stage.after(9);
    assert_eq!(released[held.len()..], ["  40 server 8", "  47 server 4"]);
    stage.hosts.partition(1);
    assert_eq!(stage.after(100), released);
}

#[test]
fn an_end_that_is_held_back_breaks_no_writer() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        tell.sent(&io.write_all(&vec![0; 2 * WINDOW]).await);
    });
    stage.client(1, |dial, _| async move {
        drop(dial.dial().await.unwrap());
        std::future::pending().await
    });
    stage.after(6);
    stage.hosts.hold(1);
    assert_eq!(stage.after(50), [""; 0]);
    stage.hosts.release(1);
    assert_eq!(stage.after(50), ["  56 server connection reset"]);
}

#[test]
fn a_client_that_crashes_leaves_what_its_kernel_says() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        tell.read(&mut io).await;
    });
    stage.client(0, |dial, tell| async move {
        let mut io = dial.dial().await.unwrap();
        io.write_all(b"abc").await.unwrap();
        sleep(millis(100)).await;
        tell.say("lives");
    });
    stage.after(20);
    stage.hosts.crash(0);
    assert_eq!(stage.after(200), ["   7 server 3", "  22 server fin"]);
}

async fn told_by_clock(tell: Tell, every: Duration) {
    loop {
        sleep(every).await;
        tell.say("tick");
    }
}

#[test]
fn a_jump_moves_the_servers_clock_alone() {
    let mut stage = Stage::new();
    stage.server(|_, tell| told_by_clock(tell, millis(100)));
    stage.client(0, |_, tell| told_by_clock(tell, millis(100)));
    stage.after(50);
    stage.hosts.jump(millis(30));
    assert_eq!(stage.after(60), ["  70 server tick", " 101 client tick"]);
}

#[test]
fn after_a_freeze_everything_that_was_due_comes_at_once() {
    let mut stage = Stage::new();
    stage.server(|mut listener, tell| async move {
        let mut io = accepted(&mut listener).await;
        tell.read(&mut io).await;
    });
    stage.client(0, |dial, tell| async move {
        let mut io = dial.dial().await.unwrap();
        sleep(millis(15)).await;
        io.write_all(b"abc").await.unwrap();
        sleep(millis(30)).await;
        tell.say("woke");
    });
    stage.after(21);
    stage.hosts.freeze(1000);
    assert_eq!(
        stage.after(4),
        ["1021 client woke", "1021 server 3", "1023 server fin"]
    );
    assert_eq!(stage.clock.now(), millis(1024));
}

#[test]
fn a_panic_on_a_host_ends_the_simulation() {
    let mut stage = Stage::new();
    stage.client(0, |_, _| async move {
        sleep(millis(10)).await;
        std::panic::resume_unwind(Box::new("a client that is wrong"));
    });
    stage.after(10);
    let broken = (0..10).find_map(|_| {
        let stepped = stage.hosts.step();
        stage.hosts.tick();
        stepped.err()
    });
    let broken = broken.unwrap();
    assert!(broken.contains("a client that is wrong"), "{broken}");
}
