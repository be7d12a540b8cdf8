//! One connection: two ways for bytes, each with its latency and its window, and what ends them.
//!
//! What a kernel does, as far as two programs can tell: bytes arrive in order, a latency later; a
//! closed end is a FIN, or a reset if it left bytes unread; bytes that come to a closed end are
//! answered by a reset; what has arrived before a reset can still be read. The window is freed as
//! bytes are read, without a way back for the news.
//!
//! **Invariant:** nothing here knows the time by itself: it is given to every call.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::Instant;

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    /// Whose it is.
    pub(super) client: u16,
    /// Its number, from 1.
    pub(super) number: u32,
    latency: Duration,
    ways: Mutex<Ways>,
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

#[derive(Debug)]
struct Ways {
    /// To the server.
    up: Way,
    /// To the client.
    down: Way,
    /// Since when nothing travels.
    held: Option<Instant>,
}

/// One way, from a writer to a reader.
#[derive(Debug)]
struct Way {
    /// On their way, or arrived and not read.
    bytes: VecDeque<u8>,
    /// Those that have arrived.
    arrived: usize,
    /// The others: when so many of them arrive.
    travel: VecDeque<(Instant, usize)>,
    window: usize,
    /// When the end of the writer's side arrives.
    fin: Option<Instant>,
    /// When it arrives that there is no connection any more.
    reset: Option<Instant>,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What a call has made happen at the other end, some time later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) side: Side,
}

/// What a call came to.
pub(super) enum Step<T> {
    Done(T),
    /// The waker is remembered.
    Waits,
}

impl Line {
    pub(super) fn new(client: u16, number: u32, latency: Duration, window: usize) -> Self {
        let ways = Ways {
            up: Way::new(window),
            down: Way::new(window),
            held: None,
        };
        Self {
            client,
            number,
            latency,
            ways: Mutex::new(ways),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads at this end; no bytes are the end of the other side.
    pub(super) fn read(
        &self,
        side: Side,
        now: Instant,
        waker: &Waker,
        into: &mut ReadBuf<'_>,
    ) -> Step<io::Result<usize>> {
        let mut ways = self.lock();
        let held = ways.held;
        let way = ways.to(side);
        way.settle(now, held);
        let bytes = way.take(into);
        if bytes > 0 || into.remaining() == 0 {
            let writer = way.writer.take();
            drop(ways);
            writer.into_iter().for_each(Waker::wake);
            return Step::Done(Ok(bytes));
        }
        if has_come(way.fin, now, held) {
            return Step::Done(Ok(0));
        }
        if has_come(way.reset, now, held) {
            return Step::Done(Err(ErrorKind::ConnectionReset.into()));
        }
        remember(&mut way.reader, waker);
        Step::Waits
    }

    /// Writes at this end.
    pub(super) fn write(
        &self,
        side: Side,
        now: Instant,
        waker: &Waker,
        bytes: &[u8],
    ) -> Step<(io::Result<usize>, Option<Arrival>)> {
        let mut ways = self.lock();
        let held = ways.held;
        if has_come(ways.to(side).reset, now, held) {
            return Step::Done((Err(ErrorKind::BrokenPipe.into()), None));
        }
        let way = ways.from(side);
        if way.fin.is_some() {
            return Step::Done((Err(ErrorKind::BrokenPipe.into()), None));
        }
        let room = way.window.saturating_sub(way.bytes.len()).min(bytes.len());
        let Some(bytes) = bytes.get(..room).filter(|_| room > 0 || bytes.is_empty()) else {
            remember(&mut way.writer, waker);
            return Step::Waits;
        };
        way.bytes.extend(bytes);
        let at = now + self.latency;
        if way.reader_gone {
            // They travel there, and a reset travels back.
            let arrival = ways.reset(side, at + self.latency);
            return Step::Done((Ok(room), Some(arrival)));
        }
        let arrival = match way.travel.back_mut() {
            Some((last, many)) if *last == at => {
                *many += room;
                None
            }
            _ => {
                way.travel.push_back((at, room));
                Some(Arrival {
                    at,
                    side: side.other(),
                })
            }
        };
        Step::Done((Ok(room), arrival))
    }

    /// Ends this end's side.
    pub(super) fn shut(&self, side: Side, now: Instant) -> (io::Result<bool>, Option<Arrival>) {
        let mut ways = self.lock();
        let held = ways.held;
        if has_come(ways.to(side).reset, now, held) {
            return (Err(ErrorKind::NotConnected.into()), None);
        }
        let at = now + self.latency;
        let way = ways.from(side);
        if way.fin.is_some() {
            return (Ok(false), None);
        }
        way.fin = Some(at);
        let side = side.other();
        (Ok(true), Some(Arrival { at, side }))
    }

    /// Closes this end; with a reset if asked to, or if bytes are left unread. Says whether it was one.
    pub(super) fn close(
        &self,
        side: Side,
        now: Instant,
        abort: bool,
    ) -> (bool, [Option<Arrival>; 2]) {
        let mut ways = self.lock();
        let held = ways.held;
        let other = side.other();
        let at = now + self.latency;
        let way = ways.to(side);
        way.settle(now, held);
        let unread = way.arrived > 0;
        let underway = way.travel.front().map(|(at, _)| *at);
        let gone = has_come(way.reset, now, held);
        // What is in the window stays there: nobody frees it, and the other end does not know yet.
        way.reader_gone = true;
        let resets = !gone && (abort || unread);
        let mut arrivals = [None; 2];
        if resets {
            arrivals = [Some(ways.reset(other, at)), None];
        } else if !gone {
            let out = ways.from(side);
            let fin = out.fin.is_none().then_some(Arrival { at, side: other });
            out.fin.get_or_insert(at);
            // What is on its way comes to a closed end.
            let reset =
                underway.map(|underway| ways.reset(other, underway.max(now) + self.latency));
            arrivals = [fin, reset];
        }
        (resets, arrivals)
    }

    /// Wakes whoever waits at this end.
    pub(super) fn wake(&self, side: Side) {
        let (reader, writer) = {
            let mut ways = self.lock();
            (ways.to(side).reader.take(), ways.from(side).writer.take())
        };
        reader.into_iter().chain(writer).for_each(Waker::wake);
    }

    /// Nothing travels from now on.
    pub(super) fn hold(&self, now: Instant) {
        self.lock().held.get_or_insert(now);
    }

    /// Everything travels on.
    pub(super) fn release(&self) {
        self.lock().held = None;
        self.wake(Side::Client);
        self.wake(Side::Server);
    }
}

impl Ways {
    /// The way that ends at this side.
    const fn to(&mut self, side: Side) -> &mut Way {
        match side {
            Side::Client => &mut self.down,
            Side::Server => &mut self.up,
        }
    }

    /// The way that begins at this side.
    const fn from(&mut self, side: Side) -> &mut Way {
        self.to(side.other())
    }

    /// A reset arrives at this side then, unless one does earlier.
    fn reset(&mut self, side: Side, at: Instant) -> Arrival {
        let reset = &mut self.to(side).reset;
        let at = reset.map_or(at, |earlier| earlier.min(at));
        *reset = Some(at);
        Arrival { at, side }
    }
}

impl Way {
    const fn new(window: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            arrived: 0,
            travel: VecDeque::new(),
            window,
            fin: None,
            reset: None,
            reader_gone: false,
            reader: None,
            writer: None,
        }
    }

    /// Lets arrive what has.
    fn settle(&mut self, now: Instant, held: Option<Instant>) {
        while let Some((at, many)) = self.travel.front() {
            if !has_come(Some(*at), now, held) {
                return;
            }
            self.arrived += many;
            self.travel.pop_front();
        }
    }

    fn take(&mut self, into: &mut ReadBuf<'_>) -> usize {
        let most = self.arrived.min(into.remaining());
        let (front, back) = self.bytes.as_slices();
        let first = front.get(..most).unwrap_or(front);
        into.put_slice(first);
        into.put_slice(back.get(..most - first.len()).unwrap_or_default());
        self.bytes.drain(..most);
        self.arrived -= most;
        most
    }
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Whether what arrives `at` is there: not before its time, and not if it was underway when all was
/// held.
fn has_come(at: Option<Instant>, now: Instant, held: Option<Instant>) -> bool {
    at.is_some_and(|at| at <= now && held.is_none_or(|held| at <= held))
}

fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
        *slot = Some(waker.clone());
    }
}
