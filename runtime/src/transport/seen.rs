//! What a connection's bytes show to its task: heads that have begun, writes that wait (floor 2).
//!
//! **Invariant:** one task writes and reads it; nothing is ordered by it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What the wrapper sees, for the connection's task. One task writes and reads it.
#[derive(Default)]
pub(super) struct Seen {
    /// Bytes of a head came, and no request began with them yet.
    head: AtomicBool,
    /// The last four bytes that came.
    tail: AtomicU32,
    /// A write is waiting for the peer.
    write_blocked: AtomicBool,
    /// All that was written is with the kernel, and a flush waits until it has sent it.
    sending: AtomicBool,
    /// HTTP/2, in a drain: when a write waited last, the kernel had sent all answers that it had.
    answers_sent: AtomicBool,
    /// The request before had a body, so what comes may belong to it.
    unclear: AtomicBool,
    /// How many bytes came since the head began, itself included.
    since_head: AtomicU64,
    /// HTTP/1: how many answers have begun.
    answers: AtomicU64,
    /// HTTP/2: how much was written behind the last end of an answer.
    last_words: AtomicU32,
    /// HTTP/2: all that came was looked at, and more is asked for.
    asks_for_more: AtomicBool,
    /// Nobody is woken by what the peer does: HTTP/1, if the connection breaks while a handler works;
    /// HTTP/2, in a drain, while a write waits.
    unwatched: AtomicBool,
    /// It is time to look what the peer does.
    look: AtomicBool,
}

impl Seen {
    pub(super) fn head(&self) -> bool {
        self.head.load(Ordering::Relaxed)
    }

    pub(super) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Ordering::Relaxed)
    }

    pub(super) fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Relaxed)
    }

    pub(super) fn has_sent_answers(&self) -> bool {
        self.answers_sent.load(Ordering::Relaxed)
    }

    /// A write waits, behind answers that are sent or not.
    pub(super) fn answers_are_sent(&self, sent: bool) {
        self.answers_sent.store(sent, Ordering::Relaxed);
    }

    /// Either of the two.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_write_blocked() || self.is_sending()
    }

    pub(super) fn since_head(&self) -> u64 {
        self.since_head.load(Ordering::Relaxed)
    }

    /// Whatever comes next is the first of a head again.
    pub(super) fn head_begins(&self) {
        self.since_head.store(0, Ordering::Relaxed);
    }

    /// HTTP/1: an answer begins, with its head.
    #[inline]
    pub(super) fn answer_begins(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        self.answers.store(before + 1, Ordering::Relaxed);
    }

    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// HTTP/2: so much was written, with the ends of answers or without.
    #[inline]
    pub(super) fn words(&self, written: usize, ends: bool) {
        let before = if ends { 0 } else { self.last_words() };
        let more = if ends {
            0
        } else {
            u32::try_from(written).unwrap_or(u32::MAX)
        };
        self.last_words
            .store(before.saturating_add(more), Ordering::Relaxed);
    }

    pub(super) fn last_words(&self) -> u32 {
        self.last_words.load(Ordering::Relaxed)
    }

    /// HTTP/2: h2 asks for more than came, or more has come.
    #[inline]
    pub(super) fn ask_for_more(&self, asks: bool) {
        self.asks_for_more.store(asks, Ordering::Relaxed);
    }

    pub(super) fn asks_for_more(&self) -> bool {
        self.asks_for_more.load(Ordering::Relaxed)
    }

    /// Whether the task is woken if the connection breaks.
    #[inline]
    pub(super) fn watch(&self, watched: bool) {
        self.unwatched.store(!watched, Ordering::Relaxed);
    }

    pub(super) fn is_unwatched(&self) -> bool {
        self.unwatched.load(Ordering::Relaxed)
    }

    /// It is time to look what the peer does, where nobody is woken by that.
    pub(super) fn asks_for_look(&self) {
        self.look.store(true, Ordering::Relaxed);
    }

    /// Whether it is; told once.
    pub(super) fn takes_look(&self) -> bool {
        let is_due = self.look.load(Ordering::Relaxed);
        self.look.store(false, Ordering::Relaxed);
        is_due
    }

    pub(super) fn is_unclear(&self) -> bool {
        self.unclear.load(Ordering::Relaxed)
    }

    /// A request has begun: its head is complete. What is left over begins the next one.
    #[inline]
    pub(super) fn request_begins(&self, has_body: bool) {
        let left_over = !has_body && !ends_head(self.tail.load(Ordering::Relaxed));
        self.head.store(left_over, Ordering::Relaxed);
        self.unclear.store(has_body, Ordering::Relaxed);
    }

    /// A write was taken, or waits for the peer.
    #[inline]
    pub(super) fn write(&self, blocked: bool) {
        self.write_blocked.store(blocked, Ordering::Relaxed);
        self.sending.store(false, Ordering::Relaxed);
    }

    /// A flush is done, or waits for the kernel to send what it has.
    pub(super) fn send(&self, waits: bool) {
        self.sending.store(waits, Ordering::Relaxed);
    }

    /// Bytes came; between requests they begin a head, within one they are its body.
    #[inline]
    pub(super) fn read(&self, bytes: &[u8], between: bool) {
        let tail = match bytes {
            [.., a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]),
            few => few
                .iter()
                .fold(self.tail.load(Ordering::Relaxed), |tail, byte| {
                    (tail << 8) | u32::from(*byte)
                }),
        };
        self.tail.store(tail, Ordering::Relaxed);
        if between {
            let before = if self.head.load(Ordering::Relaxed) {
                self.since_head.load(Ordering::Relaxed)
            } else {
                0
            };
            let since_head = before.saturating_add(bytes.len() as u64);
            self.since_head.store(since_head, Ordering::Relaxed);
            self.head.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether bytes that end so end a head: an empty line, with either kind of line break.
const fn ends_head(tail: u32) -> bool {
    tail == u32::from_be_bytes(*b"\r\n\r\n") || tail & 0xffff == u32::from_be_bytes(*b"\0\0\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_those_behind_the_last_end_of_an_answer() {
        let seen = Seen::default();
        seen.words(9, false);
        seen.words(100, true);
        assert_eq!(seen.last_words(), 0);
        seen.words(17, false);
        seen.words(17, false);
        assert_eq!(seen.last_words(), 34);
        seen.words(usize::MAX, false);
        assert_eq!(seen.last_words(), u32::MAX);
    }
}
