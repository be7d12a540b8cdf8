//! The transport on real sockets, through the eyes of its clients and of its books.
//!
//! Every wait is bounded, none is a sleep.

mod accept_loop;
mod broken_off;
mod client;
mod drain;
mod fixture;
mod flood;
mod force;
mod frames;
mod goaway;
mod http1;
mod http2;
#[cfg(target_os = "linux")]
mod in_flight;
mod kernel;
mod late;
mod linger;
mod listeners;
mod panics;
mod retirement;
mod scripted;
mod spread;
mod trickle;
#[cfg(unix)]
mod unheard;
mod unread;
