//! The table of a life's steps, as text and as a graph (tests of floor 0).
//!
//! **Invariant:** what the table allows is seen here in full, refused steps too.

use lamplighter_lifecycle::{Phase, ServerState, Step, TRANSITIONS};

use crate::snapshot::compare;

#[test]
fn the_table_of_transitions_is_known_in_full() {
    let mut text = format!("{:<14}", "");
    for step in Step::ALL {
        text += &format!("  {step:<14}");
    }
    text = text.trim_end().to_owned() + "\n";
    for phase in Phase::ALL {
        let mut line = format!("{phase:<14}");
        for step in Step::ALL {
            let next = phase.next(step).map(|next| next.to_string());
            line += &format!("  {:<14}", next.as_deref().unwrap_or("-"));
        }
        text += line.trim_end();
        text.push('\n');
    }
    compare("machine__transitions", &text);
}

#[test]
fn the_table_of_transitions_is_a_graph() {
    compare("machine__graph", &Phase::graph().to_string());
}

#[test]
fn every_step_leads_forward_and_every_phase_but_the_first_is_reached() {
    for (from, _, to) in TRANSITIONS {
        assert!(from < to && from.state() <= to.state(), "{from} -> {to}");
    }
    for phase in Phase::ALL {
        let reached = TRANSITIONS.iter().any(|(_, _, to)| *to == phase);
        assert_eq!(reached, phase != Phase::Created, "{phase}");
        let left = TRANSITIONS.iter().any(|(from, _, _)| *from == phase);
        assert_eq!(left, phase != Phase::Stopped, "{phase}");
    }
}

#[test]
fn one_step_leads_to_one_phase() {
    for (place, (from, step, _)) in TRANSITIONS.iter().enumerate() {
        let twice = TRANSITIONS[..place]
            .iter()
            .any(|(other, with, _)| other == from && with == step);
        assert!(!twice, "{from} with {step}");
    }
}

#[test]
fn the_phases_of_a_stop_are_passed_one_after_the_other_whatever_its_cause() {
    for begins in [Phase::Created, Phase::Starting, Phase::Running] {
        let mut passed = Vec::new();
        let mut phase = begins.next(Step::Stop).unwrap();
        while phase != Phase::Stopped {
            passed.push(phase);
            let steps: Vec<Phase> = Step::ALL
                .into_iter()
                .filter_map(|step| phase.next(step))
                .collect();
            assert_eq!(steps.len(), 1, "{phase}");
            phase = steps[0];
        }
        assert_eq!(passed, Phase::STOPPING);
    }
}

#[test]
fn a_phase_is_stopping_exactly_if_it_is_part_of_a_stop() {
    for phase in Phase::ALL {
        let part = Phase::STOPPING.contains(&phase);
        assert_eq!(phase.is_stopping(), part, "{phase}");
        assert_eq!(phase.state() == ServerState::Stopping, part, "{phase}");
    }
}
