//! One descriptor kept back, to turn somebody away when there is none left (floor 1).
//!
//! Without it a connection that cannot be accepted for lack of descriptors stays in the queue, its
//! client waits, and at a stop the queue never becomes empty.
//!
//! **Invariant:** a spare descriptor is given up for the length of one accept and never longer.
//! **Invariant:** none is taken for a listener that is no socket: its connections need none.

#[cfg(not(target_os = "linux"))]
use std::fs::File as Kept;
use std::io;

#[cfg(target_os = "linux")]
use rustix::fd::OwnedFd as Kept;

use super::AnyListener;

/// The spare descriptor.
#[derive(Debug)]
pub(crate) struct Spare {
    of_socket: bool,
    kept: Option<Kept>,
}

/// What became of the attempt to turn a connection away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// One was taken from the queue and closed.
    One,
    /// The queue is empty.
    None,
    /// There is no spare descriptor, or others took it first.
    NoDescriptor,
}

impl Spare {
    /// Takes a descriptor for this listener, if it is a socket and there is one.
    pub(crate) fn take(listener: &AnyListener) -> Self {
        let of_socket = listener.is_socket();
        let kept = open(of_socket);
        Self { of_socket, kept }
    }

    /// Gives the descriptor up for one connection of the queue, closes that, takes it again.
    ///
    /// The closed client sees the end of its connection, or a reset if it has sent something. Never
    /// waits. Without effect elsewhere than on unix.
    ///
    /// # Errors
    ///
    /// Those of the listener that are not about descriptors.
    pub(crate) fn turn_away(&mut self, listener: &mut AnyListener) -> io::Result<TurnedAway> {
        drop(self.kept.take());
        let turned = match listener.accept_queued() {
            Ok(Some(accepted)) => {
                drop(accepted);
                Ok(TurnedAway::One)
            }
            Ok(None) => Ok(TurnedAway::None),
            Err(error) if super::AcceptError::lacks_descriptors(&error) => {
                Ok(TurnedAway::NoDescriptor)
            }
            Err(error) => Err(error),
        };
        self.kept = open(self.of_socket);
        turned
    }
}

/// The cheapest thing to have open: a number, without a path or a driver.
#[cfg(target_os = "linux")]
fn open(of_socket: bool) -> Option<Kept> {
    use rustix::event::{EventfdFlags, eventfd};

    of_socket.then(|| eventfd(0, EventfdFlags::CLOEXEC).ok())?
}

#[cfg(not(target_os = "linux"))]
fn open(of_socket: bool) -> Option<Kept> {
    of_socket.then(|| Kept::open("/dev/null").ok())?
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::os::listener::{AcceptError, BoxNetwork, TcpNetwork};
    use crate::os::test_process::of;
    use std::fs::File;
    use std::io::Read;

    #[test]
    fn without_descriptors_a_waiting_client_is_turned_away() {
        let process = of(without_descriptors_a_waiting_client_is_turned_away, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let network = BoxNetwork::new(TcpNetwork);
                let mut listener = network.bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
                let addr = listener.local_addr().unwrap().tcp().unwrap();
                let mut spare = Spare::take(&listener);
                assert_eq!(spare.turn_away(&mut listener).unwrap(), TurnedAway::None);
                let mut client = std::net::TcpStream::connect(addr).unwrap();
                let mut all = Vec::new();
                let lack = loop {
                    match File::open("/dev/null") {
                        Ok(file) => all.push(file),
                        Err(error) => break error,
                    }
                };
                assert!(AcceptError::lacks_descriptors(&lack));
                let refused = listener.accept().await.unwrap_err();
                assert!(AcceptError::lacks_descriptors(&refused));
                assert_eq!(spare.turn_away(&mut listener).unwrap(), TurnedAway::One);
                assert_eq!(client.read(&mut [0]).unwrap(), 0);
                assert_eq!(spare.turn_away(&mut listener).unwrap(), TurnedAway::None);
                // Still there: nothing else got the descriptor.
                assert!(spare.kept.is_some());
                assert!(File::open("/dev/null").is_err());
            });
            0
        });
        let end = process.end();
        assert_eq!(end.code(), Some(0), "{end:?}");
    }
}
