//! Which streams of an HTTP/2 connection have an answer on its way that their client wants (floor 2).
//!
//! A client that resets a stream wants no more of it (RFC 9113, 5.4.2). h2 throws away what it has queued for
//! that stream, but for the frame that it has begun to write, and then has forgotten it: where the peer takes
//! no more bytes nobody says any more which of the answers in flight are still wanted. The frames do.
//!
//! Not every stream that comes is served: h2 refuses what is malformed or one too many, and says so behind all
//! that waits. Which one that was it tells nobody. But it hands out requests in the order of their streams: of
//! those that it has looked at since all had been sorted out, no more are served than requests have begun since.
//! It looks at no more where it cannot write what it has to say by itself, a PING's answer for instance. It has
//! looked at all that came when it asks for more.
//!
//! **Invariant:** what is remembered is bounded, whatever the peer does; who is not remembered wants all that
//! there is.
//! **Invariant:** a stream that is not here, while all are, has none to whom its answer could be lost.

use super::MOST_STREAMS;

/// The streams of a connection that came, until their answers count or nobody wants them.
#[derive(Debug, Default)]
pub(in crate::transport) struct Wanted {
    /// Those whose answers are not written to their ends, in the order of their ids.
    open: Vec<u32>,
    /// Those whose answers are with the kernel, and do not count yet.
    written: Vec<u32>,
    /// How many more of those there may be, of whom nobody knows which they are.
    late: u64,
    /// How many answers are with the kernel and do not count yet, whose clients want them no more.
    in_vain: u64,
    /// Those that their client has reset, with h2 not having read that.
    ahead: Vec<u32>,
    /// Those whose heads have their ends, and that were not reset, in what h2 has not read.
    unread: Vec<u32>,
    /// How many streams have begun.
    begun: u64,
    newest: u32,
    /// Up to this stream h2 has looked at all.
    looked: u32,
    /// The head of the newest stream has not come to its end.
    in_head: bool,
    /// Up to this stream all are sorted out, with so many requests.
    sorted: u32,
    requests: u64,
    /// Some stream is not here.
    lost: bool,
}

impl Wanted {
    /// A stream has begun, later than all others.
    #[inline]
    pub(in crate::transport) fn begins(&mut self, stream: u32) {
        self.begun += 1;
        self.newest = stream;
        if !self.unread.is_empty() {
            self.closes_ahead(stream);
        }
        if self.open.len() < MOST_STREAMS {
            self.open.push(stream);
        } else {
            self.lost = true;
        }
    }

    /// h2 has asked for more than came, with so many requests having begun by now. Where a stream has come to
    /// none of them, h2 has refused it, or nobody has taken it: then nothing is sorted out.
    #[inline]
    pub(in crate::transport) fn sort(&mut self, requests: u64) {
        self.looked = self.newest;
        if !self.unread.is_empty() {
            self.unread.retain(|unread| *unread > self.newest);
        }
        if self.begun == requests {
            self.sorted = self.newest;
            self.requests = requests;
        }
    }

    /// None of the streams beyond this one is served.
    pub(in crate::transport) fn none_beyond(&mut self, last: u32) {
        for streams in [&mut self.open, &mut self.unread] {
            streams.truncate(streams.partition_point(|stream| *stream <= last));
        }
    }

    /// What h2 has not read is looked through from its beginning.
    #[cold]
    pub(in crate::transport) fn looks_ahead(&mut self) {
        self.unread.clear();
    }

    /// Whether the newest stream has a head that has not come to its end: it is no request yet.
    #[inline]
    pub(in crate::transport) const fn is_in_head(&mut self, in_head: bool) {
        self.in_head = in_head;
    }

    /// A stream has begun, later than all others, and h2 has not read all of its head. Who opens more than are
    /// remembered is not served.
    #[cold]
    pub(in crate::transport) fn begins_ahead(&mut self, stream: u32) {
        if self.unread.len() < MOST_STREAMS {
            self.unread.push(stream);
        }
    }

    /// There is no end to this stream's head in all that came: it is no request yet.
    #[cold]
    pub(in crate::transport) fn ends_in_head(&mut self, stream: u32) {
        self.closes_ahead(stream);
    }

    #[cold]
    fn closes_ahead(&mut self, stream: u32) {
        if let Ok(place) = self.unread.binary_search(&stream) {
            self.unread.remove(place);
        }
    }

    /// Whether it was open until now.
    #[inline]
    fn closes(&mut self, stream: u32) -> bool {
        let place = self.open.binary_search(&stream);
        place.map(|place| self.open.remove(place)).is_ok()
    }

    /// The client has reset this stream.
    #[cold]
    pub(in crate::transport) fn given_up(&mut self, stream: u32) {
        self.ahead.retain(|ahead| *ahead != stream);
        self.ends(stream);
    }

    /// The client has reset this stream, and h2 has not read that.
    #[cold]
    pub(in crate::transport) fn given_up_ahead(&mut self, stream: u32) {
        self.closes_ahead(stream);
        if self.ends(stream) {
            self.ahead.push(stream);
        }
    }

    /// Whether its answer was to be written.
    fn ends(&mut self, stream: u32) -> bool {
        if let Some(place) = self.written.iter().position(|written| *written == stream) {
            self.written.swap_remove(place);
            self.in_vain += 1;
        }
        self.closes(stream)
    }

    /// For how many streams no task has heard that they are reset.
    pub(in crate::transport) fn ahead(&self) -> u64 {
        self.ahead.len() as u64
    }

    /// The kernel has all of this stream's answer.
    #[inline]
    pub(in crate::transport) fn written(&mut self, stream: u32) {
        if self.closes(stream) {
            if self.written.len() < MOST_STREAMS {
                self.written.push(stream);
            } else {
                self.late += 1;
            }
        } else if !self.lost {
            // It went out all the same.
            self.in_vain += 1;
        }
    }

    /// The kernel has our reset of this stream. Behind an answer it says no more than that the rest of the
    /// request is not wanted.
    #[cold]
    pub(in crate::transport) fn reset(&mut self, stream: u32) {
        self.closes(stream);
    }

    /// The answers that are with the kernel count from here on, but for so many: the tasks of their streams
    /// have not said that they are made.
    #[inline]
    pub(in crate::transport) fn counted(&mut self, late: u64) {
        self.written.clear();
        self.in_vain = 0;
        self.late = late;
    }

    /// How many answers are with the kernel and do not count yet, and nobody wants them.
    pub(in crate::transport) const fn in_vain(&self) -> u64 {
        self.in_vain
    }

    /// No more answers than this are wanted, of so many requests that have begun; `None` if nobody knows.
    pub(in crate::transport) fn most(&self, requests: u64) -> Option<u64> {
        let sorted = self.up_to(self.sorted);
        let known = (sorted + self.written.len()) as u64 + self.late;
        let more = (self.open.len() - sorted) as u64;
        let most = known + more.min(requests.saturating_sub(self.requests));
        (!self.lost).then_some(most)
    }

    /// How many streams came that h2 has not looked at: they may become requests yet. Whether it has `asked` for
    /// more since the last of them came.
    pub(in crate::transport) fn to_come(&self, asked: bool) -> u64 {
        let looked = if asked { self.newest } else { self.looked };
        let read = self.open.get(self.up_to(looked)..).unwrap_or_default();
        let read = read.len() - usize::from(self.in_head && read.last() == Some(&self.newest));
        (read + self.unread.len()) as u64
    }

    fn up_to(&self, stream: u32) -> usize {
        self.open.partition_point(|open| *open <= stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than have begun here.
    const ALL: u64 = 1_000_000;

    fn begun(streams: impl IntoIterator<Item = u32>) -> Wanted {
        let mut wanted = Wanted::default();
        for stream in streams {
            wanted.begins(stream);
        }
        wanted
    }

    #[test]
    fn an_answer_is_wanted_until_it_counts_or_its_client_gives_it_up() {
        let mut wanted = begun([1, 3, 5, 7]);
        wanted.given_up(3);
        wanted.written(1);
        wanted.written(5);
        assert_eq!(wanted.most(ALL), Some(3));
        wanted.counted(0);
        assert_eq!(wanted.most(ALL), Some(1));
        wanted.given_up(1);
        wanted.given_up(3);
        assert_eq!((wanted.most(ALL), wanted.in_vain()), (Some(1), 0));
    }

    #[test]
    fn nobody_wants_an_answer_on_a_stream_that_is_not_served() {
        let mut wanted = begun([1, 3, 5, 7]);
        wanted.none_beyond(4);
        assert_eq!(wanted.open, [1, 3]);
        wanted.none_beyond(3);
        assert_eq!(wanted.most(ALL), Some(2));
    }

    #[test]
    fn an_answer_is_written_in_vain_once_and_only_while_it_does_not_count() {
        let mut wanted = begun([1, 3, 5]);
        wanted.written(1);
        wanted.written(5);
        for stream in [3, 5, 5] {
            wanted.given_up(stream);
        }
        assert_eq!((wanted.most(ALL), wanted.in_vain()), (Some(1), 1));
        // Its last frame was being written when it was given up.
        wanted.written(3);
        assert_eq!((wanted.most(ALL), wanted.in_vain()), (Some(1), 2));
        wanted.counted(0);
        wanted.given_up(1);
        assert_eq!((wanted.most(ALL), wanted.in_vain()), (Some(0), 0));
    }

    #[test]
    fn no_more_answers_are_wanted_than_requests_have_begun() {
        let mut wanted = begun([1, 3]);
        // The third is refused, or h2 has not come to it.
        for (requests, most) in [(0, 0), (1, 1), (2, 2)] {
            assert_eq!(wanted.most(requests), Some(most));
        }
        wanted.sort(2);
        wanted.begins(5);
        wanted.given_up(1);
        wanted.sort(2);
        assert_eq!((wanted.most(2), wanted.most(3)), (Some(1), Some(2)));
        wanted.begins(7);
        assert_eq!((wanted.most(2), wanted.most(3)), (Some(1), Some(2)));
        // Nobody knows of which of the two.
        wanted.sort(3);
        wanted.given_up(7);
        assert_eq!((wanted.most(3), wanted.most(4)), (Some(2), Some(2)));
    }

    #[test]
    fn what_h2_has_not_looked_at_may_become_a_request() {
        let mut wanted = begun([1]);
        wanted.sort(1);
        wanted.begins(3);
        wanted.begins(5);
        assert_eq!((wanted.to_come(false), wanted.to_come(true)), (2, 0));
        wanted.given_up(3);
        assert_eq!(wanted.to_come(false), 1);
        // It has looked at both of them.
        wanted.sort(1);
        assert_eq!(wanted.to_come(false), 0);
        wanted.begins(7);
        wanted.begins(9);
        assert_eq!(wanted.to_come(false), 2);
        wanted.is_in_head(true);
        assert_eq!((wanted.to_come(false), wanted.to_come(true)), (1, 0));
        wanted.given_up(9);
        assert_eq!(wanted.to_come(false), 1);
        wanted.none_beyond(5);
        assert_eq!(wanted.to_come(false), 0);
    }

    #[test]
    fn what_h2_has_not_read_may_become_a_request() {
        let mut wanted = begun([1]);
        wanted.sort(1);
        // Looked through twice.
        for stream in [3, 5, 3, 5, 7, 9] {
            if stream == 3 {
                wanted.looks_ahead();
            }
            wanted.begins_ahead(stream);
        }
        assert_eq!(wanted.to_come(true), 4);
        wanted.given_up_ahead(7);
        assert_eq!((wanted.to_come(true), wanted.ahead()), (3, 0));
        // It reads a part.
        wanted.begins(3);
        assert_eq!(wanted.unread, [5, 9]);
        wanted.none_beyond(5);
        assert_eq!(wanted.to_come(true), 1);
        // The last of them has only begun, and more than are remembered are not served.
        wanted.looks_ahead();
        for stream in [7, 9] {
            wanted.begins_ahead(stream);
        }
        wanted.ends_in_head(9);
        assert_eq!(wanted.unread, [7]);
        wanted.looks_ahead();
        let streams = (11..).step_by(2).take(MOST_STREAMS + 100);
        for stream in streams.clone() {
            wanted.begins_ahead(stream);
        }
        assert_eq!(wanted.to_come(true), MOST_STREAMS as u64);
        for stream in streams {
            wanted.given_up_ahead(stream);
        }
        assert_eq!((wanted.to_come(true), wanted.most(1)), (0, Some(1)));
    }

    #[test]
    fn what_is_given_up_ahead_of_h2_is_so_once_until_h2_reads_it() {
        let mut wanted = begun([1, 3]);
        for stream in [3, 3, 5] {
            wanted.given_up_ahead(stream);
        }
        assert_eq!((wanted.most(ALL), wanted.ahead()), (Some(1), 1));
        wanted.given_up(3);
        assert_eq!((wanted.most(ALL), wanted.ahead()), (Some(1), 0));
    }

    #[test]
    fn an_answer_that_does_not_count_yet_is_wanted_though_nobody_knows_whose_it_is() {
        let mut wanted = begun([1, 3]);
        wanted.written(1);
        wanted.written(3);
        wanted.counted(1);
        assert_eq!(wanted.most(ALL), Some(1));
        wanted.given_up(3);
        assert_eq!((wanted.most(ALL), wanted.in_vain()), (Some(1), 0));
        wanted.counted(0);
        assert_eq!(wanted.most(ALL), Some(0));
    }

    #[test]
    fn a_reset_of_ours_ends_a_stream_and_no_answer() {
        let mut wanted = begun([1, 3]);
        wanted.written(1);
        for stream in [1, 3] {
            wanted.reset(stream);
        }
        assert_eq!((wanted.most(ALL), wanted.in_vain()), (Some(1), 0));
    }

    #[test]
    fn no_more_streams_are_remembered_than_may_be_open_and_then_all_is_wanted() {
        let last = u32::try_from(MOST_STREAMS).unwrap();
        let mut wanted = begun(1..=last);
        assert_eq!(wanted.most(ALL), Some(MOST_STREAMS as u64));
        (1..=last).for_each(|stream| wanted.written(stream));
        wanted.begins(last + 1);
        wanted.written(last + 1);
        assert_eq!(wanted.written.len(), MOST_STREAMS);
        assert_eq!(wanted.most(ALL), Some(MOST_STREAMS as u64 + 1));
        (last + 2..last * 2 + 3).for_each(|stream| wanted.begins(stream));
        assert_eq!(wanted.open.len(), MOST_STREAMS);
        assert_eq!(wanted.most(ALL), None);
        wanted.written(last * 3);
        assert_eq!(wanted.in_vain(), 0);
    }
}
