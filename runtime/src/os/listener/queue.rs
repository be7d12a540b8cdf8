//! Whether somebody waits in a listener's queue (floor 1).
//!
//! An accept in vain is no small thing: the kernel makes a socket for it and throws that away, some
//! twenty times the price of the question.
//!
//! **Invariant:** nothing here waits, and nothing is taken out of a queue.

#[cfg(unix)]
use std::os::fd::AsFd;

/// Whether nobody is in the queue of this listening socket; `false` also where the kernel does not say.
#[cfg(unix)]
pub(super) fn is_dry(listener: &impl AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    const AT_ONCE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };

    let mut asked = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut asked, Some(&AT_ONCE)) == Ok(0)
}

#[cfg(not(unix))]
pub(super) const fn is_dry<T>(_: &T) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_queue_is_dry_until_somebody_waits_in_it_and_again_when_all_were_taken() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert!(is_dry(&listener));
        let addr = listener.local_addr().unwrap();
        let waiting = [(); 2].map(|()| TcpStream::connect(addr).unwrap());
        for _ in &waiting {
            assert!(!is_dry(&listener));
            drop(listener.accept().unwrap());
        }
        assert!(is_dry(&listener));
    }
}
