//! What a process writes, line by line, on both of its streams.
//!
//! **Invariant:** the end is told only when both streams are read to theirs.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::ExitStatus;
use std::time::Instant;

use tokio::sync::watch;

use super::program::Reader;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// Everything that was written so far. A clone is the same output.
#[derive(Clone, Debug)]
pub(super) struct Output {
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<(Stream, String)>,
    /// How many streams are read.
    open: usize,
    ended: Option<(ExitStatus, Instant)>,
}

impl State {
    fn is_over(&self) -> bool {
        self.open == 0 && self.ended.is_some()
    }
}

impl Default for Output {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::default()),
        }
    }
}

impl Output {
    /// Reads a stream on a thread of its own, for as long as its reader is to stay.
    pub(super) fn read(&self, stream: Stream, from: impl Read + Send + 'static, reader: Reader) {
        if reader == Reader::Gone {
            return;
        }
        self.state.send_modify(|state| state.open += 1);
        let output = self.clone();
        drop(std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while let Ok(1..) = from.read_until(b'\n', &mut line) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                output
                    .state
                    .send_modify(|state| state.lines.push((stream, text)));
                if reader == Reader::LeavesAfterOneLine {
                    break;
                }
            }
            drop(from);
            output.state.send_modify(|state| state.open -= 1);
        }));
    }

    /// The process is gone.
    pub(super) fn end(&self, status: ExitStatus, at: Instant) {
        self.state
            .send_modify(|state| state.ended = Some((status, at)));
    }

    /// The `count`-th line with this text; `None` if the process ends without it.
    pub(super) async fn line(&self, text: &str, count: usize) -> Option<String> {
        let found = |state: &State| {
            let mut lines = state.lines.iter().filter(|(_, line)| line.contains(text));
            lines
                .nth(count.saturating_sub(1))
                .map(|(_, line)| line.clone())
        };
        let mut changes = self.state.subscribe();
        let state = changes
            .wait_for(|state| found(state).is_some() || state.is_over())
            .await
            .ok()?;
        found(&state)
    }

    /// Every line with this text so far.
    pub(super) fn lines(&self, text: &str) -> Vec<String> {
        let state = self.state.borrow();
        let lines = state.lines.iter().map(|(_, line)| line);
        lines.filter(|line| line.contains(text)).cloned().collect()
    }

    /// Resolves when the process is gone and all of its output read.
    pub(super) async fn ended(&self) -> (ExitStatus, Instant) {
        let mut changes = self.state.subscribe();
        loop {
            let ended = {
                let state = changes.borrow_and_update();
                state.ended.filter(|_| state.open == 0)
            };
            if let Some(ended) = ended {
                return ended;
            }
            // An error would mean that the output is gone, and `self` is it.
            drop(changes.changed().await);
        }
    }

    /// All that was written on one stream.
    pub(super) fn text(&self, stream: Stream) -> String {
        let state = self.state.borrow();
        let lines = state.lines.iter().filter(|(of, _)| *of == stream);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        for (stream, line) in &state.lines {
            let stream = match stream {
                Stream::Stdout => "out",
                Stream::Stderr => "err",
            };
            write!(f, "\n  {stream}: {line}")?;
        }
        if state.lines.is_empty() {
            f.write_str(" nothing")?;
        }
        match state.ended {
            Some((status, _)) => write!(f, "\n  {status}"),
            None => f.write_str("\n  it is alive"),
        }
    }
}
