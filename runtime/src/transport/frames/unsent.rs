//! Which of the answers that the kernel has not sent their clients have given up (floor 2).
//!
//! In a drain an answer is in flight until the kernel has sent it. A client that resets a stream whose
//! last frame is with the kernel wants no more of it; h2 has forgotten that stream, and tells nobody.
//!
//! **Invariant:** what is remembered is bounded, whatever the peer does; what is not remembered is waited
//! for.

use super::MOST_STREAMS;

/// The answers of a connection that are with the kernel to their last byte, and not counted as made.
#[derive(Debug, Default)]
pub(in crate::transport) struct Unsent {
    streams: Vec<u32>,
    given_up: u64,
}

impl Unsent {
    /// The kernel has all of this stream's answer.
    pub(in crate::transport) fn ended(&mut self, stream: u32) {
        if self.streams.len() < MOST_STREAMS {
            self.streams.push(stream);
        }
    }

    /// The client has reset this stream.
    pub(in crate::transport) fn reset(&mut self, stream: u32) {
        if let Some(place) = self.streams.iter().position(|unsent| *unsent == stream) {
            self.streams.swap_remove(place);
            self.given_up += 1;
        }
    }

    /// How many of them nobody wants any more.
    pub(in crate::transport) const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// All of them count from here on.
    pub(in crate::transport) fn counted(&mut self) {
        self.streams.clear();
        self.given_up = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_up_once_and_only_while_it_does_not_count() {
        let mut unsent = Unsent::default();
        unsent.ended(1);
        unsent.ended(5);
        for stream in [3, 5, 5] {
            unsent.reset(stream);
        }
        assert_eq!(unsent.given_up(), 1);
        unsent.counted();
        unsent.reset(1);
        assert_eq!(unsent.given_up(), 0);
    }

    #[test]
    fn no_more_streams_are_remembered_than_may_be_open() {
        let mut unsent = Unsent::default();
        let most = u32::try_from(MOST_STREAMS).unwrap();
        for stream in 1..=most + 1 {
            unsent.ended(stream);
        }
        unsent.reset(most + 1);
        assert_eq!(unsent.given_up(), 0);
        unsent.reset(most);
        assert_eq!(unsent.given_up(), 1);
    }
}
