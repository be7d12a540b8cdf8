//! Loopback addresses of one's own, for tests that look whether nobody listens any more.
//!
//! A port that a server has let go of is anybody's: the tests beside it take free ports of 127.0.0.1 all
//! the time, and one of them may get the very one that was just given back.
//!
//! **Invariant:** nothing is bound here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

static GIVEN: AtomicU32 = AtomicU32::new(0);

/// A free port of a loopback address that nobody else was given: another one for each call, and none that
/// another process which is alive now has from here.
///
/// Listen there, and whoever connects after the server's end is refused for sure; at 127.0.0.1 it may be
/// another test that accepts. 250 addresses are there per process, then they begin anew, by which time
/// the first ones are hardly in use; some 60 000 processes have addresses of their own.
///
/// On Linux all of 127.0.0.0/8 is the loopback's (RFC 1122, 3.2.1.3). Elsewhere only 127.0.0.1 is set up,
/// and given to everybody.
///
/// ```
/// # use axum::Router;
/// # use lamplighter_harness::{Probe, TestServer, own_loopback};
/// # async fn is_refused() {
/// let server = TestServer::builder().listen(own_loopback()).spawn(Router::new()).await;
/// let addr = server.addr();
/// assert!(server.stop().await.is_clean());
/// assert!(Probe::connect(addr).await.is_err());
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(is_refused());
/// ```
#[must_use]
pub fn own_loopback() -> SocketAddr {
    let ip = if cfg!(target_os = "linux") {
        own(std::process::id(), GIVEN.fetch_add(1, Ordering::Relaxed))
    } else {
        Ipv4Addr::LOCALHOST
    };
    SocketAddr::from((ip, 0))
}

/// The address of this number in this process: never 127.0.0.*, where everybody is.
fn own(process: u32, number: u32) -> Ipv4Addr {
    const OF_A_BYTE: u32 = 250;
    let byte = |value: u32| u8::try_from(1 + value % OF_A_BYTE).unwrap_or(1);
    Ipv4Addr::new(127, byte(process / OF_A_BYTE), byte(process), byte(number))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_call_and_each_process_has_another_address_and_nobody_the_usual_one() {
        let all: BTreeSet<_> = (1_000..1_300)
            .flat_map(|process| (0..250).map(move |number| own(process, number)))
            .collect();
        assert_eq!(all.len(), 300 * 250);
        let usual = |ip: &Ipv4Addr| ip.octets()[..3] == [127, 0, 0];
        assert!(!all.iter().any(usual));
        assert!(all.iter().all(Ipv4Addr::is_loopback));
        assert_ne!(own_loopback(), own_loopback());
    }
}
