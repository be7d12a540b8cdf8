//! A log file that has reached its limit ends no server (floor 1).
//!
//! A write beyond RLIMIT_FSIZE raises SIGXFSZ in the thread that writes, which by default ends the process,
//! with a request in flight and its hooks unrun; where the signal is handled, the write fails with EFBIG
//! (setrlimit(2)). A full disk has always been no more than that.
//!
//! **Invariant:** what the program itself has said of the signal stays so.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;

use crate::os::log;
use crate::os::process::Dispositions;

/// From here on a write beyond the limit fails, and does not end the process.
pub(crate) fn survive_its_limit() {
    if Dispositions::now().leaves_to_the_kernel(SIGXFSZ) {
        // A handler, though it does nothing: what is ignored would be so in child processes as well.
        let heard = Arc::new(AtomicBool::new(false));
        if let Err(error) = flag::register(SIGXFSZ, heard) {
            log::warn!(target: "lamplighter::os", %error, "SIGXFSZ will end the process");
        }
    }
}
