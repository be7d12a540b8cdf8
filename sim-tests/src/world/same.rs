//! Whether two runs are the same.
//!
//! **Invariant:** all that a run tells is compared, and nothing is left to what it is called.

use super::Run;
use crate::trace::Text;

impl Run {
    /// What differs first from another run: a line of what was seen, or, where all of it is the same,
    /// of their reports, or how they ended.
    pub(crate) fn differs(&self, other: &Self) -> Option<String> {
        let most = self.trace.len().max(other.trace.len());
        let place = (0..most).find(|place| self.trace.get(*place) != other.trace.get(*place));
        if let Some(place) = place {
            let seen = |run: &Self| {
                let line = run.trace.get(place..=place);
                line.map(|line| Text::new(line).to_string())
            };
            return Some(both(&format!("line {place}"), [self, other].map(seen)));
        }
        if self.report != other.report {
            // A line for each of its facts.
            let texts = [self, other].map(|run| format!("{:#?}", run.report));
            let [mut one, mut two] = texts.each_ref().map(|text| text.lines());
            let lines = loop {
                match [one.next(), two.next()] {
                    [None, None] => break [None, None],
                    [one, two] if one != two => break [one, two],
                    _ => {}
                }
            };
            return Some(both(
                "the report",
                lines.map(|line| line.map(str::to_owned)),
            ));
        }
        let ends = [self, other].map(|run| format!("{:?}, {:?}", run.end, run.tasks_left));
        (ends[0] != ends[1]).then(|| both("the end", ends.map(Some)))
    }
}

fn both(what: &str, each: [Option<String>; 2]) -> String {
    let [one, other] = each.map(|line| line.unwrap_or_else(|| "nothing".to_owned()));
    format!("{what}: {} and {}", one.trim(), other.trim())
}

#[cfg(test)]
mod tests {
    use crate::scenario::{Act, Budget, Scenario};
    use crate::world::{Memory, Run, RunEnd, World};

    fn run(hooks_ms: u32) -> Run {
        let scenario = Scenario {
            plan: Budget {
                hooks_ms,
                ..Budget::default()
            },
            acts: vec![Act::default()],
            ..Scenario::default()
        };
        Memory::default().run(&scenario, &mut ()).unwrap()
    }

    #[test]
    fn runs_of_one_case_are_the_same() {
        assert_eq!(run(10).differs(&run(10)), None);
    }

    #[test]
    fn runs_that_differ_in_their_reports_alone_are_not_the_same() {
        let (one, other) = (run(10), run(11));
        // Of a window that nobody needs nothing is seen.
        assert_eq!(one.trace, other.trace);
        let how = one.differs(&other).unwrap();
        assert!(how.starts_with("the report: "), "{how}");
        assert!(!how.ends_with("nothing and nothing"), "{how}");
    }

    #[test]
    fn runs_that_differ_in_their_end_or_in_a_line_are_not_the_same() {
        let left = Run {
            end: RunEnd::ClientsLeft(1),
            ..run(10)
        };
        let how = run(10).differs(&left).unwrap();
        assert!(how.starts_with("the end: Done, "), "{how}");
        let mut shorter = run(10);
        shorter.trace.pop();
        let how = run(10).differs(&shorter).unwrap();
        assert!(how.ends_with("returned and nothing"), "{how}");
    }
}
