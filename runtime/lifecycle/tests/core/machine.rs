//! What people read first: lives told step by step, with what is asked for in each (tests of
//! floor 0).
//!
//! **Invariant:** every name is a sentence that holds for every such life.

mod callbacks;
mod deadlines;
mod dispose;
mod hooks;
mod linger;
mod listeners;
mod signals;
mod starts;
mod stops;
mod timelines;
mod work;
