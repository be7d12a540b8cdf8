//! Laws 7 and 11 at the very end: what still lingers, what is disposed of, what is left (tests of
//! floor 0).

use lamplighter_lifecycle::{Effect, Phase};

use super::{Law, Scene, holds};

pub(super) fn laws() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(LingeringEnds),
        Box::new(DisposesOfAllThatIsNotStuck),
    ]
}

/// What lingers is closed when its time is over, and not asked to before.
struct LingeringEnds;

impl Law for LingeringEnds {
    fn name(&self) -> &'static str {
        "law 7: lingering ends in its time, beside the hooks at the latest"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let ends = moment.effects.contains(&Effect::EndLinger);
        let expected = reference.linger.to_end;
        holds!(ends == expected, "lingering is ended: {ends}");
        let left = !reference.linger.lingers.is_empty();
        let late = moment.after.phase > Phase::RunningHooks;
        holds!(!(left && late), "something lingers");
        Ok(())
    }
}

/// Everything is disposed of but what is named as stuck; what is left then is asked for once.
struct DisposesOfAllThatIsNotStuck;

impl Law for DisposesOfAllThatIsNotStuck {
    fn name(&self) -> &'static str {
        "law 11: everything is disposed of, or named"
    }

    fn check(&mut self, scene: Scene<'_>) -> Result<(), String> {
        let Scene {
            moment, reference, ..
        } = scene;
        let before = moment.before.phase;
        let after = moment.after.phase;
        let begins = before < Phase::Disposing && after >= Phase::Disposing;
        let mut disposes = false;
        for effect in &moment.effects {
            match effect {
                Effect::Dispose { leave } => {
                    let expected = reference.given_up();
                    holds!(*leave == expected, "{leave:?} left instead of {expected:?}");
                    disposes = true;
                }
                Effect::NameUndisposed => {
                    let asked = reference.asked_since == Some(reference.now);
                    holds!(after == Phase::Disposing && asked, "asked what is left");
                }
                _ => {}
            }
        }
        let expected = begins && !reference.is_discarded();
        holds!(disposes == expected, "disposes: {disposes}");
        Ok(())
    }
}
