//! Answers on their way to the kernel: from handed over to written (floor 2).
//!
//! Over HTTP/1 a flush that takes all says so of everything that was handed over before it. Over HTTP/2 the
//! last frames that are out say how many answers are (`frames`), also where the peer takes no more or the
//! connection breaks: not which ones, for HTTP/2 tells nobody the stream of a request, and counts are all
//! that anybody asks for. What has none when nothing is left to be written, h2 has dropped. In a drain a
//! flush alone says so, until all is forced: it waits until the kernel has sent what it has.
//!
//! **Invariant:** no answer counts twice, and none before its last frame is with the kernel, as far as
//! the connection's frames are those of its requests: h2 refuses an oversized head with a frame that
//! looks like an answer's, and one of those may stand for an answer that is stuck until less is in flight.

use std::sync::atomic::Ordering;

use super::Account;

impl Account {
    /// Whether answers wait for a flush to be counted.
    pub(in crate::transport) fn has_unflushed(&self) -> bool {
        self.sent_here.load(Ordering::Relaxed) != self.flushed_here.load(Ordering::Relaxed)
            || self.sent_there.load(Ordering::Acquire) != self.flushed_there.load(Ordering::Relaxed)
    }

    /// HTTP/1: whether an answer has begun that is not with the kernel as a whole.
    pub(in crate::transport) fn has_answer_under_way(&self) -> bool {
        self.seen.answers() != self.flushed_here.load(Ordering::Relaxed)
    }

    /// HTTP/1: whether an answer has begun that the application has not made to its end.
    pub(in crate::transport) fn has_answer_to_make(&self) -> bool {
        self.seen.answers() != self.sent_here.load(Ordering::Relaxed)
    }

    /// How many answers other tasks have handed over: what a flush that begins now includes.
    pub(in crate::transport) fn handed_over(&self) -> u64 {
        self.sent_there.load(Ordering::Acquire)
    }

    /// HTTP/2: the last frames of so many answers are with the kernel. Called by the connection's task
    /// alone.
    pub(in crate::transport) fn written(&self, answers: u64) {
        let written = self.written.load(Ordering::Relaxed);
        self.written.store(written + answers, Ordering::Relaxed);
    }

    /// Everything written so far is with the kernel, `handed_over` answers of other tasks included.
    /// Returns how many answers those are that were not counted before.
    #[inline]
    pub(in crate::transport) fn flushed(&self, handed_over: u64) -> u64 {
        self.flushes_infrastructure(u64::MAX);
        let here = self.sent_here.load(Ordering::Relaxed);
        let flushed_here = self.flushed_here.load(Ordering::Relaxed);
        if here != flushed_here {
            self.flushed_here.store(here, Ordering::Release);
        }
        let flushed_there = self.flushed_there.load(Ordering::Relaxed);
        if handed_over != flushed_there {
            self.flushed_there.store(handed_over, Ordering::Release);
        }
        (here - flushed_here) + (handed_over - flushed_there)
    }

    /// HTTP/2: nothing is left to be written of what was handed over, `handed_over` answers of other tasks
    /// included. Those whose last frames are with the kernel are answered. The others were dropped: their
    /// clients had reset the streams, or had gone.
    pub(in crate::transport) fn flushed_or_dropped(&self, handed_over: u64) {
        let written = self.written.load(Ordering::Relaxed);
        let before = self.dropped.load(Ordering::Relaxed);
        let counted = self.flushed(handed_over);
        let left = if counted >= written {
            if counted > written {
                self.dropped
                    .store(before + (counted - written), Ordering::Release);
            }
            0
        } else {
            let left = written - counted;
            // Said to be made before its last frame was there to be written.
            let late = left.min(before);
            if late > 0 {
                self.dropped.store(before - late, Ordering::Release);
            }
            // The tasks of their streams have not said yet that they are made.
            (left - late).min(self.in_flight())
        };
        if written > 0 {
            self.counts(left);
        }
    }

    /// What is handed over is with the kernel as far as its last frames are: it takes no more for now, or
    /// never will.
    pub(in crate::transport) fn flushed_in_part(&self) {
        let mut left = self.written.load(Ordering::Relaxed);
        if left == 0 {
            return;
        }
        self.flushes_infrastructure(left);
        let sent = [&self.sent_here, &self.sent_there];
        let flushed = [&self.flushed_here, &self.flushed_there];
        for (sent, flushed) in sent.into_iter().zip(flushed) {
            let before = flushed.load(Ordering::Relaxed);
            let counted = left.min(sent.load(Ordering::Acquire) - before);
            flushed.store(before + counted, Ordering::Release);
            left -= counted;
        }
        self.counts(left);
    }

    /// What is written has been counted, but for so many answers.
    fn counts(&self, left: u64) {
        self.written.store(left, Ordering::Relaxed);
        self.wanted().counted(left);
    }

    /// So many answers are about to be counted, or all. Which of them are infrastructure's nobody knows: as
    /// many as can be, so that no other is taken for one of those that are left.
    #[inline]
    fn flushes_infrastructure(&self, answers: u64) {
        let made = self.infrastructure_made.load(Ordering::Acquire);
        if made > 0 {
            let flushed = made.min(answers);
            self.infrastructure_made
                .fetch_sub(flushed, Ordering::AcqRel);
        }
    }
}
