//! The accounts of a stop that is over.
//!
//! **Invariant:** no accounts are given that do not add up: requests begun are those answered, cut
//! and aborted, connections accepted are those that ended, and the time is that of the phases.

use std::time::Duration;

use lamplighter::{ConnectionEnd, CutWork, Phase, Report};

use crate::stage::EXACT;

/// A stop that is over, its accounts added up.
pub(crate) struct Over {
    pub(crate) report: Report,
    passers_by: Vec<ConnectionEnd>,
}

/// What became of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) answered: u64,
    pub(crate) cut: u64,
    pub(crate) aborted: u64,
    pub(crate) late: u64,
    pub(crate) refused: u64,
}

impl Over {
    /// The accounts, without those who only passed by: one request and its answer each.
    pub(crate) fn of(report: Report, passers_by: Vec<ConnectionEnd>) -> Self {
        let told = format!("{report}\n{}", report.timeline());
        assert!(report.is_complete(), "{told}");
        let connections = report.connections();
        assert_eq!(connections.open, 0, "{told}");
        let ended: u64 = connections.ends.iter().sum();
        assert_eq!(connections.accepted, ended, "{connections:?}");
        let tally = connections.tally;
        let settled = tally.answered + tally.cut + tally.aborted;
        assert_eq!(tally.begun, settled, "{tally:?}");
        assert_eq!(report.outcome().cut, tally.cut, "{told}");
        let named = connections.cut.len() as u64;
        assert_eq!(named + connections.cut_unnamed, tally.cut, "{told}");
        let phases: Vec<Phase> = report.phases().iter().map(|phase| phase.phase).collect();
        assert!(phases.is_sorted(), "{told}");
        let sum: Duration = report.phases().iter().map(|phase| phase.took).sum();
        assert_eq!(sum, report.total(), "{told}");
        assert!(report.budget().is_none_or(|budget| sum <= budget), "{told}");
        let code = if tally.cut > 0 { 10 } else { 0 };
        assert_eq!(report.exit_code(), code, "{told}");
        Self { report, passers_by }
    }

    /// The connections ended so, in any order.
    #[track_caller]
    pub(crate) fn ended(self, expected: impl IntoIterator<Item = ConnectionEnd>) -> Self {
        let passed = self.passers_by.iter().copied();
        let expected: Vec<ConnectionEnd> = expected.into_iter().chain(passed).collect();
        for end in ConnectionEnd::ALL {
            let count = expected.iter().filter(|known| **known == end).count() as u64;
            let counted = self.report.connections().ended(end);
            assert_eq!(counted, count, "{end}: {:?}", self.report.connections());
        }
        self
    }

    /// This became of the requests, and of no other.
    #[track_caller]
    pub(crate) fn requests(self, expected: Requests) -> Self {
        let tally = self.report.connections().tally;
        let counted = Requests {
            answered: tally.answered - self.passers_by.len() as u64,
            cut: tally.cut,
            aborted: tally.aborted,
            late: tally.late_unprocessed,
            refused: tally.refused_retryable,
        };
        assert_eq!(counted, expected, "{}", self.report);
        self
    }

    /// So many requests were answered, and there was no other.
    #[track_caller]
    pub(crate) fn answered(self, answered: u64) -> Self {
        self.requests(Requests {
            answered,
            ..Requests::default()
        })
    }

    /// What was cut is named so: protocol and method, the oldest first.
    #[track_caller]
    pub(crate) fn named(self, expected: &[&str]) -> Self {
        let name = |cut: &CutWork| format!("{} {}", cut.work.protocol, cut.work.method);
        let named: Vec<String> = self.report.connections().cut.iter().map(name).collect();
        assert_eq!(named, expected);
        self
    }

    /// This phase took exactly so long.
    #[track_caller]
    pub(crate) fn took(self, phase: Phase, expected: Duration) -> Self {
        let mut known = self.report.phases().iter();
        let took = known
            .find(|known| known.phase == phase)
            .map(|known| known.took);
        let took = took.unwrap_or_default();
        let told = self.report.timeline().to_string();
        assert!(
            took >= expected && took <= expected + EXACT,
            "{took:?}\n{told}"
        );
        self
    }

    /// The drain took exactly so long.
    #[track_caller]
    pub(crate) fn drained_in(self, expected: Duration) -> Self {
        self.took(Phase::Draining, expected)
    }

    /// Neither the drain nor a force close took any time.
    #[track_caller]
    pub(crate) fn at_once(self) -> Self {
        self.drained_in(Duration::ZERO)
            .took(Phase::ForceClosing, Duration::ZERO)
    }
}
