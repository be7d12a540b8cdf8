//! What attacks on a server's promises have broken, so that it stays mended.
//!
//! **Invariant:** no test sleeps; what takes time takes virtual time, and what waits for the kernel
//! does so under a bound.

#[path = "adversary/blame.rs"]
mod blame;
#[path = "adversary/drops.rs"]
mod drops;
#[path = "adversary/named.rs"]
mod named;
#[path = "adversary/panics.rs"]
mod panics;

/// Panics without a word on standard error.
fn panics_quietly(message: &'static str) {
    std::panic::resume_unwind(Box::new(message));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panics_quietly("dropped");
    }
}
