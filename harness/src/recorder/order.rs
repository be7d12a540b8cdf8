//! Whether lines came in an order, and what to tell a person if they did not.
//!
//! **Invariant:** what is told shows the order that was expected with the place where it broke, and
//! what came there instead.

/// Whether `expected` came in its order, with or without other lines between.
pub(super) fn check(came: &[String], expected: &[&str]) -> Result<(), String> {
    let mut next = 0;
    for (index, text) in expected.iter().enumerate() {
        let rest = came.get(next..).unwrap_or_default();
        match rest.iter().position(|line| line == text) {
            Some(place) => next += place + 1,
            None => return Err(told(came, expected, index, next)),
        }
    }
    Ok(())
}

/// `expected[missing]` did not come from the line `next` on.
fn told(came: &[String], expected: &[&str], missing: usize, next: usize) -> String {
    let mut told = String::from("these were to come in this order:");
    for (index, text) in expected.iter().enumerate() {
        let note = match index {
            _ if index < missing => "came",
            _ if index == missing => "did not come here",
            _ => "",
        };
        line(&mut told, text, note);
    }
    let text = expected.get(missing).copied().unwrap_or_default();
    match came.iter().position(|line| line == text) {
        Some(place) => {
            let later = came.get(place + 1).map_or("nothing", String::as_str);
            told.push_str(&format!("\n{text:?} came too early, before {later:?}"));
        }
        None => told.push_str(&format!("\n{text:?} never came")),
    }
    match missing.checked_sub(1).and_then(|last| expected.get(last)) {
        Some(last) => told.push_str(&format!("; after {last:?} came instead:")),
        None => told.push_str("; what came instead:"),
    }
    let instead = came.get(next..).unwrap_or_default();
    for text in instead {
        line(&mut told, text, "");
    }
    if instead.is_empty() {
        line(&mut told, "nothing", "");
    }
    told
}

fn line(told: &mut String, text: &str, note: &str) {
    let line = format!("{text:<32}  {note}");
    told.push_str(&format!("\n  {}", line.trim_end()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came() -> Vec<String> {
        ["start", "ready", "stopping SIGTERM", "stop"]
            .map(String::from)
            .to_vec()
    }

    #[test]
    fn others_may_come_between() {
        assert_eq!(check(&came(), &["start", "stop"]), Ok(()));
        assert_eq!(check(&came(), &[]), Ok(()));
    }

    #[test]
    fn a_line_that_never_came_is_told_with_what_came_instead() {
        let told = check(&came(), &["ready", "phase draining", "stop"]).unwrap_err();
        let expected = "these were to come in this order:
  ready                             came
  phase draining                    did not come here
  stop
\"phase draining\" never came; after \"ready\" came instead:
  stopping SIGTERM
  stop";
        assert_eq!(told, expected);
    }

    #[test]
    fn a_line_that_came_too_early_is_told_so() {
        let told = check(&came(), &["stop", "ready"]).unwrap_err();
        let expected = "these were to come in this order:
  stop                              came
  ready                             did not come here
\"ready\" came too early, before \"stopping SIGTERM\"; after \"stop\" came instead:
  nothing";
        assert_eq!(told, expected);
        let told = check(&[], &["ready"]).unwrap_err();
        assert!(told.ends_with("\"ready\" never came; what came instead:\n  nothing"));
    }
}
