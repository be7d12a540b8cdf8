//! One connection that has ended its side, until its peer has what was sent (floor 0).
//!
//! To close a socket whose peer still sends makes the kernel answer with a reset, and a reset makes
//! the peer throw away what it has not read yet (RFC 9112, 9.6). So the side that is done ends its
//! own direction first, reads on, and closes when the peer has ended as well.
//!
//! **Invariant:** it ends: by what its peer does, or at a bound that nothing moves.
//! The end of the peer's side says that it sends no more, and not that it has got everything: who ends its
//! side behind its request, and reads on, is still to be answered.
//!
//! **Invariant:** while input comes, no acknowledgement ends it.

use core::time::Duration;

use crate::Instant;

/// When it is asked whether everything is acknowledged, counted from the beginning. Nobody tells, so
/// it is asked when an answer may have come: after a round trip nearby, one far away, and the 40 ms
/// for which a Linux peer puts an acknowledgement off.
const ASKED: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_millis(2),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
];

/// What a lingering connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Awaited {
    /// The end of the peer's side: input is unread or still coming.
    PeersEnd,
    /// That, and then the acknowledgement of everything that was sent, where somebody can tell.
    PeersEndAndAcknowledgement,
    /// The acknowledgement, or, where nobody can tell, the end of the peer's side.
    Acknowledgement,
    /// The acknowledgement where somebody can tell, and nothing where nobody can: it was between requests,
    /// so what it had sent has had some time already.
    KnownAcknowledgement,
}

/// What is known of the peer's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Open,
    /// Nothing more of it is read, and its answer has not arrived yet.
    Full,
    Ended,
}

/// One connection that has ended its side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Linger {
    began: Instant,
    now: Instant,
    awaited: Awaited,
    /// Whether input is unread, or has come: closed before its end, the connection would be reset.
    input: bool,
    discarded: usize,
    most: usize,
    /// What is left to be added to that.
    granted: usize,
    peers_side: Side,
    /// How often; `None` once it is known that nobody can tell.
    asked: Option<usize>,
    over: bool,
}

impl Linger {
    /// How long a connection lingers at most, from the end of its own side: 1 s, some round trips
    /// and one retransmission.
    pub const LONGEST: Duration = Duration::from_secs(1);

    /// How many bytes it reads and throws away at most: 64 KiB, what is on its way when a sender is
    /// told to stop, and no more than a peer should be able to make us read for nothing.
    pub const MOST: usize = 64 * 1024;

    /// A connection that ended its side at `now`, and has `granted` its peer so many bytes that it may
    /// send before it hears that nobody reads: of those none brings a reset on, as long as something that
    /// was sent has not arrived.
    #[must_use]
    pub const fn new(now: Instant, awaited: Awaited, granted: usize) -> Self {
        Self {
            began: now,
            now,
            awaited,
            input: matches!(awaited, Awaited::PeersEndAndAcknowledgement),
            discarded: 0,
            most: Self::MOST,
            granted,
            peers_side: Side::Open,
            asked: Some(0),
            over: false,
        }
    }

    /// Whether nothing is left to wait for.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// How many more bytes may be read and thrown away. At zero, [`filled_up`](Self::filled_up) is due.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.most.saturating_sub(self.discarded)
    }

    /// Nothing more may be read, and this is known of what was sent: whether it is acknowledged. What is not
    /// would be lost with the connection, so that stays, and reads no more.
    pub fn filled_up(&mut self, acknowledged: Option<bool>) {
        if self.room() > 0 {
            return;
        }
        if acknowledged == Some(false) {
            self.most = self.most.saturating_add(core::mem::take(&mut self.granted));
            if self.room() == 0 && !matches!(self.awaited, Awaited::PeersEnd) {
                self.peers_side = Side::Full;
            }
        }
        self.over |= self.room() == 0 && !self.is_full();
    }

    /// Whether nothing more is to be read, though it is not over.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self.peers_side, Side::Full)
    }

    /// So many bytes were read and thrown away: more may come.
    pub const fn discarded(&mut self, bytes: usize) {
        self.input = true;
        self.discarded = self.discarded.saturating_add(bytes);
    }

    /// The peer has ended its side: nothing more comes.
    pub const fn peer_ended(&mut self) {
        self.peers_side = Side::Ended;
        self.over |= self.asked.is_none() || matches!(self.awaited, Awaited::PeersEnd);
    }

    /// The connection broke: nobody is left to wait for.
    pub const fn broke(&mut self) {
        self.over = true;
    }

    /// Whether to ask now if everything is acknowledged.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.next_question().is_some_and(|at| at <= self.now)
    }

    /// What came of asking: `None` if nobody can know.
    pub fn answer(&mut self, acknowledged: Option<bool>) {
        match acknowledged {
            Some(true) => self.over |= self.is_asking(),
            Some(false) => {
                // What was missed while nobody ran is not made up for.
                while self.asks() {
                    self.asked = self.asked.map(|asked| asked + 1);
                }
            }
            None => {
                self.asked = None;
                self.over |= matches!(self.peers_side, Side::Ended)
                    || matches!(self.awaited, Awaited::KnownAcknowledgement);
            }
        }
    }

    /// Does what is due at `now`. Extra calls change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.over |= self.ends() <= self.now;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` once it is over.
    #[must_use = "without its timer it outlasts its bound"]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let ends = self.ends();
        Some(self.next_question().map_or(ends, |at| at.min(ends)))
    }

    fn ends(&self) -> Instant {
        self.began + Self::LONGEST
    }

    fn next_question(&self) -> Option<Instant> {
        if !self.is_asking() {
            return None;
        }
        let after = self.asked.and_then(|asked| ASKED.get(asked));
        after.map(|after| self.began + *after)
    }

    /// Whether an acknowledgement would end it.
    const fn is_asking(&self) -> bool {
        let is_awaited = !matches!(self.awaited, Awaited::PeersEnd);
        let may_close = !matches!(self.peers_side, Side::Open) || !self.input;
        is_awaited && may_close && !self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn begun(awaited: Awaited) -> Linger {
        Linger::new(at(100), awaited, 0)
    }

    #[test]
    fn it_is_over_at_once_when_everything_is_acknowledged() {
        let mut linger = begun(Awaited::Acknowledgement);
        assert!(linger.asks() && !linger.is_over());
        linger.answer(Some(true));
        assert!(linger.is_over() && !linger.asks());
        assert_eq!(linger.poll_timeout(), None);
    }

    #[test]
    fn it_is_asked_a_few_times_and_then_left_to_its_bound() {
        let mut linger = begun(Awaited::Acknowledgement);
        let mut asked = Vec::new();
        loop {
            if linger.asks() {
                linger.answer(Some(false));
            }
            let due = linger.poll_timeout().unwrap();
            linger.handle_timeout(due);
            asked.push(due.since(at(100)).as_millis());
            if linger.is_over() {
                break;
            }
        }
        assert_eq!(asked, [2, 10, 50, 100, 200, 500, 1000]);
    }

    #[test]
    fn where_nobody_knows_it_is_asked_once() {
        let mut linger = begun(Awaited::Acknowledgement);
        linger.answer(None);
        assert!(!linger.asks() && !linger.is_over());
        assert_eq!(linger.poll_timeout(), Some(at(1100)));
    }

    #[test]
    fn one_that_was_idle_does_not_wait_where_nobody_knows() {
        let mut linger = begun(Awaited::KnownAcknowledgement);
        linger.answer(None);
        assert!(linger.is_over());
        let mut linger = begun(Awaited::KnownAcknowledgement);
        linger.answer(Some(false));
        assert_eq!(
            (linger.is_over(), linger.poll_timeout()),
            (false, Some(at(102)))
        );
        linger.answer(Some(true));
        assert!(linger.is_over());
    }

    #[test]
    fn questions_that_were_missed_are_not_made_up_for() {
        let mut linger = begun(Awaited::Acknowledgement);
        linger.answer(Some(false));
        linger.handle_timeout(at(400));
        assert!(linger.asks());
        linger.answer(Some(false));
        assert_eq!(linger.poll_timeout(), Some(at(600)));
    }

    #[test]
    fn while_input_comes_only_the_peers_end_or_a_bound_ends_it() {
        for mut linger in [begun(Awaited::PeersEnd), begun(Awaited::Acknowledgement)] {
            linger.discarded(1);
            assert!(!linger.asks());
            linger.answer(Some(true));
            assert!(!linger.is_over());
            assert_eq!(linger.poll_timeout(), Some(at(1100)));
            linger.handle_timeout(at(400));
            linger.peer_ended();
            // Nothing more comes, and what was sent may still be on its way.
            let is_asked = linger.awaited == Awaited::Acknowledgement;
            assert_eq!((linger.asks(), linger.is_over()), (is_asked, !is_asked));
            linger.answer(Some(true));
            assert!(linger.is_over());
        }
    }

    #[test]
    fn a_peer_that_has_ended_its_side_is_waited_for_until_it_has_everything() {
        for awaited in [
            Awaited::Acknowledgement,
            Awaited::KnownAcknowledgement,
            Awaited::PeersEndAndAcknowledgement,
        ] {
            let mut linger = begun(awaited);
            linger.peer_ended();
            assert!(linger.asks(), "{awaited:?}");
            linger.answer(Some(false));
            assert_eq!(linger.poll_timeout(), Some(at(102)), "{awaited:?}");
            linger.handle_timeout(at(102));
            linger.answer(Some(true));
            assert!(linger.is_over(), "{awaited:?}");

            // Where nobody can tell, its end is the last that is heard of it.
            let mut linger = begun(awaited);
            linger.peer_ended();
            linger.answer(None);
            assert!(linger.is_over(), "{awaited:?}");
        }
        let mut linger = begun(Awaited::Acknowledgement);
        linger.answer(None);
        linger.peer_ended();
        assert!(linger.is_over());
    }

    #[test]
    fn input_that_is_unread_is_waited_for_before_anybody_is_asked() {
        let mut linger = begun(Awaited::PeersEndAndAcknowledgement);
        assert!(!linger.asks());
        linger.answer(Some(true));
        assert!(!linger.is_over());
        assert_eq!(linger.poll_timeout(), Some(at(1100)));
    }

    #[test]
    fn a_connection_that_broke_is_waited_for_by_nobody() {
        for awaited in [Awaited::PeersEnd, Awaited::PeersEndAndAcknowledgement] {
            let mut linger = begun(awaited);
            linger.broke();
            assert!(linger.is_over() && !linger.asks());
        }
    }

    #[test]
    fn it_discards_64_kib_and_no_byte_more() {
        for (acknowledged, granted) in [(Some(true), 1000), (None, 1000), (Some(false), 0)] {
            let mut linger = Linger::new(at(100), Awaited::PeersEnd, granted);
            linger.discarded(65_535);
            linger.filled_up(acknowledged);
            assert_eq!((linger.room(), linger.is_over()), (1, false));
            linger.discarded(1);
            assert_eq!((linger.room(), linger.is_over()), (0, false));
            linger.filled_up(acknowledged);
            assert_eq!((linger.room(), linger.is_over()), (0, true));
            linger.discarded(usize::MAX);
            assert_eq!(linger.room(), 0);
        }
    }

    #[test]
    fn while_an_answer_is_on_its_way_it_discards_what_it_had_granted_and_no_byte_more() {
        let mut linger = Linger::new(at(100), Awaited::PeersEnd, 1000);
        linger.discarded(65_536);
        linger.filled_up(Some(false));
        assert_eq!((linger.room(), linger.is_over()), (1000, false));
        linger.discarded(1000);
        linger.filled_up(Some(false));
        assert!(linger.is_over());
    }

    #[test]
    fn full_it_reads_no_more_and_stays_until_its_answer_has_arrived() {
        let mut linger = begun(Awaited::PeersEndAndAcknowledgement);
        linger.answer(Some(false));
        linger.discarded(Linger::MOST);
        linger.filled_up(Some(false));
        assert!(linger.is_full() && !linger.is_over());
        assert!(linger.asks());
        linger.answer(Some(false));
        assert_eq!(linger.poll_timeout(), Some(at(102)));
        linger.handle_timeout(at(102));
        linger.answer(Some(true));
        assert!(linger.is_over());

        let mut linger = begun(Awaited::PeersEndAndAcknowledgement);
        linger.discarded(Linger::MOST);
        linger.filled_up(Some(true));
        assert!(linger.is_over() && !linger.is_full());
    }

    #[test]
    fn its_bound_is_a_second_from_its_beginning_whatever_comes() {
        let mut linger = begun(Awaited::PeersEnd);
        linger.handle_timeout(at(1099));
        linger.discarded(5);
        linger.handle_timeout(at(50));
        assert_eq!(linger.poll_timeout(), Some(at(1100)));
        linger.handle_timeout(at(1100));
        assert!(linger.is_over());
    }
}
